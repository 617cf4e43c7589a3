import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { Secret } from '../../foundation/base/index.ts'
import type { PassphraseSource } from '../node/index.ts'
import { cliErrors } from './errors.ts'

/** Where a command looks for passphrases. */
export interface PassphrasePlaces {
  /** A file that holds the passphrase, its last line break aside. */
  readonly file: string | undefined
  /**
   * Asks a person; `undefined`: nobody is there.
   *
   * @param question - what stands before the cursor
   */
  readonly prompt?: ((question: string) => Secret | undefined) | undefined
  /** Waits, with the program standing still. */
  readonly wait: (ms: number) => void
}

const MAX_BYTES = 1024
/** Guesses that a person has. */
const MAX_ATTEMPTS = 3
/** Doubled with each wrong guess. */
const FIRST_WAIT_MS = 1000
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Passphrases from a file, or else from a person, who may try three times, later each time. One that was
 * asked for is remembered for as long as the program runs, so that nobody types it twice.
 *
 * @throws {@link KosError} KOS_CLI_PASSPHRASE_FILE when the file cannot be read, is open to others or empty
 */
export function createPassphraseSource(places: PassphrasePlaces): PassphraseSource {
  const { file, prompt, wait } = places
  const typed = new Map<string, Secret>()
  return {
    ask: (folder, attempt) => {
      if (file !== undefined) return attempt === 1 ? readPassphraseFile(file) : undefined
      const known = typed.get(folder)
      if (known && attempt === 1) return copyOf(known)
      if (attempt > MAX_ATTEMPTS) return undefined
      if (attempt > 1) wait(FIRST_WAIT_MS * 2 ** (attempt - 2))
      const answer = prompt?.(`passphrase of ${folder}: `)
      if (!answer) return undefined
      typed.get(folder)?.[Symbol.dispose]()
      typed.set(folder, answer)
      return copyOf(answer)
    },
    forNew: () => (file === undefined ? undefined : readPassphraseFile(file)),
  }
}

function copyOf(secret: Secret): Secret {
  return secret.use((bytes) => Secret.copy(bytes))
}

/**
 * Reads the passphrase of a file: its content without the line break at its end.
 *
 * @throws {@link KosError} KOS_CLI_PASSPHRASE_FILE
 */
export function readPassphraseFile(path: string): Secret {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (cause) {
    throw cliErrors.error(
      'KOS_CLI_PASSPHRASE_FILE',
      { file: path, rule: 'cannot be opened' },
      cause,
    )
  }
  try {
    // On the open descriptor: nobody can exchange the file between check and use.
    if ((fstatSync(descriptor).mode & 0o077) !== 0) throw fileError(path, 'open to others')
    const bytes = new Uint8Array(MAX_BYTES + 1)
    const length = readSync(descriptor, bytes)
    if (length > MAX_BYTES) throw fileError(path, 'longer than 1,024 bytes')
    const passphrase = Secret.copy(bytes.subarray(0, lengthOfLine(bytes, length)))
    bytes.fill(0)
    if (passphrase.length === 0) throw fileError(path, 'empty')
    return passphrase
  } finally {
    closeSync(descriptor)
  }
}

/** Length without the last line break. */
export function lengthOfLine(bytes: Uint8Array, length: number): number {
  let end = length
  if (bytes[end - 1] === LINE_FEED) end--
  if (bytes[end - 1] === CARRIAGE_RETURN) end--
  return end
}

function fileError(file: string, rule: string): Error {
  return cliErrors.error('KOS_CLI_PASSPHRASE_FILE', { file, rule })
}
