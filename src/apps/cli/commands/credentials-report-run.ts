import { isRefusal, type Refusal } from '../../../foundation/base/index.ts'
import { CREDENTIAL_KINDS, credentialPage, type CredentialView } from '../../authority/index.ts'
import type { AuthorityClient } from '../../node/index.ts'
import { readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  parseDuration,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

/** Characters of an id that are shown in a table: a serial number is whole, a hash of a key is not. */
const SHOWN_ID = 40

/** `kosctl credentials report` */
export async function report(context: CliContext, input: CommandInput): Promise<number> {
  const wanted = filterOf(context, input)
  const compare = orderOf(input)
  const found = await withAuthority(context, (client) => readAll(client, wanted))
  if (isRefusal(found)) {
    printRefusal(context.terminal, 'credentials report', found)
    return EXIT.refused
  }
  const shown = found.toSorted(compare)
  if (context.terminal.isJson) printJson(context.terminal, shown)
  else print(context, shown)
  return EXIT.ok
}

/** Page after page; what is not wanted is dropped at once. */
async function readAll(
  client: AuthorityClient,
  isWanted: (one: CredentialView) => boolean,
): Promise<CredentialView[] | Refusal> {
  const found: CredentialView[] = []
  for (let path = '/v1/credentials'; ;) {
    const page = readAnswer(await client.request('GET', path), credentialPage)
    if (isRefusal(page)) return page
    found.push(...page.credentials.filter(isWanted))
    if (page.next === undefined) return found
    path = `/v1/credentials?after=${encodeURIComponent(page.next)}`
  }
}

function filterOf({ clock }: CliContext, input: CommandInput): (one: CredentialView) => boolean {
  const now = clock.wallMs()
  const olderMs = durationOf(input, 'older-than')
  const unusedMs = durationOf(input, 'unused-for')
  const kinds = input.texts('kind')
  const unknown = kinds.find((kind) => !CREDENTIAL_KINDS.some((known) => known === kind))
  if (unknown !== undefined) {
    const reason = `--kind is one of ${CREDENTIAL_KINDS.join(', ')}`
    throw cliErrors.error('KOS_CLI_USAGE', { reason })
  }
  /** What nobody dated is neither old nor unused. */
  const isOver = (at: number | undefined, ms: number | undefined): boolean =>
    ms === undefined || (at !== undefined && now - at > ms)
  return ({ kind, createdAt, lastUsedAt }) =>
    (kinds.length === 0 || kinds.includes(kind)) &&
    isOver(createdAt, olderMs) &&
    isOver(lastUsedAt ?? createdAt, unusedMs)
}

function durationOf(input: CommandInput, name: string): number | undefined {
  const text = input.text(name)
  if (text === undefined) return undefined
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw cliErrors.error('KOS_CLI_USAGE', { reason: `--${name} is a duration such as 30d or 12h` })
}

type Order = (a: CredentialView, b: CredentialView) => number

/** What is not known comes last. */
const by = (value: (one: CredentialView) => number | undefined): Order => {
  const of = (one: CredentialView): number => value(one) ?? Number.MAX_SAFE_INTEGER
  return (a, b) => of(a) - of(b)
}

const ORDERS: Readonly<Record<string, Order>> = {
  age: by(({ createdAt }) => createdAt),
  // Never used at all comes before long ago.
  use: by(({ lastUsedAt, createdAt }) => lastUsedAt ?? (createdAt === undefined ? undefined : 0)),
  end: by(({ endsAt }) => endsAt),
  name: (a, b) => a.name.localeCompare(b.name),
}

function orderOf(input: CommandInput): Order {
  const name = input.text('sort') ?? 'age'
  const order = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined
  if (order) return order
  throw cliErrors.error('KOS_CLI_USAGE', { reason: '--sort is age, use, end or name' })
}

function print({ terminal, clock }: CliContext, shown: readonly CredentialView[]): void {
  const now = clock.wallMs()
  printTable(
    terminal,
    ['KIND', 'NAME', 'ID', 'GEN', 'STATE', 'SINCE', 'LAST USE', 'ENDS'],
    shown.map(({ kind, name, id, generation, state, createdAt, lastUsedAt, endsAt }) => [
      kind,
      name,
      id.length > SHOWN_ID ? `${id.slice(0, SHOWN_ID)}…` : id,
      generation === undefined ? '-' : String(generation),
      state,
      relativeTime(createdAt, now),
      relativeTime(lastUsedAt, now),
      relativeTime(endsAt, now),
    ]),
  )
  const counts = CREDENTIAL_KINDS.flatMap((kind) => {
    const count = shown.filter((one) => one.kind === kind).length
    return count > 0 ? [`${count} ${kind}`] : []
  })
  terminal.out('')
  terminal.out(`${shown.length} in all: ${counts.join(', ') || 'none'}`)
}
