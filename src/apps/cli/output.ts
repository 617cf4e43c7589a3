import { styleText } from 'node:util'
import { KosError, type KosErrorCode, type Refusal } from '../../foundation/base/index.ts'
import { cliErrors } from './errors.ts'

/** Where a command writes; handed in so that tests can read it. */
export interface Terminal {
  readonly colour: boolean
  readonly interactive: boolean
  /** Refusals and errors are printed as JSON, too. */
  readonly isJson?: boolean
  out(text: string): void
  err(text: string): void
  /** Bytes as they are; resolves when they are taken, so that whoever sends them waits. */
  write(bytes: Uint8Array): Promise<void>
}

/** The exit codes of `kosctl` and `kosd`; a test holds `docs/cli.md` equal to them. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  unverified: 5,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Colours a text, on a terminal only. */
export function paint(terminal: Terminal, style: Style, text: string): string {
  return terminal.colour ? styleText(style, text, { validateStream: false }) : text
}

/**
 * Prints rows as aligned columns.
 *
 * @param terminal - where to
 * @param head - column titles
 * @param rows - cells as texts; control characters are shown as `?`
 */
export function printTable(
  terminal: Terminal,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const clean = rows.map((row) => row.map(printable))
  const widths = head.map((title, column) =>
    Math.max(title.length, ...clean.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  terminal.out(paint(terminal, 'bold', line(head)))
  for (const row of clean) terminal.out(line(row))
}

/** Prints names and values as two aligned columns, or as one line of JSON. */
export function printFields(
  terminal: Terminal,
  fields: readonly (readonly [string, string])[],
): void {
  if (terminal.isJson) {
    printJsonLine(terminal, Object.fromEntries(fields))
    return
  }
  const width = Math.max(...fields.map(([name]) => name.length))
  for (const [name, value] of fields) {
    terminal.out(`${paint(terminal, 'dim', name.padEnd(width))}  ${printable(value)}`)
  }
}

/** Prints one JSON document. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(harmlessJson(JSON.stringify(value, jsonReplacer, 2)))
}

/** Prints one JSON document on one line. */
export function printJsonLine(terminal: Terminal, value: unknown): void {
  terminal.out(harmlessJson(JSON.stringify(value, jsonReplacer)))
}

/**
 * Makes a JSON document harmless for a terminal without changing what it says. JSON itself escapes
 * the first 32 control characters only.
 */
export function harmlessJson(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function jsonReplacer(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return Object.fromEntries(value) as unknown
  return value
}

/** Makes a text of a peer harmless for a terminal: control characters and escapes become `?`. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this removes
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?')
}

/** Prints an expected "no": what, which rule, what would allow it. */
export function printRefusal(terminal: Terminal, what: string, refusal: Refusal): void {
  if (terminal.isJson) {
    const { code, rule, remedy, retryAfterMs } = refusal
    printErrorJson(terminal, { refused: what, code, rule, remedy, retryAfterMs })
    return
  }
  terminal.err(`${paint(terminal, 'red', 'refused')}  ${printable(what)}`)
  terminal.err(`  rule    ${printable(refusal.rule)}`)
  terminal.err(`  code    ${printable(refusal.code)}`)
  if (refusal.remedy !== undefined) terminal.err(`  remedy  ${printable(refusal.remedy)}`)
  if (refusal.retryAfterMs !== undefined) terminal.err(`  retry   in ${refusal.retryAfterMs} ms`)
}

/** Prints an error as one sentence and the next step. */
export function printError(terminal: Terminal, thrown: unknown): void {
  const error = isSystemError(thrown) ? fileError(thrown) : thrown
  if (error instanceof KosError && terminal.isJson) {
    const { message, details, hint } = error
    const code: unknown = error.code
    printErrorJson(terminal, { error: message, code, details, hint })
    return
  }
  if (error instanceof KosError) {
    terminal.err(`${paint(terminal, 'red', 'error')}  ${error.message} (${error.code})`)
    const details = Object.entries(error.details)
    for (const [name, value] of details) terminal.err(`  ${name}  ${printable(String(value))}`)
    terminal.err(`  ${error.hint}`)
    return
  }
  const text = error instanceof Error ? error.message : String(error)
  if (terminal.isJson) {
    printErrorJson(terminal, { error: text })
    return
  }
  terminal.err(`${paint(terminal, 'red', 'error')}  ${printable(text)}`)
}

function printErrorJson(terminal: Terminal, value: object): void {
  terminal.err(harmlessJson(JSON.stringify(value, jsonReplacer)))
}

interface SystemError extends Error {
  readonly code: string
  readonly path?: string
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

function fileError(cause: SystemError): Error {
  const { path, code } = cause
  return cliErrors.error('KOS_CLI_FILE', { ...(path && { path }), reason: code }, cause)
}

/** Codes that do not mean "failed". */
const EXIT_OF: Partial<Record<KosErrorCode, ExitCode>> = {
  KOS_CLI_USAGE: EXIT.usage,
  KOS_CLI_EXPORT: EXIT.refused,
  KOS_CLI_FOLDER_TAKEN: EXIT.refused,
  KOS_CLI_LOCKED: EXIT.refused,
  KOS_CLI_UNREACHABLE: EXIT.unreachable,
  KOS_NODE_AUTHORITY_RESTORED: EXIT.unreachable,
  KOS_NODE_AUTHORITY_UNREACHABLE: EXIT.unreachable,
  KOS_NODE_AUTHORITY_UNTRUSTED: EXIT.unverified,
  KOS_NODE_REFUSED: EXIT.refused,
}

/** Exit code of a thrown value. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof KosError)) return EXIT.failed
  const code: unknown = error.code
  return EXIT_OF[code as KosErrorCode] ?? EXIT.failed
}

/** A time as people read it: `in 11 h`, `3 min ago`; `-` when absent. */
export function relativeTime(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined) return '-'
  const distanceMs = Math.abs(atMs - nowMs)
  const text = duration(distanceMs)
  return atMs >= nowMs ? `in ${text}` : `${text} ago`
}

/** A duration in its largest fitting unit. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

/**
 * Parses `90s`, `10m`, `24h` or `30d`.
 *
 * @returns milliseconds, or `undefined` when the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]{1,6})(ms|s|m|h|d)$/.exec(text)
  if (!match) return undefined
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? ''] ?? 0
  return Number(match[1]) * unit
}
