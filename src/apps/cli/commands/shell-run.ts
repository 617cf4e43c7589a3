import { createInterface, type Interface } from 'node:readline'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, type CliStreams, configFolder } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { holdCalls } from '../held-calls.ts'
import { localPeerNames } from '../local-names.ts'
import { EXIT, paint } from '../output.ts'
import { createShell, type Shell } from '../shell.ts'
import { completeLine } from '../shell-completion.ts'
import { openHistory } from '../shell-history.ts'

/**
 * `kosctl shell`: on a terminal with prompt, history and completion; else every line in turn, and the
 * exit code of the first that failed.
 */
export async function shell(context: CliContext, input: CommandInput): Promise<number> {
  const streams = context.openStreams?.()
  if (!streams) throw cliErrors.error('KOS_CLI_USAGE', { reason: 'a shell reads standard input' })
  const calls = holdCalls(context)
  try {
    // A credential that cannot be opened is said before the first prompt.
    calls.describe()
    const isJson = input.flag('json')
    const lines = createShell(context, calls, { isJson })
    return streams.isTerminal
      ? await interact(context, streams, lines)
      : await runScript(context, streams, lines)
  } finally {
    await calls.close()
  }
}

async function runScript(
  { signal = new AbortController().signal }: CliContext,
  { input }: CliStreams,
  lines: Shell,
): Promise<number> {
  let first: number = EXIT.ok
  const reader = createInterface({ input, crlfDelay: Infinity, terminal: false })
  for await (const line of reader) {
    const code = await lines.run(line, signal)
    if (first === EXIT.ok) first = code
    if (lines.isOver || signal.aborted) break
  }
  reader.close()
  return first
}

async function interact(context: CliContext, streams: CliStreams, lines: Shell): Promise<number> {
  const folder = configFolder(context.environment)
  const history = openHistory(folder)
  const reader = createInterface({
    input: streams.input,
    output: streams.output,
    terminal: true,
    historySize: 500,
    history: [...history.lines],
    removeHistoryDuplicates: true,
    completer: (line: string) =>
      completeLine(line, {
        commands: context.program.commands,
        peerNames: () => localPeerNames(folder),
        isConnected: lines.peer !== undefined,
      }),
  })
  const end = (): void => reader.close()
  let running: AbortController | undefined
  // Stops what a line started; at the prompt it drops the line, as shells do.
  reader.on('SIGINT', () => (running ? running.abort() : dropLine(reader)))
  context.signal?.addEventListener('abort', end, { once: true })
  try {
    for await (const line of prompted(context, reader, lines)) {
      history.add(line.trim())
      running = new AbortController()
      await lines.run(line, running.signal)
      running = undefined
      if (lines.isOver) break
    }
  } finally {
    context.signal?.removeEventListener('abort', end)
    reader.close()
  }
  return EXIT.ok
}

/** The lines that are typed, each after a prompt that names the connected peer. */
async function* prompted(
  { terminal }: CliContext,
  reader: Interface,
  lines: Shell,
): AsyncGenerator<string> {
  const waiting: string[] = []
  let isClosed = false
  let wake = (): void => undefined
  reader.on('line', (line) => {
    waiting.push(line)
    wake()
  })
  reader.once('close', () => {
    isClosed = true
    wake()
  })
  for (;;) {
    if (waiting.length === 0 && !isClosed) {
      reader.setPrompt(paint(terminal, 'cyan', `kos${lines.peer ? ` ${lines.peer}` : ''}> `))
      reader.prompt()
      await new Promise<void>((resolve) => (wake = resolve))
    }
    const line = waiting.shift()
    if (line !== undefined) yield line
    else if (isClosed) return
  }
}

function dropLine(reader: Interface): void {
  reader.write(null, { ctrl: true, name: 'e' })
  reader.write(null, { ctrl: true, name: 'u' })
  reader.prompt()
}
