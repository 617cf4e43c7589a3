import { z } from '../../../foundation/base/index.ts'
import { parseProfileName } from '../../../foundation/profiles/index.ts'
import { estTokenCreated, tokenCreated, tokenList, type TokenView } from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { estCommands } from '../est-commands.ts'
import { parseDuration, printable, printJson, printTable, relativeTime } from '../output.ts'

/** `kosctl token create` */
export function create(context: CliContext, input: CommandInput): Promise<number> {
  if (input.flag('est')) return createEst(context, input)
  const body = jsonBody(tokenRequestOf(input))
  return askAuthority(context, { ...CREATE, body, schema: tokenCreated }, (answer) => {
    if (context.terminal.isJson) printJson(context.terminal, answer)
    else context.terminal.out(printable(answer.joinLine))
  })
}

/** `kosctl token create --est` */
function createEst(context: CliContext, input: CommandInput): Promise<number> {
  const body = jsonBody({ ...tokenRequestOf(input), origin: 'est' })
  return askAuthority(context, { ...CREATE, body, schema: estTokenCreated }, (answer) => {
    if (context.terminal.isJson) printJson(context.terminal, answer)
    else context.terminal.out(estCommands(answer.est))
  })
}

const CREATE = { what: 'token create', method: 'POST', path: '/v1/tokens' } as const

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
export function list(context: CliContext): Promise<number> {
  const path = '/v1/tokens'
  const question = { what: 'token list', method: 'GET', path, schema: tokenList } as const
  return askAuthority(context, question, ({ tokens }) => {
    if (context.terminal.isJson) printJson(context.terminal, tokens)
    else printTokens(context, tokens)
  })
}

function printTokens({ terminal, clock }: CliContext, tokens: readonly TokenView[]): void {
  const now = clock.wallMs()
  printTable(
    terminal,
    ['ID', 'NAME', 'KIND', 'PROFILE', 'STATE', 'EXPIRES'],
    tokens.map((token) => [
      token.id,
      token.name,
      token.kind,
      token.origin === 'est' ? `${token.profile} (EST)` : token.profile,
      token.state,
      relativeTime(token.expiresAt, now),
    ]),
  )
}

/** `kosctl token revoke` */
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const [id = ''] = input.positionals
  const path = `/v1/tokens/${encodeURIComponent(id)}`
  const schema = z.object({ revoked: z.boolean() })
  return askAuthority(context, { what: 'token revoke', method: 'DELETE', path, schema }, () => {
    if (context.terminal.isJson) printJson(context.terminal, { revoked: id })
    else context.terminal.out('revoked')
  })
}
