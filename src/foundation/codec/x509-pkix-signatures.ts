import { constants, type KeyObject, verify } from 'node:crypto'
import { DerReader } from './der-reader.ts'
import {
  isNull,
  type PkixDigest,
  type PkixKeyAlgorithm,
  type PkixPublicKey,
  readAlgorithmIdentifier,
  readPssParameters,
} from './x509-pkix-keys.ts'
import { x509Error } from './x509-errors.ts'

/** Signature algorithms of any issuer, in the names of JOSE; ES256 means ECDSA with SHA-256. */
export type PkixSignatureAlgorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'EdDSA'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87'

/** A signed X.509 structure: certificate or CRL. */
export interface PkixSigned {
  /** The signed bytes, exactly as they stand in the encoding. */
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: PkixSignatureAlgorithm
  readonly signature: Uint8Array
}

interface SignatureRow {
  readonly keys: readonly PkixKeyAlgorithm[]
  readonly digest: PkixDigest | null
  /** Bytes of a raw signature; `undefined` where the key decides. */
  readonly signatureBytes?: number
  readonly pss?: true
}

const EC: readonly PkixKeyAlgorithm[] = ['P-256', 'P-384']
const RSA: readonly PkixKeyAlgorithm[] = ['RSA']
// RFC 4055 section 1.2: a key of either kind makes PSS signatures, only a plain one makes PKCS #1.
const PSS: readonly PkixKeyAlgorithm[] = ['RSA', 'RSA-PSS']

const ROWS: Readonly<Record<PkixSignatureAlgorithm, SignatureRow>> = {
  ES256: { keys: EC, digest: 'sha256' },
  ES384: { keys: EC, digest: 'sha384' },
  ES512: { keys: EC, digest: 'sha512' },
  RS256: { keys: RSA, digest: 'sha256' },
  RS384: { keys: RSA, digest: 'sha384' },
  RS512: { keys: RSA, digest: 'sha512' },
  PS256: { keys: PSS, digest: 'sha256', pss: true },
  PS384: { keys: PSS, digest: 'sha384', pss: true },
  PS512: { keys: PSS, digest: 'sha512', pss: true },
  EdDSA: { keys: ['Ed25519'], digest: null, signatureBytes: 64 },
  'ML-DSA-44': { keys: ['ML-DSA-44'], digest: null, signatureBytes: 2420 },
  'ML-DSA-65': { keys: ['ML-DSA-65'], digest: null, signatureBytes: 3309 },
  'ML-DSA-87': { keys: ['ML-DSA-87'], digest: null, signatureBytes: 4627 },
}

type Parameters = 'absent' | 'null-or-absent'

// RFC 5758 section 3.2, RFC 4055 section 5, RFC 8410 section 3, RFC 9881 section 2. SHA-1 and MD5
// are not here.
const BY_OID: ReadonlyMap<string, readonly [PkixSignatureAlgorithm, Parameters]> = new Map([
  ['1.2.840.10045.4.3.2', ['ES256', 'absent']],
  ['1.2.840.10045.4.3.3', ['ES384', 'absent']],
  ['1.2.840.10045.4.3.4', ['ES512', 'absent']],
  ['1.2.840.113549.1.1.11', ['RS256', 'null-or-absent']],
  ['1.2.840.113549.1.1.12', ['RS384', 'null-or-absent']],
  ['1.2.840.113549.1.1.13', ['RS512', 'null-or-absent']],
  ['1.3.101.112', ['EdDSA', 'absent']],
  ['2.16.840.1.101.3.4.3.17', ['ML-DSA-44', 'absent']],
  ['2.16.840.1.101.3.4.3.18', ['ML-DSA-65', 'absent']],
  ['2.16.840.1.101.3.4.3.19', ['ML-DSA-87', 'absent']],
])
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const PSS_BY_DIGEST: Readonly<Record<PkixDigest, PkixSignatureAlgorithm>> = {
  sha256: 'PS256',
  sha384: 'PS384',
  sha512: 'PS512',
}
/** Bytes of r and s under the largest curve taken. */
const MAX_SCALAR_BYTES = 48

/**
 * The signature algorithm of an encoded AlgorithmIdentifier, and a check of the value's form.
 *
 * @throws KosError KOS_CODEC_X509 `signature-algorithm`, `pss-parameters`, `signature-size`
 */
export function readPkixSignature(
  identifier: Uint8Array,
  signature: Uint8Array,
): PkixSignatureAlgorithm {
  const algorithm = readAlgorithm(identifier)
  const { digest, signatureBytes, keys } = ROWS[algorithm]
  if (digest !== null) {
    if (keys === EC) readEcdsaValue(signature)
  } else if (signature.length !== signatureBytes) throw x509Error('signature-size')
  return algorithm
}

function readAlgorithm(identifier: Uint8Array): PkixSignatureAlgorithm {
  const outer = new DerReader(identifier)
  const { oid, parameters } = readAlgorithmIdentifier(outer.sequence())
  outer.end()
  if (oid === RSASSA_PSS) return PSS_BY_DIGEST[readPssParameters(parameters ?? new Uint8Array())]
  const [algorithm, rule] = BY_OID.get(oid) ?? []
  if (!algorithm) throw x509Error('signature-algorithm')
  // RFC 4055 section 5: NULL is written, absent is accepted; elsewhere parameters are forbidden.
  if (parameters && !(rule === 'null-or-absent' && isNull(parameters))) {
    throw x509Error('signature-algorithm')
  }
  return algorithm
}

// RFC 3279 section 2.2.3: SEQUENCE { r INTEGER, s INTEGER }.
function readEcdsaValue(signature: Uint8Array): void {
  const value = new DerReader(signature)
  const pair = value.sequence()
  pair.unsigned(MAX_SCALAR_BYTES)
  pair.unsigned(MAX_SCALAR_BYTES)
  pair.end()
  value.end()
}

/**
 * Verifies the signature of a certificate or CRL of any issuer.
 *
 * **Security:** the signature alone; whether the signer may sign is the caller's to check.
 *
 * @param signed - a parsed structure
 * @param publicKey - the signer's checked key
 * @param key - the same, imported by `importPkixKey`
 * @returns `false` also when key and algorithm do not belong together
 */
export function verifyPkixSignature(
  signed: PkixSigned,
  publicKey: PkixPublicKey,
  key: KeyObject,
): boolean {
  const { keys, digest, pss } = ROWS[signed.signatureAlgorithm]
  if (!keys.includes(publicKey.algorithm)) return false
  // RFC 4055 section 3.3: a key with parameters signs under these and no others.
  if (publicKey.pssDigest !== undefined && publicKey.pssDigest !== digest) return false
  if (!pss) return verify(digest, signed.tbs, key, signed.signature)
  const padding = constants.RSA_PKCS1_PSS_PADDING
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return verify(digest, signed.tbs, { key, padding, saltLength }, signed.signature)
}
