import { createLog, type Log, type LogLevel } from '../../foundation/base/index.ts'
import { parseProfileName, type ProfileName } from '../../foundation/profiles/index.ts'
import { formatHostPort, type HostPort, type OpenListeners, parseHostPort } from '../node/index.ts'
import type { CommandInput } from './command-line.ts'
import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'
import { printJsonLine } from './output.ts'

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** The log of a daemon: JSON lines on standard error. */
export function daemonLog(context: CliContext, input: CommandInput, name: string): Log {
  const level = LEVELS.find((known) => known === (input.text('log-level') ?? 'warn'))
  if (!level) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--log-level is debug to error' })
  const destination = { write: (line: string): void => context.terminal.err(line.trimEnd()) }
  return createLog({ level, destination, base: { name } })
}

/** The host and port of an option, or the default. */
export function hostPortOption(input: CommandInput, name: string, fallback: HostPort): HostPort {
  const text = input.text(name)
  if (text === undefined) return fallback
  const parsed = parseHostPort(text)
  if (!parsed) {
    const example = formatHostPort(fallback)
    throw cliErrors.error('KOS_CLI_USAGE', { reason: `--${name} is host:port, such as ${example}` })
  }
  return parsed
}

/** The profiles that `--listeners` names; `undefined` without it. */
export function listenersOption(input: CommandInput): readonly ProfileName[] | undefined {
  return input
    .text('listeners')
    ?.split(',')
    .map((text) => {
      const name = parseProfileName(text)
      if (name !== undefined) return name
      throw cliErrors.error('KOS_CLI_USAGE', { reason: '--listeners is like SEC-2,SEC-3' })
    })
}

/** Where each profile listens, as one text. */
export function listenersText(listeners: OpenListeners): string {
  return [...listeners].map(([name, at]) => `${name} ${formatHostPort(at)}`).join(', ')
}

/** The line of a start that names the enforcement modules, where there are any. */
export function enforcementField({
  enforcement,
}: {
  readonly enforcement: string
}): readonly (readonly [string, string])[] {
  return enforcement === 'none' ? [] : [['enforcement', enforcement]]
}

/**
 * Waits for SIGTERM or SIGINT, then stops once; a second SIGINT ends the process at once.
 *
 * @param context - its terminal says what happens; its signal counts like SIGTERM
 * @param daemon - `announce`: says that it runs, once a signal would be heard: whoever reads it may send
 * one at once; `stop`: graceful shutdown
 */
export async function serveUntilSignal(
  context: CliContext,
  daemon: { readonly announce: () => void; readonly stop: () => Promise<void> },
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onSignal = (): void => resolve()
  const onSecond = (): void => process.exit(130)
  process.once('SIGTERM', onSignal)
  process.once('SIGINT', onSignal)
  context.signal?.addEventListener('abort', onSignal, { once: true })
  if (context.signal?.aborted) onSignal()
  // Neither signal handlers nor the timers of the daemon keep a process alive.
  const alive = setInterval(() => undefined, 1 << 30)
  try {
    daemon.announce()
    await promise
    process.once('SIGINT', onSecond)
    await daemon.stop()
    if (context.terminal.isJson) printJsonLine(context.terminal, { stopped: true })
    else context.terminal.out('stopped')
  } finally {
    clearInterval(alive)
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
    process.off('SIGINT', onSecond)
  }
}
