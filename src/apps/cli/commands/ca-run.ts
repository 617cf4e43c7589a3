import { isRefusal } from '../../../foundation/base/index.ts'
import { caStatus, type CaStatus } from '../../authority/index.ts'
import type { AuthorityClient } from '../../node/index.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
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

/** `kosctl ca` */
export function status(context: CliContext, input: CommandInput): Promise<number> {
  return ask(context, input, {
    name: 'ca',
    request: (client) => client.request('GET', '/v1/ca'),
  })
}

/** `kosctl ca prepare`, `activate` and `taint` */
export function step(
  context: CliContext,
  input: CommandInput,
  name: 'prepare' | 'activate' | 'taint',
): Promise<number> {
  return ask(context, input, {
    name: `ca ${name}`,
    done: { prepare: 'prepared', activate: 'activated', taint: 'tainted' }[name],
    request: (client) => client.request('POST', `/v1/ca/${name}`),
  })
}

/** `kosctl ca revoke` */
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const body = jsonBody({ force: input.flag('force') })
  return ask(context, input, {
    name: 'ca revoke',
    done: 'revoked',
    request: (client) => client.request('POST', '/v1/ca/revoke', body),
  })
}

interface Question {
  readonly name: string
  /** What has happened then; absent: nothing. */
  readonly done?: string
  request(client: AuthorityClient): ReturnType<AuthorityClient['request']>
}

async function ask(context: CliContext, input: CommandInput, question: Question): Promise<number> {
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await question.request(client), caStatus),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, question.name, answer)
    return EXIT.refused
  }
  const { terminal } = context
  if (input.flag('json')) {
    printJson(terminal, answer)
    return EXIT.ok
  }
  if (question.done !== undefined) terminal.out(`${paint(terminal, 'green', question.done)}\n`)
  printStatus(context, answer)
  return EXIT.ok
}

function printStatus({ terminal, clock }: CliContext, answer: CaStatus): void {
  const now = clock.wallMs()
  printFields(terminal, [
    ['trust bundle', `${answer.bundle.era}.${answer.bundle.number}`],
    ['root keys', answer.rootKeys ? 'on the authority' : 'offline'],
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

function namesText({ names, holders }: CaStatus['intermediates'][number]): string {
  const shown = names.slice(0, 3).map(printable)
  if (shown.length === 0) return '-'
  return holders > shown.length ? `${shown.join(', ')}, …` : shown.join(', ')
}
