/**
 * Certificates and CRLs of any issuer, well-formed or not: every part can be replaced by raw bytes,
 * and the whole is signed with a real key.
 */
import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { concatBytes, type UnixMs, unixMs, utf8 } from '../../src/foundation/base/index.ts'
import {
  derBitString,
  derBoolean,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import { derSetOf, derTime } from '../../src/foundation/codec/der-writer.ts'

/** Kinds of key that tests sign with; the last four no validator of ours accepts. */
export type PkixKeyKind =
  | 'P-256'
  | 'P-384'
  | 'RSA'
  | 'RSA-PSS'
  | 'Ed25519'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87'
  | 'P-521'
  | 'RSA-1024'
  | 'RSA-exponent-3'
  | 'P-256-explicit'

/** A key pair with the algorithm it signs under. */
export interface PkixKey {
  readonly kind: PkixKeyKind
  readonly privateKey: KeyObject
  readonly spki: Uint8Array
  /** The encoded AlgorithmIdentifier of its signatures. */
  readonly identifier: Uint8Array
  readonly sign: (tbs: Uint8Array) => Uint8Array
}

const keys = new Map<string, PkixKey>()

/** A key pair, generated once per kind and name of a process. */
export function pkixKey(kind: PkixKeyKind = 'P-256', name: string = ''): PkixKey {
  const known = keys.get(`${kind} ${name}`)
  if (known) return known
  const { privateKey, spki = spkiOf(privateKey) } = generate(kind)
  const [digest, identifier, pss] = SIGNING[kind]
  const options = pss
    ? {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }
    : privateKey
  const made = {
    kind,
    privateKey,
    spki,
    identifier,
    sign: (tbs: Uint8Array): Uint8Array => sign(digest, tbs, options),
  }
  keys.set(`${kind} ${name}`, made)
  return made
}

const spkiOf = (privateKey: KeyObject): Uint8Array =>
  createPublicKey(privateKey).export({ type: 'spki', format: 'der' })

function generate(kind: PkixKeyKind): { privateKey: KeyObject; spki?: Uint8Array } {
  switch (kind) {
    case 'P-256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'P-384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' })
    case 'P-521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' })
    case 'P-256-explicit':
      return generateExplicit()
    case 'RSA':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'RSA-1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 })
    case 'RSA-exponent-3':
      return generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
    case 'RSA-PSS':
      return generateKeyPairSync('rsa-pss', {
        modulusLength: 2048,
        hashAlgorithm: 'sha256',
        mgf1HashAlgorithm: 'sha256',
      })
    case 'Ed25519':
      return generateKeyPairSync('ed25519')
    case 'ML-DSA-44':
      return generateKeyPairSync('ml-dsa-44')
    case 'ML-DSA-65':
      return generateKeyPairSync('ml-dsa-65')
    case 'ML-DSA-87':
      return generateKeyPairSync('ml-dsa-87')
  }
}

/** P-256 with all curve parameters spelled out, as a curve of one's own would be. */
function generateExplicit(): { privateKey: KeyObject; spki: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    paramEncoding: 'explicit',
  })
  return { privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) }
}

const NULL = Uint8Array.of(5, 0)
const algorithm = (oid: string, ...parameters: readonly Uint8Array[]): Uint8Array =>
  derSequence(derOid(oid), ...parameters)
const SHA256_ALGORITHM = algorithm('2.16.840.1.101.3.4.2.1', NULL)

/** RSASSA-PSS with SHA-256 in both places and the given salt. */
export const pssIdentifier = (saltBytes: number = 32): Uint8Array =>
  algorithm(
    '1.2.840.113549.1.1.10',
    derSequence(
      derTlv(0xa0, SHA256_ALGORITHM),
      derTlv(0xa1, algorithm('1.2.840.113549.1.1.8', SHA256_ALGORITHM)),
      derTlv(0xa2, derInteger(saltBytes)),
    ),
  )

const ES256 = algorithm('1.2.840.10045.4.3.2')
const RS256 = algorithm('1.2.840.113549.1.1.11', NULL)
type Signing = readonly [digest: string | null, identifier: Uint8Array, pss?: true]
const SIGNING: Readonly<Record<PkixKeyKind, Signing>> = {
  'P-256': ['sha256', ES256],
  'P-384': ['sha384', algorithm('1.2.840.10045.4.3.3')],
  'P-521': ['sha512', algorithm('1.2.840.10045.4.3.4')],
  'P-256-explicit': ['sha256', ES256],
  RSA: ['sha256', RS256],
  'RSA-1024': ['sha256', RS256],
  'RSA-exponent-3': ['sha256', RS256],
  'RSA-PSS': ['sha256', pssIdentifier(), true],
  Ed25519: [null, algorithm('1.3.101.112')],
  'ML-DSA-44': [null, algorithm('2.16.840.1.101.3.4.3.17')],
  'ML-DSA-65': [null, algorithm('2.16.840.1.101.3.4.3.18')],
  'ML-DSA-87': [null, algorithm('2.16.840.1.101.3.4.3.19')],
}

