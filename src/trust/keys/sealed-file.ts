import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { fsyncSync, readSync, writeSync } from 'node:fs'
import { concatBytes, equalBytes, type Random, Secret, utf8 } from '../../foundation/base/index.ts'
import { keysErrors } from './errors.ts'
import { isFipsMode } from './fips.ts'
import { type Derivation, deriveStoreKey, SALT_BYTES, STORE_KEY_BYTES } from './sealing.ts'
import { requirePassphraseLength } from './unlock.ts'

const CIPHER = 'aes-256-gcm'
const TAG_BYTES = 16
/** Plain bytes of every part but the last one. */
const PART_BYTES = 64 * 1024
const PREFIX_BYTES = 7
const NAME_BYTES = 24
const DERIVATIONS: readonly Derivation[] = ['scrypt', 'pbkdf2']
const HEADER_BYTES = NAME_BYTES + 1 + SALT_BYTES + PREFIX_BYTES
/** The number of no part: what is sealed under it tells a wrong passphrase from a damaged file. */
const CHECK_NUMBER = 0xffff_ffff

/** Seals what is written to it, part by part. */
export interface SealedFileWriter {
  write(bytes: Uint8Array): void
  /** Writes the last part; the file is durable on return. */
  end(): void
}

/** Opens what a {@link SealedFileWriter} sealed, from its beginning to its end. */
export interface SealedFileReader {
  /**
   * The next bytes.
   *
   * @param length - exactly so many
   * @throws KOS_KEYS_CORRUPT `file: truncated` when there are fewer, `file: part` when they were changed
   */
  read(length: number): Uint8Array
  /** @throws KOS_KEYS_CORRUPT when the file goes on, or ends without its last part */
  end(): void
}

/** Which file, and what opens it. */
export interface SealedFileOptions {
  /** Open for reading, or for writing. */
  readonly descriptor: number
  /** Says what the file is, at most 24 bytes of ASCII; a file of another kind does not open. */
  readonly kind: string
  readonly passphrase: Secret
}

/**
 * Seals a file of any length under a passphrase, without holding it in memory: AES-256-GCM over parts of
 * 64 KiB, each bound to the head of the file, its number and whether it is the last one, so that
 * nothing can be cut off, left out, moved or taken from another file.
 *
 * @param deps - randomness for salt and nonces
 * @param options - see {@link SealedFileOptions}
 * @throws KOS_KEYS_UNLOCK when the passphrase is shorter than 8 bytes
 * @see NIST SP 800-38D; "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", STREAM
 */
export function createSealedFile(
  deps: { readonly random: Random },
  options: SealedFileOptions,
): SealedFileWriter {
  requirePassphraseLength(options.passphrase)
  const { descriptor } = options
  const header = concatBytes(
    nameOf(options.kind),
    Uint8Array.of(isFipsMode() ? 1 : 0),
    deps.random.bytes(SALT_BYTES + PREFIX_BYTES),
  )
  const sealer = sealerOf(header, keyOf(header, options.passphrase))
  writeAll(descriptor, concatBytes(header, sealer.seal(new Uint8Array(), CHECK_NUMBER, false)))
  return partsWriter(descriptor, sealer)
}

/** Seals what is written, in numbered parts, behind what the file holds already. */
export function partsWriter(descriptor: number, sealer: Sealer): SealedFileWriter {
  const waiting = new Uint8Array(PART_BYTES)
  let filled = 0
  let number = 0
  const put = (isLast: boolean): void => {
    writeAll(descriptor, sealer.seal(waiting.subarray(0, filled), number, isLast))
    number += 1
    filled = 0
  }
  return {
    write: (bytes): void => {
      for (let at = 0; at < bytes.length;) {
        if (filled === PART_BYTES) put(false)
        const taken = bytes.subarray(at, at + PART_BYTES - filled)
        waiting.set(taken, filled)
        filled += taken.length
        at += taken.length
      }
    },
    end: (): void => {
      put(true)
      waiting.fill(0)
      sealer.close()
      fsyncSync(descriptor)
    },
  }
}

/**
 * Opens a sealed file for reading from its beginning.
 *
 * **Security:** what was read counts when {@link SealedFileReader.end} returned: until then the file may be
 * cut short. From outside a wrong passphrase and a file of others look alike.
 *
 * @throws KOS_KEYS_CORRUPT `file: kind` when it is something else, KOS_KEYS_UNLOCK `wrong key`
 */
