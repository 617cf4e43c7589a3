import { createPublicKey, type KeyObject } from 'node:crypto'
import { equalBytes, toHex } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import { contextConstructed, DER_TAG } from './der-tags.ts'
import { derInteger, derOid, derSequence, derTlv } from './der-writer.ts'
import { x509Error } from './x509-errors.ts'

/** Key types of certificates of any issuer; kOS itself issues fewer, see `X509KeyAlgorithm`. */
export type PkixKeyAlgorithm =
  | 'P-256'
  | 'P-384'
  | 'RSA'
  | 'RSA-PSS'
  | 'Ed25519'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87'

/** Digests that signatures of certificates may use. */
export type PkixDigest = 'sha256' | 'sha384' | 'sha512'

/** A SubjectPublicKeyInfo whose algorithm, parameters and sizes were checked. */
export interface PkixPublicKey {
  readonly algorithm: PkixKeyAlgorithm
  /** The encoded SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** Bits of the RSA modulus; 0 for the other algorithms, whose sizes are fixed. */
  readonly modulusBits: number
  /** The one digest that an RSASSA-PSS key restricts itself to. @see RFC 4055 section 3.3 */
  readonly pssDigest?: PkixDigest
}

/** RFC 3279, 4055, 5480, 8410, 9881: the algorithms and curves by their object identifiers. */
const OID = {
  ecPublicKey: '1.2.840.10045.2.1',
  rsaEncryption: '1.2.840.113549.1.1.1',
  rsassaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
} as const

const CURVES: ReadonlyMap<string, readonly [algorithm: PkixKeyAlgorithm, pointBytes: number]> =
  new Map([
    ['1.2.840.10045.3.1.7', ['P-256', 65]],
    ['1.3.132.0.34', ['P-384', 97]],
  ])

// RFC 8410 section 3, RFC 9881 section 2: parameters are absent and the size is fixed.
const PLAIN: ReadonlyMap<string, readonly [algorithm: PkixKeyAlgorithm, keyBytes: number]> =
  new Map([
    ['1.3.101.112', ['Ed25519', 32]],
    ['2.16.840.1.101.3.4.3.17', ['ML-DSA-44', 1312]],
    ['2.16.840.1.101.3.4.3.18', ['ML-DSA-65', 1952]],
    ['2.16.840.1.101.3.4.3.19', ['ML-DSA-87', 2592]],
  ])

/** The digests with their object identifiers and lengths. */
const DIGESTS: readonly (readonly [digest: PkixDigest, oid: string, bytes: number])[] = [
  ['sha256', '2.16.840.1.101.3.4.2.1', 32],
  ['sha384', '2.16.840.1.101.3.4.2.2', 48],
  ['sha512', '2.16.840.1.101.3.4.2.3', 64],
]

/** Largest RSA modulus: verifying costs the square of it. */
const MAX_MODULUS_BYTES = 1024
/** The only exponent that is taken: small ones and huge ones are left alone. */
const RSA_EXPONENT = 65_537

/**
 * RSASSA-PSS-params that are taken, with the digest each stands for: one digest for message and
 * mask, a salt of its length, the trailer by default. The digest's own parameters are NULL or
 * absent, the same in both places.
 *
 * @see RFC 4055 section 3.1, RFC 8446 section 4.2.3 (the same pinning)
 */
const PSS_PARAMETERS: ReadonlyMap<string, PkixDigest> = new Map(
  DIGESTS.flatMap(([digest, oid, saltBytes]) =>
    [Uint8Array.of(DER_TAG.null, 0), new Uint8Array()].map((parameters): [string, PkixDigest] => {
      const hash = derSequence(derOid(oid), parameters)
      const der = derSequence(
        derTlv(contextConstructed(0), hash),
        derTlv(contextConstructed(1), derSequence(derOid(OID.mgf1), hash)),
        derTlv(contextConstructed(2), derInteger(saltBytes)),
      )
      return [toHex(der), digest]
    }),
  ),
)

/**
 * The digest of encoded RSASSA-PSS parameters.
 *
 * @throws KosError KOS_CODEC_X509 `pss-parameters` when they are not one of the pinned sets
 */
export function readPssParameters(der: Uint8Array): PkixDigest {
  const digest = PSS_PARAMETERS.get(toHex(der))
  if (!digest) throw x509Error('pss-parameters')
  return digest
}

