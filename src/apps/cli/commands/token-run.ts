import { z } from '../../../foundation/base/index.ts'
import { parseProfileName } from '../../../foundation/profiles/index.ts'
import {
  estTokenCreated,
  tokenCreated,
  tokenDetail,
  tokenList,
  type TokenView,
} from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import { labelsOf, partsOf } from '../batch-rows.ts'
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
  const profile = parseProfileName(input.text('profile') ?? 'SEC-2')
  if (!profile) throw usage('--profile is SEC-1 to SEC-4')
  const several = input.text('uses')
  const lifeMs = parseDuration(input.text('ttl') ?? (several === undefined ? '10m' : '24h'))
  if (lifeMs === undefined) throw usage('--ttl is a duration such as 90s or 10m')
  const labels = labelsOf(input.text('labels') ?? '')
  if (!labels) throw usage('--labels is like site=north;floor=2')
  return {
    ...namingOf(input, several),
    profile,
    lifeMs,
    kind: input.text('kind') ?? 'device',
    groups: partsOf(input.text('groups') ?? ''),
    labels,
  }
}

/** One device with a name, or several whose names begin alike. */
function namingOf(input: CommandInput, several: string | undefined): object {
  const name = input.text('name')
  const prefix = input.text('name-prefix')
  if (several === undefined && prefix === undefined) {
    if (name === undefined) throw usage('--name is missing')
    return { name }
  }
  if (several === undefined || prefix === undefined || name !== undefined) {
    throw usage('several devices need --uses and --name-prefix, and no --name')
  }
  if (!/^[0-9]{1,5}$/.test(several)) throw usage('--uses is a number of devices')
  return { name: prefix, uses: Number(several) }
}

function usage(reason: string): Error {
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}

/** `kosctl token list` */
export function list(context: CliContext): Promise<number> {
  const path = '/v1/tokens'
  const question = { what: 'token list', method: 'GET', path, schema: tokenList } as const
  return askAuthority(context, question, ({ tokens }) => {
    if (context.terminal.isJson) printJson(context.terminal, tokens)
    else printTokens(context, linesOf(tokens))
  })
}

/** `kosctl token show` */
export function show(context: CliContext, input: CommandInput): Promise<number> {
  const [id = ''] = input.positionals
  const path = `/v1/tokens/${encodeURIComponent(id)}`
  const question = { what: 'token show', method: 'GET', path, schema: tokenDetail } as const
  return askAuthority(context, question, (detail) => {
    const { terminal, clock } = context
    if (terminal.isJson) {
      printJson(terminal, detail)
      return
    }
    printTokens(context, detail.tokens.map(tokenLine))
    terminal.out('')
    printTable(
      terminal,
      ['DEVICE', 'ID', 'STATE', 'JOINED', 'BY TOKEN'],
      detail.devices.map(({ name, id: device, state, joinedAt, token }) => [
        name,
        device,
        state,
        relativeTime(joinedAt, clock.wallMs()),
        token,
      ]),
    )
  })
}

/** A row of the list: a token, or a batch as a whole. */
interface TokenLine extends Omit<TokenView, 'owner' | 'batch' | 'uses' | 'kind'> {
  readonly kind: string
  /** What was used of it. */
  readonly used: string
}

function tokenLine(token: TokenView): TokenLine {
  const { uses, state } = token
  const used = uses ? `${uses.used}/${uses.max}` : `${state === 'spent' ? 1 : 0}/1`
  return { ...token, name: uses ? `${token.name}…` : token.name, used }
}

/** A batch takes one line: its tokens were made together and are revoked together. */
function linesOf(tokens: readonly TokenView[]): readonly TokenLine[] {
  const batches = Map.groupBy(tokens, ({ id, batch }) => batch ?? id)
  return [...batches].flatMap(([id, members]) => {
    const [first] = members
    if (first?.batch === undefined) return members.map(tokenLine)
    const all = [...new Set(members.map(({ profile }) => profile))].join(', ')
    const count = (state: string): number => members.filter((one) => one.state === state).length
    const open = count('open')
    const state = open > 0 ? `${open} open` : count('revoked') > 0 ? 'revoked' : 'closed'
    const used = `${count('spent')}/${members.length}`
    return [{ ...first, id, name: `batch of ${members.length}`, profile: all, state, used }]
  })
}

function printTokens({ terminal, clock }: CliContext, lines: readonly TokenLine[]): void {
  const now = clock.wallMs()
  printTable(
    terminal,
    ['ID', 'NAME', 'KIND', 'PROFILE', 'STATE', 'EXPIRES', 'USED', 'CREATED'],
    lines.map((line) => [
      line.id,
      line.name,
      line.kind,
      line.origin === 'est' ? `${line.profile} (EST)` : line.profile,
      line.state,
      relativeTime(line.expiresAt, now),
      line.used,
      relativeTime(line.createdAt, now),
    ]),
  )
}

/** `kosctl token revoke` */
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const [id] = input.positionals
  const batch = input.text('batch')
  if ((id === undefined) === (batch === undefined)) {
    throw usage('name one token, or one batch with --batch')
  }
  const schema = z.object({ revoked: z.union([z.boolean(), z.number()]) })
  const question = {
    what: 'token revoke',
    method: 'DELETE',
    path:
      batch === undefined
        ? `/v1/tokens/${encodeURIComponent(id ?? '')}`
        : `/v1/tokens/batch/${encodeURIComponent(batch)}`,
    schema,
  } as const
  return askAuthority(context, question, ({ revoked }) => {
    const { terminal } = context
    if (terminal.isJson) printJson(terminal, { revoked: batch ?? id, tokens: Number(revoked) })
    else terminal.out(batch === undefined ? 'revoked' : `revoked  ${Number(revoked)} tokens`)
  })
}
