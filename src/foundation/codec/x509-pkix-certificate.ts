import { equalBytes, type Sha256, sha256, toHex, type UnixMs } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { contextConstructed, DER_TAG } from './der-tags.ts'
import { MAX_CERTIFICATE_BYTES } from './x509-certificate.ts'
import { asX509, x509Error } from './x509-errors.ts'
import { EXTENSION_OID, readExtensions, type X509Extension } from './x509-extensions.ts'
import {
  interpretPkixExtensions,
  isPkixInterpreted,
  type PkixExtensionValues,
} from './x509-pkix-extensions.ts'
import { type PkixPublicKey, readPublicKey } from './x509-pkix-keys.ts'
import { type DistinguishedName, readDistinguishedName } from './x509-pkix-names.ts'
import { type PkixSigned, readPkixSignature } from './x509-pkix-signatures.ts'

/** A certificate of any issuer, in the profile of RFC 5280, over its own copy of the bytes. */
export interface PkixCertificate extends PkixExtensionValues, PkixSigned {
  readonly der: Uint8Array
  /** SHA-256 of the encoding. */
  readonly fingerprint: Sha256
  /** The serial number's magnitude: 1 to 20 octets in the encoding, positive. */
  readonly serialHex: string
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  /** Whether subject and issuer are the same name. @see RFC 5280 section 3.2 */
  readonly selfIssued: boolean
  readonly notBefore: UnixMs
  /** Last second of validity. */
  readonly notAfter: UnixMs
  readonly publicKey: PkixPublicKey
  readonly extensions: readonly X509Extension[]
  /** Critical extensions that are not interpreted: who validates must know or refuse. */
  readonly unhandledCritical: readonly ObjectIdentifier[]
}

const VERSION = contextConstructed(0)
const EXTENSIONS = contextConstructed(3)
const V3 = 2
/** RFC 5280 section 4.1.2.2: at most 20 octets, sign included. */
const MAX_SERIAL_OCTETS = 20

/**
 * Parses a certificate of any issuer strictly: DER, version 3, the encoding rules and the
 * obligations that RFC 5280 lays on issuers, nothing left over. It knows more key types, names and
 * extensions than `parseCertificate`, which reads what kOS itself issues.
 *
 * **Security:** form only. It checks no signature, no validity and no chain: see `validatePath` of
 * `kos/pki`.
 *
 * @param der - at most 16 KiB
 * @returns the certificate, over its own copy of the bytes
 * @throws KosError KOS_CODEC_X509 with the violated rule
 * @see RFC 5280 section 4
 */
export function parsePkixCertificate(der: Uint8Array): PkixCertificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw x509Error('size')
  return asX509(() => readCertificate(Buffer.from(der)))
}

function readCertificate(der: Uint8Array): PkixCertificate {
  const { tbs, identifier, signature } = readSigned(new DerReader(der))
  const { identifier: signedIdentifier, spki, ...fields } = readTbs(tbs)
  // RFC 5280 section 4.1.1.2: the unsigned identifier equals the signed one.
  if (!equalBytes(signedIdentifier, identifier)) throw x509Error('signature-algorithm-mismatch')
  const values = interpretPkixExtensions(fields.extensions)
  checkObligations(fields.subject, values, fields.extensions)
  return Object.freeze({
    der,
    fingerprint: sha256(der),
    tbs,
    signatureAlgorithm: readPkixSignature(identifier, signature),
    signature,
    ...fields,
    selfIssued: fields.subject.key === fields.issuer.key,
    publicKey: readPublicKey(spki),
    unhandledCritical: Object.freeze(
      fields.extensions
        .filter(({ critical, oid }) => critical && !isPkixInterpreted(oid))
        .map(({ oid }) => oid),
    ),
    ...values,
  })
}

/** The three parts of every signed X.509 structure. */
export function readSigned(outer: DerReader): {
  readonly tbs: Uint8Array
  readonly identifier: Uint8Array
  readonly signature: Uint8Array
} {
  const signed = outer.sequence()
  outer.end()
  const tbs = signed.element()
  const identifier = signed.element()
  const signature = signed.bitString()
  signed.end()
  return { tbs, identifier, signature }
}