/** The same key signing under RSASSA-PSS, or with another salt than is written. */
export function signingPss(key: PkixKey, saltBytes: number = 32): PkixKey {
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return {
    ...key,
    identifier: pssIdentifier(saltBytes),
    sign: (tbs) => sign('sha256', tbs, { key: key.privateKey, padding, saltLength: saltBytes }),
  }
}

/** One attribute of a name under any string tag: 12 UTF8String, 19 PrintableString, 22 IA5String. */
export const nameStep = (oid: string, value: string | Uint8Array, tag: number = 12): Uint8Array =>
  derSetOf(derSequence(derOid(oid), derTlv(tag, typeof value === 'string' ? utf8(value) : value)))

/** A name of organisation and common name. */
export const pkixName = (organization: string, commonName: string): Uint8Array =>
  derSequence(nameStep('2.5.4.10', organization), nameStep('2.5.4.3', commonName))

/** An extension around an already encoded value. */
export const rawExtension = (
  oid: string,
  value: Uint8Array,
  critical: boolean = false,
): X509Extension => ({ oid, critical, value })

/** What stands in a test certificate; every part may be raw bytes instead. */
export interface PkixParts {
  readonly version?: Uint8Array
  readonly serial?: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBefore?: Uint8Array
  readonly notAfter?: Uint8Array
  readonly spki: Uint8Array
  /** Between key and extensions: unique identifiers. */
  readonly identifiers?: Uint8Array
  readonly extensions: readonly (X509Extension | Uint8Array)[]
  /** The signed AlgorithmIdentifier when it differs from the unsigned one. */
  readonly innerIdentifier?: Uint8Array
  /** Changes the whole encoding at the end. */
  readonly finish?: (der: Uint8Array) => Uint8Array
}

/** The clock of these tests, inside every validity that is not about validity. */
export const PKIX_NOW: UnixMs = unixMs(Date.UTC(2026, 5, 1))
/** Long enough that a real clock agrees as well. */
export const PKIX_START: UnixMs = unixMs(Date.UTC(2025, 0, 1))
export const PKIX_END: UnixMs = unixMs(Date.UTC(2049, 0, 1))

let serials = 0x1000
/** A new serial number, encoded. */
export const nextSerial = (): Uint8Array => derInteger(++serials)

/** Encodes and signs a certificate, whatever it says. */
export function encodePkix(parts: PkixParts, key: PkixKey): Uint8Array {
  const tbs = derSequence(
    parts.version ?? derTlv(0xa0, derInteger(2)),
    parts.serial ?? nextSerial(),
    parts.innerIdentifier ?? key.identifier,
    parts.issuer,
    derSequence(parts.notBefore ?? derTime(PKIX_START), parts.notAfter ?? derTime(PKIX_END)),
    parts.subject,
    parts.spki,
    parts.identifiers ?? new Uint8Array(),
    parts.extensions.length === 0
      ? new Uint8Array()
      : derTlv(0xa3, derSequence(...parts.extensions.map((one) => encodeOne(one)))),
  )
  const der = derSequence(tbs, key.identifier, derBitString(key.sign(tbs)))
  return parts.finish?.(der) ?? der
}

function encodeOne(extension: X509Extension | Uint8Array): Uint8Array {
  if (extension instanceof Uint8Array) return extension
  const { oid, critical, value } = extension
  return derSequence(
    derOid(oid),
    critical ? derBoolean(true) : new Uint8Array(),
    derOctetString(value),
  )
}

/** What stands in a test CRL. */
export interface PkixCrlParts {
  readonly version?: Uint8Array
  readonly issuer: Uint8Array
  readonly thisUpdate?: Uint8Array
  readonly nextUpdate?: Uint8Array
  /** Encoded entries. */
  readonly entries?: readonly Uint8Array[]
  readonly extensions: readonly X509Extension[]
  readonly innerIdentifier?: Uint8Array
  readonly finish?: (der: Uint8Array) => Uint8Array
}

/** Encodes and signs a CRL, whatever it says. */
export function encodePkixCrl(parts: PkixCrlParts, key: PkixKey): Uint8Array {
  const entries = parts.entries ?? []
  const tbs = derSequence(
    parts.version ?? derInteger(1),
    parts.innerIdentifier ?? key.identifier,
    parts.issuer,
    parts.thisUpdate ?? derTime(PKIX_START),
    parts.nextUpdate ?? derTime(PKIX_END),
    entries.length === 0 ? new Uint8Array() : derSequence(concatBytes(...entries)),
    parts.extensions.length === 0
      ? new Uint8Array()
      : derTlv(0xa0, derSequence(...parts.extensions.map((one) => encodeOne(one)))),
  )
  const der = derSequence(tbs, key.identifier, derBitString(key.sign(tbs)))
  return parts.finish?.(der) ?? der
}

/** An encoded CRL entry. */
export const crlEntry = (serial: Uint8Array, ...extensions: readonly X509Extension[]): Uint8Array =>
  derSequence(
    serial,
    derTime(PKIX_START),
    extensions.length === 0
      ? new Uint8Array()
      : derSequence(...extensions.map((one) => encodeOne(one))),
  )