/** The content of an AlgorithmIdentifier. */
export interface AlgorithmIdentifier {
  readonly oid: string
  /** The encoded parameters, where there are any. */
  readonly parameters?: Uint8Array
}

/** Reads an AlgorithmIdentifier. */
export function readAlgorithmIdentifier(reader: DerReader): AlgorithmIdentifier {
  const oid = reader.objectIdentifier()
  const parameters = reader.atEnd ? undefined : reader.element()
  reader.end()
  return parameters ? { oid, parameters } : { oid }
}

const ENCODED_NULL = Uint8Array.of(DER_TAG.null, 0)

/** Whether the parameters are NULL. */
export function isNull(parameters: Uint8Array | undefined): boolean {
  return parameters !== undefined && equalBytes(parameters, ENCODED_NULL)
}

/**
 * Reads an encoded SubjectPublicKeyInfo of any issuer.
 *
 * **Security:** whether the point lies on its curve is checked by {@link importPkixKey}.
 *
 * @throws KosError KOS_CODEC_X509 `curve-parameters`, `curve`, `rsa-exponent`, `rsa-modulus`,
 *   `pss-parameters` or `spki`
 * @see RFC 5280 section 4.1.2.7
 */
export function readPublicKey(spki: Uint8Array): PkixPublicKey {
  const outer = new DerReader(spki)
  const info = outer.sequence()
  outer.end()
  const identifier = readAlgorithmIdentifier(info.sequence())
  const key = info.bitString()
  info.end()
  if (identifier.oid === OID.ecPublicKey) return readEcKey(spki, identifier.parameters, key)
  if (identifier.oid === OID.rsaEncryption) {
    // RFC 3279 section 2.3.1: the parameters are NULL.
    if (!isNull(identifier.parameters)) throw x509Error('spki')
    return Object.freeze({ algorithm: 'RSA', spki, modulusBits: readRsaModulus(key) })
  }
  if (identifier.oid === OID.rsassaPss) return readPssKey(spki, identifier.parameters, key)
  const [algorithm, keyBytes] = PLAIN.get(identifier.oid) ?? []
  if (!algorithm || identifier.parameters || key.length !== keyBytes) throw x509Error('spki')
  return Object.freeze({ algorithm, spki, modulusBits: 0 })
}

function readEcKey(
  spki: Uint8Array,
  parameters: Uint8Array | undefined,
  point: Uint8Array,
): PkixPublicKey {
  // RFC 5480 section 2.1.1: implicitCurve and specifiedCurve MUST NOT be used in PKIX.
  if (parameters?.[0] !== DER_TAG.objectIdentifier) throw x509Error('curve-parameters')
  const [algorithm, pointBytes] = CURVES.get(new DerReader(parameters).objectIdentifier()) ?? []
  if (!algorithm) throw x509Error('curve')
  // RFC 5480 section 2.2: the uncompressed form, which all MUST support, is the only one taken.
  if (point.length !== pointBytes || point[0] !== 0x04) throw x509Error('spki')
  return Object.freeze({ algorithm, spki, modulusBits: 0 })
}

function readPssKey(
  spki: Uint8Array,
  parameters: Uint8Array | undefined,
  key: Uint8Array,
): PkixPublicKey {
  const modulusBits = readRsaModulus(key)
  // RFC 4055 section 3.1: without parameters the key does not restrict itself.
  const pssDigest = parameters && readPssParameters(parameters)
  return Object.freeze({
    algorithm: 'RSA-PSS',
    spki,
    modulusBits,
    ...(pssDigest && { pssDigest }),
  })
}

// RFC 3279 section 2.3.1: RSAPublicKey.
function readRsaModulus(key: Uint8Array): number {
  const outer = new DerReader(key)
  const pair = outer.sequence()
  outer.end()
  const modulus = pair.unsigned(MAX_MODULUS_BYTES)
  if (pair.smallInteger() !== RSA_EXPONENT) throw x509Error('rsa-exponent')
  pair.end()
  const [first = 0] = modulus
  if (((modulus.at(-1) ?? 0) & 1) === 0) throw x509Error('rsa-modulus')
  return modulus.length * 8 - (Math.clz32(first) - 24)
}

/**
 * Imports a key for verification.
 *
 * @throws KosError KOS_CODEC_X509 `spki` when the crypto library finds it invalid
 */
export function importPkixKey(publicKey: PkixPublicKey): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(publicKey.spki), format: 'der', type: 'spki' })
  } catch (cause) {
    throw x509Error('spki', cause)
  }
}
