import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { Secret } from '../../foundation/base/index.ts'
import { MAX_SEALED_VALUE_BYTES } from '../../trust/keys/index.ts'
import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** A secret from standard input, its last line break aside. */
export function secretOfInput(context: CliContext): Secret {
  return withoutLineBreak(Buffer.from(context.readInput()))
}

/**
 * A secret from a file, its last line break aside.
 *
 * @throws the error of the file system; {@link KosError} KOS_CLI_USAGE when it is no file, or too long
 */
export function readSecretFile(path: string): Secret {
  const descriptor = openSync(path, 'r')
  try {
    // A file, or what a shell makes of <(…).
    if (fstatSync(descriptor).isDirectory()) throw tooLong(path)
    const bytes = new Uint8Array(MAX_SEALED_VALUE_BYTES + 2)
    let length = 0
    for (;;) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null)
      length += count
      if (count === 0 || length === bytes.length) break
    }
    const secret = withoutLineBreak(bytes.subarray(0, length))
    bytes.fill(0)
    if (length < bytes.length) return secret
    secret[Symbol.dispose]()
    throw tooLong(path)
  } finally {
    closeSync(descriptor)
  }
}

function tooLong(path: string): Error {
  const reason = `${path} is no file of at most ${MAX_SEALED_VALUE_BYTES} bytes`
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}

function withoutLineBreak(bytes: Uint8Array): Secret {
  let end = bytes.length
  if (bytes[end - 1] === LINE_FEED) end--
  if (bytes[end - 1] === CARRIAGE_RETURN) end--
  const secret = Secret.copy(bytes.subarray(0, end))
  bytes.fill(0)
  return secret
}
