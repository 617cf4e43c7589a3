import type { CborInput } from '../../../foundation/codec/index.ts'
import type { CallResult, DataSink } from '../../../network/session/index.ts'
import { BUILTIN_WORDS, type CommandWords } from '../builtin-words.ts'
import { callArguments } from '../call-arguments.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, paint, parseDuration, printable, printJson } from '../output.ts'
import { type AskPeer, peerWords } from '../peer-words.ts'
import { withCalls } from '../peer-calls.ts'

const DEFAULT_DEADLINE = '10s'
/** @see protocol: Limits */
const MAX_DEADLINE_MS = 300_000

/** `kosctl exec` */
export async function exec(context: CliContext, input: CommandInput): Promise<number> {
  const [peer = '', name = '', ...words] = input.positionals
  const deadlineMs = parseDuration(input.text('deadline') ?? DEFAULT_DEADLINE)
  if (!deadlineMs || deadlineMs > MAX_DEADLINE_MS) {
    throw cliErrors.error('KOS_CLI_USAGE', {
      reason: '--deadline is a duration such as 10s, at most 5m',
    })
  }
  const json = input.text('args')
  const builtin = wordsOf(name)
  // What only the peer knows has to be asked of it; everything else is found wrong before connecting.
  const isAsked = !builtin && words.length > 0 && json === undefined
  const known = isAsked ? undefined : callArguments(builtin, words, json)
  const streams = input.flag('stream') || builtin?.streams === true
  const use = { identity: input.text('identity'), streams }
  return withCalls(context, use, async (calls) => {
    const ask: AskPeer = (command, args) =>
      calls.call({ peer, command, arguments: args, deadlineMs }, context.signal)
    const onData = streams ? sink(context) : undefined
    const run = (args: CborInput): Promise<CallResult> =>
      calls.call({ peer, command: name, arguments: args, deadlineMs }, context.signal, onData)
    const result = known ? await run(known) : await callAsked({ ask, run }, name, words)
    const what = `${name} on ${peer}`
    const isJson = input.flag('json')
    if (!streams) return printResult(context, { what, result, isJson })
    // Nothing more to say of a file that came whole.
    if (result.status === 'ok' && builtin?.streams && !isJson) return EXIT.ok
    return printResult(asErrors(context), { what, result, isJson })
  })
}

/** Standard output belongs to the stream: the result after it goes to standard error. */
function asErrors(context: CliContext): CliContext {
  const { terminal } = context
  return { ...context, terminal: { ...terminal, out: (text) => terminal.err(text) } }
}

/** Bytes go to standard output as they are; on a terminal what could command it is escaped. */
function sink({ terminal }: CliContext): DataSink {
  return (bytes) => {
    if (!terminal.interactive) return terminal.write(bytes)
    const lines = Buffer.from(bytes).toString('utf8').split('\n')
    return terminal.write(Buffer.from(lines.map((line) => printable(line)).join('\n')))
  }
}

/** Calls a command whose words the peer explains first; what it refuses to explain is the result. */
async function callAsked(
  peer: { readonly ask: AskPeer; readonly run: (args: CborInput) => Promise<CallResult> },
  name: string,
  words: readonly string[],
): Promise<CallResult> {
  const described = await peerWords(peer.ask, name)
  if ('status' in described) return described
  return peer.run(callArguments(described, words, undefined))
}

function wordsOf(command: string): CommandWords | undefined {
  return BUILTIN_WORDS.find(({ name }) => name === command)
}

function printResult(
  context: CliContext,
  call: { readonly what: string; readonly result: CallResult; readonly isJson: boolean },
): number {
  const { result } = call
  if (call.isJson) printJson(context.terminal, result)
  else if (result.status === 'ok') printValue(context, result.value)
  else printFailure(context, call.what, result)
  if (result.status === 'ok') return EXIT.ok
  if (result.status === 'refused') return EXIT.refused
  return result.origin === 'local' ? EXIT.unreachable : EXIT.failed
}

function printFailure(
  context: CliContext,
  what: string,
  failure: Exclude<CallResult, { status: 'ok' }>,
): void {
  const { terminal } = context
  terminal.err(`${paint(terminal, 'red', failure.status.padEnd(7))}  ${printable(what)}`)
  if (failure.rule !== undefined) terminal.err(`  rule    ${printable(failure.rule)}`)
  terminal.err(`  code    ${printable(failure.code)}`)
  if (failure.remedy !== undefined) terminal.err(`  remedy  ${printable(failure.remedy)}`)
  if (failure.retryAfterMs !== undefined) terminal.err(`  retry   in ${failure.retryAfterMs} ms`)
}

/** A result with one field is that field; a text keeps its lines, others are JSON. */
function printValue(context: CliContext, value: unknown): void {
  const { terminal } = context
  const fields: readonly (readonly [string, unknown])[] =
    typeof value === 'object' && value !== null ? Object.entries(value) : []
  const only = fields.length === 1 ? fields[0]?.[1] : undefined
  const content = fields.find(([name]) => name === 'content' || name === 'text')?.[1]
  if (isProgramEnd(value)) printProgram(context, value)
  else if (typeof content === 'string') printLines(context, content)
  else if (typeof only === 'string') printLines(context, only)
  else if (isPlain(only)) terminal.out(String(only))
  else printJson(terminal, value)
}

/** How a program of `process.run` ended. */
interface ProgramEnd {
  readonly exitCode: unknown
  readonly signal: unknown
  readonly reason: unknown
  readonly stdout: string
  readonly stderr: string
}

function isProgramEnd(value: unknown): value is ProgramEnd {
  if (typeof value !== 'object' || value === null || !('exitCode' in value)) return false
  const texts = 'stdout' in value && 'stderr' in value ? [value.stdout, value.stderr] : []
  return texts.length === 2 && texts.every((text) => typeof text === 'string')
}

/** Both streams where a program would have written them, then an end that is none. */
function printProgram(context: CliContext, end: ProgramEnd): void {
  const { terminal } = context
  if (end.stdout !== '') printLines(context, end.stdout)
  for (const line of end.stderr === '' ? [] : end.stderr.replace(/\n$/, '').split('\n')) {
    terminal.err(printable(line))
  }
  const how = typeof end.signal === 'string' ? end.signal : `exit ${String(end.exitCode)}`
  if (end.exitCode !== 0) terminal.err(printable(`${how} (${String(end.reason)})`))
}

function isPlain(value: unknown): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
}

function printLines(context: CliContext, text: string): void {
  for (const line of text.replace(/\n$/, '').split('\n')) context.terminal.out(printable(line))
}
