import { isRefusal, z } from '../../../foundation/base/index.ts'
import { parseProfileName } from '../../../foundation/profiles/index.ts'
import { tokenCreated, tokenList } from '../../authority/index.ts'
import type { CliCommand, CommandInput } from '../command-line.ts'
import { type CliContext, jsonBody, readAnswer } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  parseDuration,
  printable,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

const create: CliCommand<CliContext> = {
  path: ['token', 'create'],
  summary: 'create a join token and print its one join line',
  usage: '--name NAME [--profile SEC-2] [--ttl 10m] [--kind device|agent]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    name: { type: 'string', value: 'NAME', summary: 'the name the device gets' },
    profile: { type: 'string', value: 'PROFILE', summary: 'its security profile (SEC-2)' },
    ttl: { type: 'string', value: 'DURATION', summary: 'life of the token, at most 10m (10m)' },
    kind: { type: 'string', value: 'KIND', summary: 'device or agent (device)' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl token create --name camera-1 --profile SEC-2 --ttl 10m',
    'kosctl token create --name camera-1 | kosd node --join -',
  ],
  run: async (context, input) => {
    const body = jsonBody(tokenRequestOf(input))
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('POST', '/v1/tokens', body), tokenCreated),
    )
    if (isRefusal(answer)) {
      printRefusal(context.terminal, 'token create', answer)
      return EXIT.refused
    }
    if (input.flag('json')) printJson(context.terminal, answer)
    else context.terminal.out(printable(answer.joinLine))
    return EXIT.ok
  },
}

function tokenRequestOf(input: CommandInput): unknown {
  const name = input.text('name')
  const profile = parseProfileName(input.text('profile') ?? 'SEC-2')
  const lifeMs = parseDuration(input.text('ttl') ?? '10m')
  if (name === undefined) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--name is missing' })
  if (!profile) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--profile is SEC-1 to SEC-4' })
  if (lifeMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--ttl is a duration such as 90s or 10m' })
  }
  return { name, profile, lifeMs, kind: input.text('kind') ?? 'device' }
}

const list: CliCommand<CliContext> = {
  path: ['token', 'list'],
  summary: 'list join tokens, without their secrets',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl token list'],
  run: async (context, input) => {
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('GET', '/v1/tokens'), tokenList),
    )
    if (isRefusal(answer)) {
      printRefusal(context.terminal, 'token list', answer)
      return EXIT.refused
    }
    if (input.flag('json')) {
      printJson(context.terminal, answer.tokens)
      return EXIT.ok
    }
    const now = context.clock.wallMs()
    printTable(
      context.terminal,
      ['ID', 'NAME', 'KIND', 'PROFILE', 'STATE', 'EXPIRES'],
      answer.tokens.map((token) => [
        token.id,
        token.name,
        token.kind,
        token.profile,
        token.state,
        relativeTime(token.expiresAt, now),
      ]),
    )
    return EXIT.ok
  },
}

const revoke: CliCommand<CliContext> = {
  path: ['token', 'revoke'],
  summary: 'revoke an open join token',
  usage: 'ID',
  minPositionals: 1,
  maxPositionals: 1,
  options: {},
  examples: ['kosctl token revoke HwJq4Yb0T0aPGzvkZ8m2xw'],
  run: async (context, input) => {
    const path = `/v1/tokens/${encodeURIComponent(input.positionals[0] ?? '')}`
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('DELETE', path), z.object({ revoked: z.boolean() })),
    )
    if (isRefusal(answer)) {
      printRefusal(context.terminal, 'token revoke', answer)
      return EXIT.refused
    }
    context.terminal.out('revoked')
    return EXIT.ok
  },
}

/** `kosctl token …` */
export const tokenCommands: readonly CliCommand<CliContext>[] = [create, list, revoke]
