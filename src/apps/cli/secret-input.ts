import { statSync } from 'node:fs'
import { Secret } from '../../foundation/base/index.ts'
import { MAX_SEALED_VALUE_BYTES } from '../../trust/keys/index.ts'
import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'
import { lengthOfLine } from './passphrase.ts'
import { readAtMost } from './read-at-most.ts'

/** What stands in a text for bytes that are none. @see Unicode, section 5.22 */
const REPLACEMENT = '\ufffd'
/** A line break may follow. */
const MAX_FILE_BYTES = MAX_SEALED_VALUE_BYTES + 1

/**
 * A secret from standard input, its last line break aside.
 *
 * @throws {@link KosError} KOS_CLI_USAGE when it is not UTF-8: another secret would be kept
 */
export function secretOfInput(context: CliContext): Secret {
  const text = context.readInput()
  if (text.includes(REPLACEMENT)) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: 'standard input is not UTF-8 text' })
  }
  return withoutLineBreak(Buffer.from(text))
}

/**
 * A secret from a file, its last line break aside.
 *
 * @throws the error of the file system; {@link KosError} KOS_CLI_USAGE when it is no file, or too long
 */
export function readSecretFile(path: string): Secret {
  const bytes = statSync(path).isDirectory() ? undefined : readAtMost(path, MAX_FILE_BYTES)
  if (!bytes) throw tooLong(path)
  return withoutLineBreak(bytes)
}

function tooLong(path: string): Error {
  const reason = `${path} is no file of at most ${MAX_SEALED_VALUE_BYTES} bytes`
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}

function withoutLineBreak(bytes: Uint8Array): Secret {
  const secret = Secret.copy(bytes.subarray(0, lengthOfLine(bytes, bytes.length)))
  bytes.fill(0)
  return secret
}
