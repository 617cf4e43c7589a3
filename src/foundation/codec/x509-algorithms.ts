import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { equalBytes } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import { derBitString, derOid, derSequence } from './der-writer.ts'
import { x509Error } from './x509-errors.ts'

/** Key types of certificates: P-256 as named curve only; Ed25519; ML-DSA for roots. */
export type X509KeyAlgorithm = 'P-256' | 'Ed25519' | 'ML-DSA-44' | 'ML-DSA-65'

/** Signature algorithms of certificates, in the names COSE uses; ES256 is P-256 with SHA-256. */
export type X509SignatureAlgorithm = 'ES256' | 'EdDSA' | 'ML-DSA-44' | 'ML-DSA-65'

/** What signs certificates and requests. */
export interface CertificateSigner {
  readonly algorithm: X509SignatureAlgorithm
  /** Signs the bytes; ES256 as DER ECDSA-Sig-Value, the others raw. */
  sign(toBeSigned: Uint8Array): Uint8Array
}

interface AlgorithmRow {
  readonly key: X509KeyAlgorithm
  readonly signature: X509SignatureAlgorithm
  /** The encoded AlgorithmIdentifier of the signature. */
  readonly identifier: Uint8Array
  /** Everything of the SubjectPublicKeyInfo before the key bits: fixed, because the sizes are. */
  readonly spkiPrefix: Uint8Array
  readonly keyBytes: number
  /** Bytes of a raw signature; `undefined` for the DER ECDSA-Sig-Value. */
  readonly signatureBytes: number | undefined
  readonly digest: 'sha256' | null
}

/** Names of the row besides its sizes. */
interface AlgorithmNames {
  readonly key: X509KeyAlgorithm
  readonly signature: X509SignatureAlgorithm
  readonly oid: string
}

// RFC 8410 section 3 and RFC 9881 section 2: one identifier for key and signature, no parameters.
function plainRow(names: AlgorithmNames, keyBytes: number, signatureBytes: number): AlgorithmRow {
  const identifier = derSequence(derOid(names.oid))
  return {
    key: names.key,
    signature: names.signature,
    identifier,
    spkiPrefix: spkiPrefix(identifier, keyBytes),
    keyBytes,
    signatureBytes,
    digest: null,
  }
}

function spkiPrefix(identifier: Uint8Array, keyBytes: number): Uint8Array {
  const spki = derSequence(identifier, derBitString(new Uint8Array(keyBytes)))
  return spki.subarray(0, spki.length - keyBytes)
}

/** An uncompressed P-256 point: 04, x, y. */
const P256_POINT_BYTES = 65

const BY_SIGNATURE: Readonly<Record<X509SignatureAlgorithm, AlgorithmRow>> = {
  ES256: {
    key: 'P-256',
    signature: 'ES256',
    // RFC 5758 section 3.2: ecdsa-with-SHA256, parameters absent.
    identifier: derSequence(derOid('1.2.840.10045.4.3.2')),
    // RFC 5480 section 2.1.1: id-ecPublicKey with the named curve secp256r1.
    spkiPrefix: spkiPrefix(
      derSequence(derOid('1.2.840.10045.2.1'), derOid('1.2.840.10045.3.1.7')),
      P256_POINT_BYTES,
    ),
    keyBytes: P256_POINT_BYTES,
    signatureBytes: undefined,
    digest: 'sha256',
  },
  EdDSA: plainRow({ key: 'Ed25519', signature: 'EdDSA', oid: '1.3.101.112' }, 32, 64),
  'ML-DSA-44': plainRow(
    { key: 'ML-DSA-44', signature: 'ML-DSA-44', oid: '2.16.840.1.101.3.4.3.17' },
    1312,
    2420,
  ),
  'ML-DSA-65': plainRow(
    { key: 'ML-DSA-65', signature: 'ML-DSA-65', oid: '2.16.840.1.101.3.4.3.18' },
    1952,
    3309,
  ),
}
const ROWS: readonly AlgorithmRow[] = Object.values(BY_SIGNATURE)

/**
 * The algorithm of an encoded SubjectPublicKeyInfo. Sizes and parameters are fixed per algorithm,
 * so one comparison of the prefix is the whole strict parse.
 *
 * **Security:** says nothing about the key itself; {@link importSpki} lets the crypto library check
 * that the point is on the curve.
 *
 * @throws KosError KOS_CODEC_X509 `spki` on any other key, size or encoding
 */
