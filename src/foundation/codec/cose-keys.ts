import { type KeyObject, sign, verify } from 'node:crypto'
import { sha256 } from '../base/index.ts'
import {
  COSE_ALGORITHMS,
  type CoseAlgorithm,
  coseError,
  type CoseSigner,
  type CoseVerifier,
} from './cose-types.ts'
import { importSpki } from './x509-algorithms.ts'

const COMPONENT_BYTES = 32
/** Order n of the base point of P-256. @see FIPS 186-5, SP 800-186 section 3.2.1.3 */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const P256_HALF_ORDER: Uint8Array = Buffer.from(toHex32(P256_ORDER >> 1n), 'hex')

/**
 * A signer from a private key in memory.
 *
 * @param privateKey - P-256, Ed25519, ML-DSA-44 or ML-DSA-65
 * @param keyId - SHA-256 of the public key's SPKI
 * @throws KOS_CODEC_COSE when the key is of another kind
 */
export function coseSignerFromKey(privateKey: KeyObject, keyId: Uint8Array): CoseSigner {
  if (privateKey.type !== 'private') throw coseError('key: not private')
  const algorithm = coseAlgorithmOf(privateKey)
  return Object.freeze({
    algorithm,
    keyId,
    sign: (toBeSigned: Uint8Array) => signRaw(algorithm, privateKey, toBeSigned),
  })
}

/**
 * A verifier from a public key.
 *
 * @param spkiDer - SubjectPublicKeyInfo, P-256, Ed25519, ML-DSA-44 or ML-DSA-65, in its one canonical
 *   encoding, so that one key has one key id
 * @throws KOS_CODEC_COSE when it is anything else
 */
export function coseVerifierFromSpki(spkiDer: Uint8Array): CoseVerifier {
  const key = importCoseKey(spkiDer)
  return Object.freeze({ algorithm: coseAlgorithmOf(key), keyId: sha256(spkiDer), key })
}

/**
 * The algorithm that a key is used with: one per kind of key, so a message cannot choose.
 *
 * @throws KOS_CODEC_COSE when the key's kind has none
 */
export function coseAlgorithmOf(key: KeyObject): CoseAlgorithm {
  const kind = key.asymmetricKeyType
  if (kind === 'ed25519') return 'EdDSA'
  if (kind === 'ml-dsa-44') return 'ML-DSA-44'
  if (kind === 'ml-dsa-65') return 'ML-DSA-65'
  if (kind === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256'
  throw coseError('key: kind or curve has no algorithm')
}

/** A raw signature; ES256 as r ‖ s with low s. */
export function signRaw(
  algorithm: CoseAlgorithm,
  privateKey: KeyObject,
  bytes: Uint8Array,
): Uint8Array {
  if (algorithm !== 'ES256') return new Uint8Array(sign(null, bytes, privateKey))
  return toLowS(sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
}

/** Verifies a raw signature; for ES256 the high s of a valid signature is refused as well. */
export function verifyRaw(
  verifier: CoseVerifier,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { algorithm, key } = verifier
  if (signature.length !== COSE_ALGORITHMS[algorithm].signatureBytes) return false
  if (algorithm !== 'ES256') return verify(null, bytes, key, signature)
  return isLowS(signature) && verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/**
 * Whether s of a P-256 signature is at most half the order. With (r, s), (r, n − s) is valid too:
 * without this rule anyone could change a signed object's bytes and hash.
 *
 * @param signature - r ‖ s, 64 bytes
 */
export function isLowS(signature: Uint8Array): boolean {
  return Buffer.compare(signature.subarray(COMPONENT_BYTES), P256_HALF_ORDER) <= 0
}

/**
 * The low form of a P-256 signature.
 *
 * @param signature - r ‖ s, 64 bytes
 * @returns a new array
 */
export function toLowS(signature: Uint8Array): Uint8Array {
  const low = Uint8Array.from(signature)
  if (isLowS(low)) return low
  const s = BigInt(`0x${Buffer.from(low.subarray(COMPONENT_BYTES)).toString('hex')}`)
  low.set(Buffer.from(toHex32(P256_ORDER - s), 'hex'), COMPONENT_BYTES)
  return low
}

/** The import of certificates: one encoding per key, no compressed points, no other parameters. */
function importCoseKey(spkiDer: Uint8Array): KeyObject {
  try {
    return importSpki(spkiDer)
  } catch (cause) {
    throw coseError('key: not a canonical SPKI', cause)
  }
}

function toHex32(value: bigint): string {
  return value.toString(16).padStart(COMPONENT_BYTES * 2, '0')
}