export function openSealedFile(options: SealedFileOptions): SealedFileReader {
  const { descriptor } = options
  const header = readUpTo(descriptor, HEADER_BYTES)
  const isOfKind = equalBytes(header.subarray(0, NAME_BYTES), nameOf(options.kind))
  if (header.length !== HEADER_BYTES || !isOfKind) throw corrupt('kind')
  const sealer = sealerOf(header, keyOf(header, options.passphrase))
  try {
    const check = readUpTo(descriptor, TAG_BYTES)
    if (check.length !== TAG_BYTES) throw corrupt('truncated')
    if (!sealer.open(check, CHECK_NUMBER, false)) {
      throw keysErrors.error('KOS_KEYS_UNLOCK', { rule: 'wrong key' })
    }
    return partsReader(descriptor, sealer)
  } catch (error) {
    sealer.close()
    throw error
  }
}

/** Opens the parts that {@link partsWriter} wrote, from where the file is read next. */
export function partsReader(descriptor: number, sealer: Sealer): SealedFileReader {
  let ahead = readUpTo(descriptor, PART_BYTES + TAG_BYTES)
  let part: Uint8Array = new Uint8Array()
  let number = 0
  let isOver = false
  const next = (): void => {
    if (isOver) throw corrupt('truncated')
    const sealed = ahead
    ahead = readUpTo(descriptor, PART_BYTES + TAG_BYTES)
    isOver = ahead.length === 0
    const opened = sealer.open(sealed, number, isOver)
    if (!opened) throw corrupt(isOver && sealer.open(sealed, number, false) ? 'truncated' : 'part')
    number += 1
    part = opened
  }
  return {
    read: (length): Uint8Array => {
      const bytes = new Uint8Array(length)
      for (let filled = 0; filled < length;) {
        if (part.length === 0) next()
        const taken = part.subarray(0, length - filled)
        bytes.set(taken, filled)
        filled += taken.length
        part = part.subarray(taken.length)
      }
      return bytes
    },
    end: (): void => {
      if (!isOver && part.length === 0) next()
      if (!isOver || part.length > 0) throw corrupt('longer')
      sealer.close()
    },
  }
}

/** Seals and opens numbered parts of one file. */
export interface Sealer {
  seal(plain: Uint8Array, number: number, isLast: boolean): Uint8Array
  open(sealed: Uint8Array, number: number, isLast: boolean): Uint8Array | undefined
  close(): void
}

function keyOf(header: Uint8Array, passphrase: Secret): Secret {
  const derivation = DERIVATIONS[header[NAME_BYTES] ?? 0xff]
  if (!derivation) throw corrupt('kind')
  const salt = header.subarray(NAME_BYTES + 1, NAME_BYTES + 1 + SALT_BYTES)
  using stretched = deriveStoreKey(passphrase, derivation, salt)
  return stretched.use((bytes) =>
    Secret.take(new Uint8Array(hkdfSync('sha256', bytes, salt, header, STORE_KEY_BYTES))),
  )
}

/** The parts of one file under its key: nonces begin with the last bytes of its head. */
export function sealerOf(header: Uint8Array, key: Secret): Sealer {
  const prefix = header.subarray(-PREFIX_BYTES)
  const nonceOf = (number: number, isLast: boolean): Uint8Array => {
    const tail = new Uint8Array(5)
    new DataView(tail.buffer).setUint32(0, number)
    tail[4] = isLast ? 1 : 0
    return concatBytes(prefix, tail)
  }
  return {
    seal: (plain, number, isLast) => {
      // 2^32 parts of 64 KiB are 256 TiB; the last number is the check's.
      if (plain.length > 0 && number === CHECK_NUMBER) throw corrupt('longer')
      const nonce = nonceOf(number, isLast)
      const cipher = key.use((bytes) => createCipheriv(CIPHER, bytes, nonce))
      return concatBytes(cipher.update(plain), cipher.final(), cipher.getAuthTag())
    },
    open: (sealed, number, isLast) => {
      if (sealed.length < TAG_BYTES) return undefined
      const nonce = nonceOf(number, isLast)
      const decipher = key.use((bytes) =>
        createDecipheriv(CIPHER, bytes, nonce, { authTagLength: TAG_BYTES }),
      )
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
      const plain = decipher.update(sealed.subarray(0, -TAG_BYTES))
      try {
        decipher.final()
        return plain
      } catch {
        plain.fill(0)
        return undefined
      }
    },
    close: () => key[Symbol.dispose](),
  }
}

function nameOf(kind: string): Uint8Array {
  const name = new Uint8Array(NAME_BYTES)
  name.set(utf8(kind))
  return name
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(descriptor, bytes, written)
  }
}

function readUpTo(descriptor: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(descriptor, bytes, filled, length - filled, null)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

function corrupt(rule: 'kind' | 'longer' | 'part' | 'truncated'): Error {
  return keysErrors.error('KOS_KEYS_CORRUPT', { rule: `file: ${rule}` })
}
