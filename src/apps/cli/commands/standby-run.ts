import { isRefusal, z } from '../../../foundation/base/index.ts'
import { standbyList, type StandbyView } from '../../authority/index.ts'
import type { AuthorityClient } from '../../node/index.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  paint,
  parseDuration,
  printable,
  printJson,
  printRefusal,
  printTable,
} from '../output.ts'

/** As long as a certificate of the profiles that it is for: beyond that nothing is left to keep alive. */
const DEFAULT_LIMIT = '1h'
const MINUTE_MS = 60_000

/** `kosctl standby` */
export async function list(context: CliContext, input: CommandInput): Promise<number> {
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('GET', '/v1/standbys'), standbyList),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'standby', answer)
    return EXIT.refused
  }
  if (input.flag('json')) printJson(context.terminal, answer.standbys)
  else printStandbys(context, answer.standbys)
  return EXIT.ok
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
  return change(context, input, {
    verb: 'standby add',
    done: 'permitted',
    request: (client, path) => client.request('POST', path, jsonBody({ maxMs })),
  })
}

/** `kosctl standby remove` */
export function remove(context: CliContext, input: CommandInput): Promise<number> {
  return change(context, input, {
    verb: 'standby remove',
    done: 'removed',
    request: (client, path) => client.request('DELETE', path),
  })
}

interface Step {
  readonly verb: string
  readonly done: 'permitted' | 'removed'
  request(client: AuthorityClient, path: string): ReturnType<AuthorityClient['request']>
}

async function change(context: CliContext, input: CommandInput, step: Step): Promise<number> {
  const [name = ''] = input.positionals
  const path = `/v1/principals/${encodeURIComponent(name)}/standby`
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await step.request(client, path), z.object({ bundle: z.number() })),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, step.verb, answer)
    return EXIT.refused
  }
  const { terminal } = context
  const { bundle } = answer
  if (input.flag('json')) printJson(terminal, { [step.done]: name, bundle })
  else {
    const said = `${printable(name)}, trust bundle ${bundle}`
    terminal.out(`${paint(terminal, 'green', step.done)}  ${said}`)
  }
  return EXIT.ok
}