export function spkiAlgorithm(spki: Uint8Array): X509KeyAlgorithm {
  return spkiRow(spki).key
}

function spkiRow(spki: Uint8Array): AlgorithmRow {
  for (const row of ROWS) {
    const prefix = row.spkiPrefix.length
    if (spki.length !== prefix + row.keyBytes) continue
    if (!equalBytes(spki.subarray(0, prefix), row.spkiPrefix)) continue
    // RFC 5480 section 2.2: kOS takes the uncompressed form only.
    if (row.key !== 'P-256' || spki[prefix] === 0x04) return row
  }
  throw x509Error('spki')
}

/**
 * Imports an encoded SubjectPublicKeyInfo.
 *
 * @throws KosError KOS_CODEC_X509 `spki` when the algorithm is not ours or the key is not valid
 */
export function importSpki(spki: Uint8Array): KeyObject {
  spkiRow(spki)
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch (cause) {
    throw x509Error('spki', cause)
  }
}

/** The encoded AlgorithmIdentifier of a signature. */
export function signatureIdentifier(algorithm: X509SignatureAlgorithm): Uint8Array {
  return BY_SIGNATURE[algorithm].identifier
}

/** The signature algorithm of an encoded AlgorithmIdentifier, and a check of the value's form. */
export function parseSignature(
  identifier: Uint8Array,
  signature: Uint8Array,
): X509SignatureAlgorithm {
  const row = ROWS.find((known) => equalBytes(known.identifier, identifier))
  if (!row) throw x509Error('signature-algorithm')
  if (row.signatureBytes === undefined) readEcdsaValue(signature)
  else if (signature.length !== row.signatureBytes) throw x509Error('signature-size')
  return row.signature
}

// RFC 3279 section 2.2.3: SEQUENCE { r INTEGER, s INTEGER }.
function readEcdsaValue(signature: Uint8Array): void {
  const value = new DerReader(signature)
  const pair = value.sequence()
  pair.unsigned(32)
  pair.unsigned(32)
  pair.end()
  value.end()
}

/**
 * Verifies a signature in its X.509 form.
 *
 * @param signed - the bytes and the claimed algorithm and value
 * @param key - the signer's SubjectPublicKeyInfo, or an imported key of that algorithm
 * @returns `false` also when key and algorithm do not belong together
 */
export function verifyX509Signature(
  signed: {
    readonly tbs: Uint8Array
    readonly signatureAlgorithm: X509SignatureAlgorithm
    readonly signature: Uint8Array
  },
  key: Uint8Array | KeyObject,
): boolean {
  const row = BY_SIGNATURE[signed.signatureAlgorithm]
  if (key instanceof Uint8Array) {
    if (spkiRow(key) !== row) return false
  } else if (keyObjectAlgorithm(key) !== row.key) return false
  const publicKey = key instanceof Uint8Array ? importSpki(key) : key
  return verify(row.digest, signed.tbs, publicKey, signed.signature)
}

/**
 * A signer of certificates and requests over a private key in memory.
 *
 * @throws KosError KOS_CODEC_X509 `signature-algorithm` when the key is of another kind
 */
export function certificateSignerFromKey(privateKey: KeyObject): CertificateSigner {
  const key = keyObjectAlgorithm(privateKey)
  const row = ROWS.find((known) => known.key === key)
  if (!row) throw x509Error('signature-algorithm')
  return Object.freeze({
    algorithm: row.signature,
    sign: (toBeSigned: Uint8Array): Uint8Array => sign(row.digest, toBeSigned, privateKey),
  })
}

const KEY_TYPES: Readonly<Record<string, X509KeyAlgorithm>> = Object.freeze({
  ed25519: 'Ed25519',
  'ml-dsa-44': 'ML-DSA-44',
  'ml-dsa-65': 'ML-DSA-65',
})

function keyObjectAlgorithm(key: KeyObject): X509KeyAlgorithm | undefined {
  // Other curves are of type `ec` too.
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'P-256'
  return KEY_TYPES[key.asymmetricKeyType ?? '']
}
