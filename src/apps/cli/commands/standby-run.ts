import { z } from '../../../foundation/base/index.ts'
import { standbyList, type StandbyView } from '../../authority/index.ts'
import type { RequestBody } from '../../node/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { paint, parseDuration, printable, printJson, printTable } from '../output.ts'

/** As long as a certificate of the profiles that it is for: beyond that nothing is left to keep alive. */
const DEFAULT_LIMIT = '1h'
const MINUTE_MS = 60_000

/** `kosctl standby` */
export function list(context: CliContext): Promise<number> {
  const path = '/v1/standbys'
  const question = { what: 'standby', method: 'GET', path, schema: standbyList } as const
  return askAuthority(context, question, ({ standbys }) => {
    if (context.terminal.isJson) printJson(context.terminal, standbys)
    else printStandbys(context, standbys)
  })
}

function printStandbys({ terminal }: CliContext, standbys: readonly StandbyView[]): void {
  printTable(
    terminal,
    ['NAME', 'STATE', 'LIMIT', 'CONNECTED', 'KEY'],
    standbys.map(({ name, state, maxMs, connected, keyId }) => [
      name,
      state,
      maxMs === undefined ? '-' : `${Math.round(maxMs / MINUTE_MS)} min`,
      connected ? 'yes' : 'no',
      keyId.slice(0, 16),
    ]),
  )
}

/** `kosctl standby add` */
export function add(context: CliContext, input: CommandInput): Promise<number> {
  const maxMs = parseDuration(input.text('for') ?? DEFAULT_LIMIT)
  if (maxMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--for needs a duration such as 1h' })
  }
  const body = jsonBody({ maxMs })
  return change(context, input, { verb: 'add', done: 'permitted', method: 'POST', body })
}

/** `kosctl standby remove` */
export function remove(context: CliContext, input: CommandInput): Promise<number> {
  return change(context, input, { verb: 'remove', done: 'removed', method: 'DELETE' })
}

interface Step {
  readonly verb: 'add' | 'remove'
  readonly done: 'permitted' | 'removed'
  readonly method: 'POST' | 'DELETE'
  readonly body?: RequestBody
}

function change(context: CliContext, input: CommandInput, step: Step): Promise<number> {
  const [name = ''] = input.positionals
  const { verb, done, ...request } = step
  const path = `/v1/principals/${encodeURIComponent(name)}/standby`
  const schema = z.object({ bundle: z.number() })
  const question = { what: `standby ${verb}`, path, schema, ...request }
  return askAuthority(context, question, ({ bundle }) => {
    const { terminal } = context
    if (terminal.isJson) printJson(terminal, { [done]: name, bundle })
    else {
      const said = `${printable(name)}, trust bundle ${bundle}`
      terminal.out(`${paint(terminal, 'green', done)}  ${said}`)
    }
  })
}
