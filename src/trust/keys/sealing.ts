import { createCipheriv, createDecipheriv, pbkdf2Sync, scryptSync } from 'node:crypto'
import { concatBytes, type Random, Secret } from '../../foundation/base/index.ts'
import { type CborInput, encodeCbor } from '../../foundation/codec/index.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Length of the key that seals a store. */
export const STORE_KEY_BYTES = 32
export const SALT_BYTES = 16

/** What a passphrase becomes a key by. */
export type Derivation = 'scrypt' | 'pbkdf2'

/** OWASP Password Storage Cheat Sheet: 128 MiB for scrypt, 210,000 rounds for HMAC-SHA-512. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
const PBKDF2_ROUNDS = 210_000

/**
 * Seals bytes under the store's key.
 *
 * @param key - 32 bytes
 * @param plain - the bytes
 * @param binding - the associated data and the source of the nonce; 96 random bits are safe for
 *   2^32 seals under one key
 * @returns nonce ‖ ciphertext ‖ tag
 * @see NIST SP 800-38D
 */
export function seal(
  key: Secret,
  plain: Uint8Array,
  binding: { readonly random: Random; readonly associated: CborInput },
): Uint8Array {
  const nonce = binding.random.bytes(NONCE_BYTES)
  const cipher = key.use((bytes) =>
    createCipheriv(CIPHER, bytes, nonce, { authTagLength: TAG_BYTES }),
  )
  cipher.setAAD(encodeCbor(binding.associated))
  const ciphertext = cipher.update(plain)
  return Uint8Array.from(concatBytes(nonce, ciphertext, cipher.final(), cipher.getAuthTag()))
}

/** Opens what {@link seal} made; `undefined` when key, bytes or associated data are not the same. */
export function unseal(key: Secret, sealed: Uint8Array, associated: CborInput): Secret | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const decipher = key.use((bytes) =>
    createDecipheriv(CIPHER, bytes, nonce, { authTagLength: TAG_BYTES }),
  )
  decipher.setAAD(encodeCbor(associated))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    decipher.final()
  } catch {
    plain.fill(0)
    return undefined
  }
  return Secret.take(plain)
}

/** Derives the store's key from a passphrase; the cost is fixed, so a file cannot lower it. */
export function deriveStoreKey(
  passphrase: Secret,
  derivation: Derivation,
  salt: Uint8Array,
): Secret {
  return passphrase.use((bytes) =>
    Secret.take(
      derivation === 'scrypt'
        ? scryptSync(bytes, salt, STORE_KEY_BYTES, SCRYPT)
        : pbkdf2Sync(bytes, salt, PBKDF2_ROUNDS, STORE_KEY_BYTES, 'sha512'),
    ),
  )
}
