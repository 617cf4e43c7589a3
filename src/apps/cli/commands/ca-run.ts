import { caStatus, type CaStatus } from '../../authority/index.ts'
import type { RequestBody } from '../../node/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
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
  return take(context, { name, done })
}

/** `kosctl ca revoke` */
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const body = jsonBody({ force: input.flag('force') })
  return take(context, { name: 'revoke', done: 'revoked', body })
}

function take(
  context: CliContext,
  {
    name,
    done,
    body,
  }: { readonly name: string; readonly done: string; readonly body?: RequestBody },
): Promise<number> {
  const path = `/v1/ca/${name}`
  const question = { what: `ca ${name}`, method: 'POST', path, schema: caStatus } as const
  return askAuthority(context, { ...question, ...(body && { body }) }, (answer) => {
    const { terminal } = context
    if (!terminal.isJson) terminal.out(`${paint(terminal, 'green', done)}\n`)
    show(context, answer)
  })
}

/** Prints where the rotation stands. */
export function show(context: CliContext, answer: CaStatus): void {
  if (context.terminal.isJson) printJson(context.terminal, answer)
  else printStatus(context, answer)
}

function printStatus(context: CliContext, answer: CaStatus): void {
  const { terminal, clock } = context
  const now = clock.wallMs()
  printFields(terminal, [
    ['trust bundle', `${answer.bundle.era}.${answer.bundle.number}`],
    ['root keys', answer.rootKeys ? 'on the authority' : 'offline'],
  ])
  printPending(context, answer)
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

/** What waits for root keys that are elsewhere, and what is to be asked of them. */
function printPending({ terminal, clock }: CliContext, { pending, due }: CaStatus): void {
  if (pending) {
    const { era, number, by, issuedAt, changes } = pending
    printFields(terminal, [
      ['request', `for trust bundle ${era}.${number}, by ${by}`],
      ['since', relativeTime(issuedAt, clock.wallMs())],
      ...changes.map((line, at) => [at === 0 ? 'changes' : '', line] as const),
    ])
  } else if (due) {
    terminal.out(
      paint(
        terminal,
        'yellow',
        'next          kosctl ca request prepare > FILE: the issuing one is past half of its life',
      ),
    )
  }
}

function namesText({ names, holders }: CaStatus['intermediates'][number]): string {
  const shown = names.slice(0, 3).map(printable)
  if (shown.length === 0) return '-'
  return holders > shown.length ? `${shown.join(', ')}, …` : shown.join(', ')
}
