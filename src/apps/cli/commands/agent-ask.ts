import { askAgent } from '../agent-client.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, printFields, printJson } from '../output.ts'

/** `kosctl agent status` */
export async function status(context: CliContext, input: CommandInput): Promise<number> {
  const { terminal } = context
  const answer = await askAgent(context, 'status')
  if (!answer) return notRunning(context, input)
  if (answer.answer !== 'status') throw cliErrors.error('KOS_CLI_AGENT', { rule: answer.answer })
  const { pid, principal, peers, calls } = answer.status
  if (input.flag('json')) printJson(terminal, { running: true, ...answer.status })
  else {
    printFields(terminal, [
      ['pid', String(pid)],
      ['principal', principal],
      ['sessions', peers.join(', ') || '-'],
      ['calls', String(calls)],
    ])
  }
  return EXIT.ok
}

/** `kosctl agent stop` */
export async function stop(context: CliContext, input: CommandInput): Promise<number> {
  const answer = await askAgent(context, 'stop')
  if (!answer) return notRunning(context, input)
  if (answer.answer !== 'stopping') throw cliErrors.error('KOS_CLI_AGENT', { rule: answer.answer })
  if (input.flag('json')) printJson(context.terminal, { stopped: true })
  else context.terminal.out('stopped')
  return EXIT.ok
}

function notRunning({ terminal }: CliContext, input: CommandInput): number {
  if (input.flag('json')) printJson(terminal, { running: false })
  else terminal.err('No agent runs. Start one: kosctl agent &')
  return EXIT.unreachable
}
