import { fstatSync, statSync, writeSync } from 'node:fs'
import { devNull } from 'node:os'
import { EXIT, type Terminal } from './output.ts'

/**
 * The terminal of this process. Where output is no terminal it is written without Node's streams,
 * which take longer to load than most commands run.
 */
export function processTerminal(): Terminal {
  const isTerminal = isTty(1)
  return {
    colour: isTerminal && process.stdout.hasColors() && process.env['NO_COLOR'] === undefined,
    interactive: isTerminal && isTty(0),
    out: lineWriter(1, 'stdout'),
    err: lineWriter(2, 'stderr'),
    write: writeBytes,
  }
}

function writeBytes(bytes: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // The bytes are lent: a stream may keep what it is given for longer.
  process.stdout.write(Buffer.from(bytes), (error) => (error ? reject(error) : resolve()))
  return promise
}

/** Asked cheaply first: `node:tty` brings all of `node:net` with it. */
function isTty(descriptor: number): boolean {
  try {
    const { rdev } = fstatSync(descriptor)
    if (rdev === 0 || rdev === statSync(devNull).rdev) return false
  } catch {
    // A closed descriptor is no terminal.
    return false
  }
  return process.getBuiltinModule('node:tty').isatty(descriptor)
}

function lineWriter(descriptor: 1 | 2, name: 'stdout' | 'stderr'): (text: string) => void {
  let isStream = isTty(descriptor)
  return (text) => {
    let rest: Uint8Array = Buffer.from(`${text}\n`)
    try {
      while (!isStream && rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      if (isCode(error, 'EPIPE')) process.exit(EXIT.failed)
      if (!isCode(error, 'EAGAIN')) throw error
      // Somebody else made the pipe non-blocking and it is full: from here on a stream waits for it.
      isStream = true
    }
    if (rest.length > 0) process[name].write(rest)
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
