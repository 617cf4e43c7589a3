import { createCipheriv, createPrivateKey, pbkdf2Sync } from 'node:crypto'
import { type Random, Secret } from '../../foundation/base/index.ts'
import { buildEncryptedPkcs8, pemEncode } from '../../foundation/codec/index.ts'
import { requirePassphraseLength } from './unlock.ts'

/** Rounds of PBKDF2 with HMAC-SHA-256 for a key that leaves its store. */
const EXPORT_ITERATIONS = 600_000
const SALT_BYTES = 16
const IV_BYTES = 16
const KEY_BYTES = 32

/**
 * Encrypts a private key by a passphrase, for a file that other software reads: PKCS#8 by AES-256-CBC
 * under PBKDF2 with 600,000 rounds, which every OpenSSL opens.
 *
 * @param pem - PKCS#8, as `tlsPrivateKeyPem` of a key gives it
 * @param passphrase - at least 8 bytes
 * @returns PEM, ENCRYPTED PRIVATE KEY
 * @throws KOS_KEYS_UNLOCK `passphrase too short`
 * @see RFC 5958 section 3
 */
export function encryptPrivateKey(
  { random }: { readonly random: Random },
  pem: Secret,
  passphrase: Secret,
): string {
  requirePassphraseLength(passphrase)
  const salt = Uint8Array.from(random.bytes(SALT_BYTES))
  const iv = Uint8Array.from(random.bytes(IV_BYTES))
  using key = passphrase.use((bytes) =>
    Secret.take(pbkdf2Sync(bytes, salt, EXPORT_ITERATIONS, KEY_BYTES, 'sha256')),
  )
  using plain = pem.use((bytes) =>
    Secret.take(createPrivateKey(Buffer.from(bytes)).export({ type: 'pkcs8', format: 'der' })),
  )
  const ciphertext = key.use((keyBytes) =>
    plain.use((der) => {
      const cipher = createCipheriv('aes-256-cbc', keyBytes, iv)
      return Buffer.concat([cipher.update(der), cipher.final()])
    }),
  )
  const encrypted = { salt, iterations: EXPORT_ITERATIONS, iv, ciphertext }
  return pemEncode('ENCRYPTED PRIVATE KEY', buildEncryptedPkcs8(encrypted))
}
