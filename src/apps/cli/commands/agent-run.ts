import { agentSocket } from '../agent-place.ts'
import { startAgent } from '../agent-server.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { serveUntilSignal } from '../daemon.ts'
import { cliErrors } from '../errors.ts'
import { holdCalls } from '../held-calls.ts'
import { EXIT, parseDuration, printFields } from '../output.ts'

/** `kosctl agent`: until it is told to stop, or nobody asked for long. */
export async function agent(context: CliContext, input: CommandInput): Promise<number> {
  const idleMs = idleOf(input)
  const socket = agentSocket(context.environment)
  if (socket === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: 'KOS_AGENT is set to nothing: no agent' })
  }
  const calls = holdCalls(context)
  // A credential that cannot be opened is said now, not at the first call.
  const { principal } = calls.describe()
  const over = new AbortController()
  const idle = createIdleTimer(context, idleMs, () => over.abort())
  const running = await startAgent(calls, {
    socket,
    onRequest: () => idle.restart(),
    onStop: () => over.abort(),
  })
  idle.restart()
  const announce = (): void =>
    printFields(context.terminal, [
      ['agent', socket],
      ['principal', principal],
      ['pid', String(process.pid)],
    ])
  const signal = context.signal ? AbortSignal.any([context.signal, over.signal]) : over.signal
  const stop = async (): Promise<void> => {
    idle.cancel()
    await running.close()
  }
  await serveUntilSignal({ ...context, signal }, { announce, stop })
  return EXIT.ok
}

function idleOf(input: CommandInput): number | undefined {
  const text = input.text('idle')
  if (text === undefined) return undefined
  const idleMs = parseDuration(text)
  if (idleMs) return idleMs
  throw cliErrors.error('KOS_CLI_USAGE', { reason: '--idle is a duration such as 10m' })
}

function createIdleTimer(
  { clock }: CliContext,
  idleMs: number | undefined,
  onIdle: () => void,
): { restart(): void; cancel(): void } {
  let cancel: (() => void) | undefined
  return {
    restart: () => {
      cancel?.()
      cancel = idleMs === undefined ? undefined : clock.after(idleMs, onIdle)
    },
    cancel: () => cancel?.(),
  }
}
