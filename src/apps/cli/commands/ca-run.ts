import { caStatus, type CaStatus } from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority, type Question } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { paint, printable, printFields, printJson, printTable, relativeTime } from '../output.ts'

/** `kosctl ca` */
export function status(context: CliContext): Promise<number> {
  const question = { what: 'ca', method: 'GET', path: '/v1/ca', schema: caStatus } as const
  return askAuthority(context, question, (answer) => show(context, answer))
}

/** `kosctl ca prepare`, `activate` and `taint` */
export function step(context: CliContext, name: 'prepare' | 'activate' | 'taint'): Promise<number> {
  const done = { prepare: 'prepared', activate: 'activated', taint: 'tainted' }[name]
  return change(context, { what: `ca ${name}`, method: 'POST', path: `/v1/ca/${name}`, done })
}

/** `kosctl ca revoke` */
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const body = jsonBody({ force: input.flag('force') })
  const path = '/v1/ca/revoke'
  return change(context, { what: 'ca revoke', method: 'POST', path, body, done: 'revoked' })
}

/** A change of the CA, which answers with where it stands then. */
interface CaChange extends Omit<Question<CaStatus>, 'schema'> {
  /** One word for what was done. */
  readonly done: string
}

/** Asks for a change, and prints what was done and where the CA stands. */
export function change(context: CliContext, asked: CaChange): Promise<number> {
  const { done, ...question } = asked
  return askAuthority(context, { ...question, schema: caStatus }, (answer) => {
    const { terminal } = context
    if (!terminal.isJson) terminal.out(`${paint(terminal, 'green', done)}\n`)
    show(context, answer)
  })
}

function show(context: CliContext, answer: CaStatus): void {
  if (context.terminal.isJson) printJson(context.terminal, answer)
  else printStatus(context, answer)
}

function printStatus(context: CliContext, answer: CaStatus): void {
  const { terminal, clock } = context
  const now = clock.wallMs()
  printFields(terminal, [
    ['trust bundle', `${answer.bundle.era}.${answer.bundle.number}`],
    ['root keys', answer.rootKeys ? 'on the authority' : 'offline'],
    ...chainFields(context, answer),
    ...requestFields(context, answer),
  ])
  terminal.out('')
  printTable(
    terminal,
    ['INTERMEDIATE', 'STATE', 'SINCE', 'ENDS', 'HOLDERS', 'NAMES'],
    answer.intermediates.map((one) => [
      one.keyId.slice(0, 16),
      one.state,
      relativeTime(one.notBefore, now),
      relativeTime(one.notAfter, now),
      String(one.holders),
      namesText(one),
    ]),
  )
}

type Field = readonly [name: string, value: string]

/** What the company above has signed. */
function chainFields({ clock }: CliContext, { chain }: CaStatus): readonly Field[] {
  if (!chain) return []
  const { of, notAfter, state } = chain
  const ends = state === 'ended' ? 'ended' : 'ends'
  const words = `the company signed the ${of}; ${ends} ${relativeTime(notAfter, clock.wallMs())}`
  return [['outside', state === 'stale' ? `${words}; it does not issue` : words]]
}

/** What waits for root keys that are elsewhere, or is to be asked of them. */
function requestFields({ clock }: CliContext, { pending, due }: CaStatus): readonly Field[] {
  if (!pending) return due ? [['next', DUE]] : []
  const { era, number, by, issuedAt, changes } = pending
  const since = relativeTime(issuedAt, clock.wallMs())
  return [
    ['request', `for trust bundle ${era}.${number}, by ${by}, ${since}`],
    ...changes.map((line, at): Field => [at === 0 ? 'changes' : '', line]),
  ]
}

const DUE = 'past half of the life of what issues: kosctl ca request prepare > FILE'

function namesText({ names, holders }: CaStatus['intermediates'][number]): string {
  const shown = names.slice(0, 3).map(printable)
  if (shown.length === 0) return '-'
  return holders > shown.length ? `${shown.join(', ')}, …` : shown.join(', ')
}