function readTbs(der: Uint8Array): {
  readonly serialHex: string
  readonly identifier: Uint8Array
  readonly issuer: DistinguishedName
  readonly notBefore: UnixMs
  readonly notAfter: UnixMs
  readonly subject: DistinguishedName
  readonly spki: Uint8Array
  readonly extensions: readonly X509Extension[]
} {
  const tbs = new DerReader(der).sequence()
  const version = tbs.enter(VERSION)
  if (version.smallInteger() !== V3) throw x509Error('version')
  version.end()
  const serialHex = readSerial(tbs)
  const identifier = tbs.element()
  const issuer = readDistinguishedName(tbs.element())
  // RFC 5280 section 4.1.2.4: the issuer is not empty.
  if (issuer.steps.length === 0) throw x509Error('issuer')
  const validity = tbs.sequence()
  const notBefore = validity.time()
  const notAfter = validity.time()
  validity.end()
  if (notBefore > notAfter) throw x509Error('validity')
  const subject = readDistinguishedName(tbs.element())
  const spki = tbs.element()
  // RFC 5280 section 4.1.2.8: issuers do not write the unique identifiers [1] and [2].
  const wrapped = tbs.enter(EXTENSIONS)
  const extensions = readExtensions(wrapped.sequence())
  wrapped.end()
  tbs.end()
  return { serialHex, identifier, issuer, notBefore, notAfter, subject, spki, extensions }
}

/**
 * Reads a serial number as the hexadecimal text of its magnitude.
 *
 * @throws KosError KOS_CODEC_X509 `serial-negative`, `serial-zero`, `serial-size`, or the DER rule
 * @see RFC 5280 section 4.1.2.2
 */
export function readSerial(reader: DerReader): string {
  const content = reader.content(DER_TAG.integer)
  const [first = 0, second = 0] = content
  if (content.length > MAX_SERIAL_OCTETS) throw x509Error('serial-size')
  if (first >= 0x80) throw x509Error('serial-negative')
  if (content.every((octet) => octet === 0)) throw x509Error('serial-zero')
  // X.690 section 8.3.2: a zero octet stands only before a set bit.
  if (first === 0 && second < 0x80) throw x509Error('serial-padding')
  return toHex(first === 0 ? content.subarray(1) : content)
}

function checkObligations(
  subject: DistinguishedName,
  values: PkixExtensionValues,
  extensions: readonly X509Extension[],
): void {
  const critical = (oid: string): boolean =>
    extensions.some((extension) => extension.oid === oid && extension.critical)
  const ca = values.basicConstraints?.ca === true
  // RFC 5280 section 4.1.2.6: a CA has a subject; others may have critical alternative names.
  if (subject.steps.length === 0 && (ca || !critical(EXTENSION_OID.subjectAltNames))) {
    throw x509Error('subject')
  }
  // RFC 5280 section 4.2.1.9: CAs say so critically; only they sign certificates.
  if (ca && !critical(EXTENSION_OID.basicConstraints)) throw x509Error('ca-critical')
  if (values.keyUsage?.includes('keyCertSign') === true && !ca) throw x509Error('key-usage-ca')
  // RFC 5280 sections 4.2.1.5, 4.2.1.10, 4.2.1.11, 4.2.1.14: in CA certificates only.
  const forCa =
    values.nameConstraints ??
    values.policyMappings ??
    values.policyConstraints ??
    values.inhibitAnyPolicy
  if (forCa !== undefined && !ca) throw x509Error('ca-only')
  // RFC 5280 sections 4.2.1.1 and 4.2.1.2: key identifiers are not critical.
  if (critical(EXTENSION_OID.subjectKeyId) || critical(EXTENSION_OID.authorityKeyId)) {
    throw x509Error('key-id-critical')
  }
}

/**
 * The comparable subject of a certificate, read without the rest: how a heap of certificates is
 * sorted before any of them is worth parsing.
 *
 * @returns `undefined` when the certificate cannot be read so far
 */
export function peekPkixSubject(der: Uint8Array): string | undefined {
  if (der.length > MAX_CERTIFICATE_BYTES) return undefined
  try {
    return asX509(() => {
      const tbs = new DerReader(der).sequence().sequence()
      tbs.element()
      // Serial number, signature, issuer, validity.
      for (let skipped = 0; skipped < 4; skipped++) tbs.element()
      return readDistinguishedName(tbs.element()).key
    })
  } catch {
    return undefined
  }
}
