import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { Secret } from '../../foundation/base/index.ts'
import { cliErrors } from './errors.ts'

/** What is typed beyond is not taken. */
export const MAX_TYPED_BYTES = 1024
const KEY = { interrupt: 0x03, end: 0x04, backspace: 0x08, delete: 0x7f, clear: 0x15 } as const

/**
 * Asks for a passphrase on the terminal of this process, whatever its standard streams are, and shows
 * nothing of it.
 *
 * @param question - what stands before the cursor
 * @returns `undefined` when there is no terminal
 * @throws {@link KosError} KOS_CLI_INTERRUPTED when the person gave up
 */
export function promptPassphrase(question: string): Secret | undefined {
  let descriptor: number
  try {
    descriptor = openSync('/dev/tty', 'r+')
  } catch {
    return undefined
  }
  // Loaded when somebody is asked: it brings all of `node:net` with it.
  const { ReadStream } = process.getBuiltinModule('node:tty')
  const terminal = new ReadStream(descriptor)
  try {
    terminal.setRawMode(true)
    writeSync(descriptor, question)
    return readLine(descriptor)
  } finally {
    terminal.setRawMode(false)
    writeSync(descriptor, '\n')
    terminal.destroy()
    closeQuietly(descriptor)
  }
}

/**
 * Asks on the terminal of this process whether something shall be done.
 *
 * @param question - what stands before the cursor
 * @returns whether the answer was `yes`; `undefined` when there is no terminal
 */
export function promptYes(question: string): boolean | undefined {
  let descriptor: number
  try {
    descriptor = openSync('/dev/tty', 'r+')
  } catch {
    return undefined
  }
  try {
    writeSync(descriptor, question)
    using line = readLine(descriptor)
    return line.use((bytes) => Buffer.from(bytes).toString().trim() === 'yes')
  } finally {
    closeQuietly(descriptor)
  }
}

function readLine(descriptor: number): Secret {
  const line = new Uint8Array(MAX_TYPED_BYTES)
  const one = new Uint8Array(1)
  let length = 0
  try {
    for (;;) {
      if (readByte(descriptor, one) === 0) throw cliErrors.error('KOS_CLI_INTERRUPTED')
      const [key = 0] = one
      if (key === 0x0d || key === 0x0a) return Secret.copy(line.subarray(0, length))
      if (key === KEY.interrupt || key === KEY.end) throw cliErrors.error('KOS_CLI_INTERRUPTED')
      if (key === KEY.clear) length = 0
      else if (key === KEY.backspace || key === KEY.delete) length = beforeLast(line, length)
      else if (length < MAX_TYPED_BYTES) line[length++] = key
    }
  } finally {
    line.fill(0)
    one.fill(0)
  }
}

/** A byte, waited for also where somebody made the terminal non-blocking. */
function readByte(descriptor: number, into: Uint8Array): number {
  for (;;) {
    try {
      return readSync(descriptor, into)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** The end of the line without its last character, which may be several bytes of UTF-8. */
function beforeLast(line: Uint8Array, length: number): number {
  let end = Math.max(0, length - 1)
  while (end > 0 && ((line[end] ?? 0) & 0xc0) === 0x80) end--
  return end
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor)
  } catch {
    // The stream has closed it.
  }
}
