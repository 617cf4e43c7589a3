import { isRefusal, z } from '../../../foundation/base/index.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import { takeObjects } from '../objects.ts'
import { EXIT, paint, printable, printJson, printRefusal } from '../output.ts'

/** `kosctl lock` */
export async function lock(context: CliContext, input: CommandInput): Promise<number> {
  const reason = input.text('reason')?.trim() ?? ''
  if (reason === '') throw cliErrors.error('KOS_CLI_USAGE', { reason: 'lock needs --reason TEXT' })
  return change(context, input, { verb: 'lock', done: 'locked', body: { reason } })
}

/** `kosctl unlock` */
export function unlock(context: CliContext, input: CommandInput): Promise<number> {
  return change(context, input, { verb: 'unlock', done: 'unlocked', body: {} })
}

interface Step {
  readonly verb: 'lock' | 'unlock'
  readonly done: 'locked' | 'unlocked'
  readonly body: object
}

async function change(context: CliContext, input: CommandInput, step: Step): Promise<number> {
  const [name = ''] = input.positionals
  const path = `/v1/principals/${encodeURIComponent(name)}/${step.verb}`
  const answer = await withAuthority(context, async (client, member) => {
    const schema = z.object({ [step.done]: z.literal(true) })
    const changed = readAnswer(await client.request('POST', path, jsonBody(step.body)), schema)
    // This operator's own calls must not reach it either.
    if (!isRefusal(changed)) await takeObjects(client, member)
    return changed
  })
  if (isRefusal(answer)) {
    printRefusal(context.terminal, step.verb, answer)
    return EXIT.refused
  }
  const { terminal } = context
  if (input.flag('json')) printJson(terminal, { [step.done]: name })
  else terminal.out(`${paint(terminal, 'green', step.done)}  ${printable(name)}`)
  return EXIT.ok
}
