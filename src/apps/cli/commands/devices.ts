import { isRefusal, z } from '../../../foundation/base/index.ts'
import {
  principalList,
  type PrincipalPatch,
  principalView,
  type PrincipalView,
} from '../../authority/index.ts'
import type { CliCommand, CommandInput } from '../command-line.ts'
import { type CliContext, jsonBody, readAnswer } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { takeObjects } from '../peers.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  paint,
  printFields,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const list: CliCommand<CliContext> = {
  path: ['devices'],
  summary: 'list principals: profile, state, certificate, address, last seen',
  usage: '[--json] [--all]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    ...JSON_OPTION,
    all: { type: 'boolean', summary: 'also users and the authority itself' },
  },
  examples: ['kosctl devices', 'kosctl devices --json'],
  run: async (context, input) => {
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('GET', '/v1/principals'), principalList),
    )
    if (isRefusal(answer)) return refusedExit(context, 'devices', answer)
    const shown = answer.principals.filter(
      ({ kind }) => input.flag('all') || kind === 'device' || kind === 'agent',
    )
    if (input.flag('json')) printJson(context.terminal, shown)
    else printPrincipals(context, shown)
    return EXIT.ok
  },
}

function printPrincipals(context: CliContext, principals: readonly PrincipalView[]): void {
  const now = context.clock.wallMs()
  if (principals.length === 0) {
    context.terminal.out('No devices yet. Create a join line: kosctl token create --name NAME')
    return
  }
  printTable(
    context.terminal,
    ['NAME', 'ID', 'PROFILE', 'STATE', 'CERTIFICATE', 'RENEWAL', 'ADDRESS', 'LAST SEEN'],
    principals.map((principal) => [
      principal.name,
      principal.id,
      principal.profile,
      principal.connected ? 'connected' : principal.state,
      `ends ${relativeTime(principal.certificateNotAfter, now)}`,
      relativeTime(principal.renewAfter, now),
      principal.addresses[0] ?? '-',
      principal.connected ? 'now' : relativeTime(principal.lastSeenAt, now),
    ]),
  )
}

const show: CliCommand<CliContext> = {
  path: ['devices', 'show'],
  summary: 'show one principal',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl devices show camera-1'],
  run: async (context, input) => {
    const path = principalPath(input)
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('GET', path), principalView),
    )
    if (isRefusal(answer)) return refusedExit(context, 'devices show', answer)
    if (input.flag('json')) printJson(context.terminal, answer)
    else printPrincipal(context, answer)
    return EXIT.ok
  },
}

function printPrincipal(context: CliContext, view: PrincipalView): void {
  const now = context.clock.wallMs()
  const labels = Object.entries(view.labels).map(([key, value]) => `${key}=${value}`)
  printFields(context.terminal, [
    ['name', view.name],
    ['id', view.id],
    ['uri', view.uri],
    ['profile', `kOS-${view.profile}`],
    ['state', view.connected ? 'active, connected' : view.state],
    ['owner', view.owner],
    ['roles', view.roles.join(', ') || '-'],
    ['groups', view.groups.join(', ') || '-'],
    ['labels', labels.join(', ') || '-'],
    ['addresses', view.addresses.join(', ') || '-'],
    ['identity key', `SHA-256 ${view.identityKeyHash}`],
    ['generation', String(view.generation)],
    ['certificate', `ends ${relativeTime(view.certificateNotAfter, now)}`],
    ['next renewal', relativeTime(view.renewAfter, now)],
    ['joined', relativeTime(view.createdAt, now)],
    ['last seen', view.connected ? 'now' : relativeTime(view.lastSeenAt, now)],
  ])
}

const rename: CliCommand<CliContext> = {
  path: ['devices', 'rename'],
  summary: 'give a principal another name; its id stays',
  usage: 'NAME NEW-NAME',
  minPositionals: 2,
  maxPositionals: 2,
  options: {},
  examples: ['kosctl devices rename camera-1 yard-camera'],
  run: (context, input) => patch(context, input, { name: input.positionals[1] ?? '' }),
}

const label: CliCommand<CliContext> = {
  path: ['devices', 'label'],
  summary: 'set labels (KEY=VALUE), remove them (KEY-), or set groups',
  usage: 'NAME [KEY=VALUE …] [KEY- …] [--group GROUP …]',
  minPositionals: 1,
  maxPositionals: 33,
  options: {
    group: { type: 'string', multiple: true, value: 'GROUP', summary: 'replace the groups' },
  },
  examples: ['kosctl devices label camera-1 site=yard', 'kosctl devices label camera-1 site-'],
  run: (context, input) => {
    const groups = input.texts('group')
    return patch(context, input, {
      labels: Object.fromEntries(input.positionals.slice(1).map(parseLabel)),
      ...(groups.length > 0 && { groups: [...groups] }),
    })
  },
}

function parseLabel(text: string): [string, string | null] {
  if (text.endsWith('-') && !text.includes('=')) return [text.slice(0, -1), null]
  const at = text.indexOf('=')
  if (at < 1) throw cliErrors.error('KOS_CLI_USAGE', { reason: 'a label is KEY=VALUE or KEY-' })
  return [text.slice(0, at), text.slice(at + 1)]
}

async function patch(
  context: CliContext,
  input: CommandInput,
  change: PrincipalPatch,
): Promise<number> {
  const path = principalPath(input)
  const answer = await withAuthority(context, async (client, member) => {
    const changed = readAnswer(await client.request('PATCH', path, jsonBody(change)), principalView)
    if (!isRefusal(changed)) await takeObjects(client, member)
    return changed
  })
  if (isRefusal(answer)) return refusedExit(context, 'devices', answer)
  printPrincipal(context, answer)
  return EXIT.ok
}

const remove: CliCommand<CliContext> = {
  path: ['devices', 'remove'],
  summary: 'lock a principal, close its sessions and remove it',
  usage: 'NAME',
  minPositionals: 1,
  maxPositionals: 1,
  options: {},
  examples: ['kosctl devices remove camera-1'],
  run: async (context, input) => {
    const path = principalPath(input)
    const answer = await withAuthority(context, async (client, member) => {
      const schema = z.object({ removed: z.boolean() })
      const removed = readAnswer(await client.request('DELETE', path), schema)
      // This operator's own calls must not reach it either.
      if (!isRefusal(removed)) await takeObjects(client, member)
      return removed
    })
    if (isRefusal(answer)) return refusedExit(context, 'devices remove', answer)
    const name = input.positionals[0] ?? ''
    context.terminal.out(`${paint(context.terminal, 'green', 'removed')}  ${name}`)
    return EXIT.ok
  },
}

function principalPath(input: CommandInput): string {
  return `/v1/principals/${encodeURIComponent(input.positionals[0] ?? '')}`
}

function refusedExit(
  context: CliContext,
  what: string,
  refusal: Parameters<typeof printRefusal>[2],
): number {
  printRefusal(context.terminal, what, refusal)
  return EXIT.refused
}

/** `kosctl devices …` */
export const devicesCommands: readonly CliCommand<CliContext>[] = [
  list,
  show,
  rename,
  label,
  remove,
]
