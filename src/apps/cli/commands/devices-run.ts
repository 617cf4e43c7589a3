import { isRefusal, z } from '../../../foundation/base/index.ts'
import {
  principalList,
  type PrincipalPatch,
  principalView,
  type PrincipalView,
} from '../../authority/index.ts'
import type { CommandInput } from '../command-line.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { takeObjects } from '../objects.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  paint,
  printable,
  printFields,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

/** `kosctl devices` */
export async function list(context: CliContext, input: CommandInput): Promise<number> {
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
      principal.origin === 'est' ? `${principal.profile} (EST)` : principal.profile,
      principal.connected ? 'connected' : principal.state,
      `ends ${relativeTime(principal.certificateNotAfter, now)}`,
      relativeTime(principal.renewAfter, now),
      principal.addresses[0] ?? '-',
      principal.connected ? 'now' : relativeTime(principal.lastSeenAt, now),
    ]),
  )
}

/** `kosctl devices show` */
export async function show(context: CliContext, input: CommandInput): Promise<number> {
  const path = principalPath(input)
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('GET', path), principalView),
  )
  if (isRefusal(answer)) return refusedExit(context, 'devices show', answer)
  if (input.flag('json')) printJson(context.terminal, answer)
  else printPrincipal(context, answer)
  return EXIT.ok
}

function printPrincipal(context: CliContext, view: PrincipalView): void {
  const now = context.clock.wallMs()
  const labels = Object.entries(view.labels).map(([key, value]) => `${key}=${value}`)
  printFields(context.terminal, [
    ['name', view.name],
    ['id', view.id],
    ['uri', view.uri],
    ['profile', `kOS-${view.profile}`],
    ['enrolled by', view.origin ?? 'join'],
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

/** `kosctl devices rename` */
export function rename(context: CliContext, input: CommandInput): Promise<number> {
  return patch(context, input, { name: input.positionals[1] ?? '' })
}

/** `kosctl devices label` */
export function label(context: CliContext, input: CommandInput): Promise<number> {
  const groups = input.texts('group')
  return patch(context, input, {
    labels: Object.fromEntries(input.positionals.slice(1).map(parseLabel)),
    ...(groups.length > 0 && { groups: [...groups] }),
  })
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
  if (input.flag('json')) printJson(context.terminal, answer)
  else printPrincipal(context, answer)
  return EXIT.ok
}

/** `kosctl devices remove` */
export async function remove(context: CliContext, input: CommandInput): Promise<number> {
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
  if (input.flag('json')) printJson(context.terminal, { removed: name })
  else context.terminal.out(`${paint(context.terminal, 'green', 'removed')}  ${printable(name)}`)
  return EXIT.ok
}

/** `kosctl devices rotate-psk` */
export async function rotatePsk(context: CliContext, input: CommandInput): Promise<number> {
  const path = `${principalPath(input)}/rotate-psk`
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('POST', path), z.object({ delivered: z.boolean() })),
  )
  if (isRefusal(answer)) return refusedExit(context, 'devices rotate-psk', answer)
  const { terminal } = context
  if (input.flag('json')) printJson(terminal, answer)
  else if (answer.delivered) terminal.out(paint(terminal, 'green', 'rotated'))
  else terminal.out('The device is not connected: it gets the new key in its next session.')
  return EXIT.ok
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
