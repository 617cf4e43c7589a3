import { isRefusal, z } from '../../../foundation/base/index.ts'
import { parseProfileName } from '../../../foundation/profiles/index.ts'
import { estTokenCreated, tokenCreated, tokenList } from '../../authority/index.ts'
import type { CommandInput } from '../command-line.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import { estCommands } from '../est-commands.ts'
import {
  EXIT,
  parseDuration,
  printable,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

/** `kosctl token create` */
export async function create(context: CliContext, input: CommandInput): Promise<number> {
  if (input.flag('est')) return createEst(context, input)
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
}

/** `kosctl token create --est` */
async function createEst(context: CliContext, input: CommandInput): Promise<number> {
  const body = jsonBody({ ...tokenRequestOf(input), origin: 'est' })
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('POST', '/v1/tokens', body), estTokenCreated),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'token create', answer)
    return EXIT.refused
  }
  if (input.flag('json')) printJson(context.terminal, answer)
  else context.terminal.out(estCommands(answer.est))
  return EXIT.ok
}

function tokenRequestOf(input: CommandInput): object {
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

/** `kosctl token list` */
export async function list(context: CliContext, input: CommandInput): Promise<number> {
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
      token.origin === 'est' ? `${token.profile} (EST)` : token.profile,
      token.state,
      relativeTime(token.expiresAt, now),
    ]),
  )
  return EXIT.ok
}

/** `kosctl token revoke` */
export async function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const path = `/v1/tokens/${encodeURIComponent(input.positionals[0] ?? '')}`
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('DELETE', path), z.object({ revoked: z.boolean() })),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'token revoke', answer)
    return EXIT.refused
  }
  const [id] = input.positionals
  if (input.flag('json')) printJson(context.terminal, { revoked: id })
  else context.terminal.out('revoked')
  return EXIT.ok
}
