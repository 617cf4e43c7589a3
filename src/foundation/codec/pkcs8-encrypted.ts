import { DER_TAG } from './der-tags.ts'
import { derInteger, derOctetString, derOid, derSequence, derTlv } from './der-writer.ts'
import { x509Error } from './x509-errors.ts'

// RFC 8018 appendix A: PBES2 of PBKDF2 and a cipher; RFC 3565 section 4.1: AES-256-CBC.
const PBES2 = '1.2.840.113549.1.5.13'
const PBKDF2 = '1.2.840.113549.1.5.12'
const HMAC_WITH_SHA256 = '1.2.840.113549.2.9'
const AES_256_CBC = '2.16.840.1.101.3.4.1.42'
const NULL = derTlv(DER_TAG.null, new Uint8Array(0))
const IV_BYTES = 16
const MIN_SALT_BYTES = 16

/** A private key encrypted by a passphrase, and what it was encrypted with. */
export interface EncryptedPkcs8 {
  /** Of PBKDF2 with HMAC-SHA-256; at least 16 bytes. */
  readonly salt: Uint8Array
  readonly iterations: number
  /** 16 bytes. */
  readonly iv: Uint8Array
  /** The PrivateKeyInfo by AES-256-CBC. */
  readonly ciphertext: Uint8Array
}

/**
 * Writes an EncryptedPrivateKeyInfo: what PEM calls an ENCRYPTED PRIVATE KEY and OpenSSL reads.
 *
 * **Security:** writes the form alone: strength comes from passphrase and iterations, and nothing
 * authenticates the bytes, which is how this format is.
 *
 * @returns DER
 * @throws KosError KOS_CODEC_X509 `pkcs8-parameters` for a short salt or a wrong IV
 * @see RFC 5958 section 3, RFC 8018 section 6.2
 */
export function buildEncryptedPkcs8(key: EncryptedPkcs8): Uint8Array {
  const { salt, iterations, iv, ciphertext } = key
  if (salt.length < MIN_SALT_BYTES || iv.length !== IV_BYTES) throw x509Error('pkcs8-parameters')
  const derivation = derSequence(
    derOid(PBKDF2),
    derSequence(
      derOctetString(salt),
      derInteger(iterations),
      derSequence(derOid(HMAC_WITH_SHA256), NULL),
    ),
  )
  const cipher = derSequence(derOid(AES_256_CBC), derOctetString(iv))
  return derSequence(
    derSequence(derOid(PBES2), derSequence(derivation, cipher)),
    derOctetString(ciphertext),
  )
}
