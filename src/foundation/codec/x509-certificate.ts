import type { KeyObject } from 'node:crypto'
import { equalBytes, type Sha256, sha256, toHex, type UnixMs } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import { contextConstructed } from './der-tags.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import {
  derBitString,
  derInteger,
  derSequence,
  derTime,
  derTlv,
  derUnsigned,
} from './der-writer.ts'
import {
  type CertificateSigner,
  parseSignature,
  signatureIdentifier,
  spkiAlgorithm,
  verifyX509Signature,
  type X509KeyAlgorithm,
  type X509SignatureAlgorithm,
} from './x509-algorithms.ts'
import { asX509, x509Error } from './x509-errors.ts'
import {
  encodeExtension,
  EXTENSION_OID,
  interpretExtensions,
  isInterpreted,
  readExtensions,
  type X509Extension,
  type X509ExtensionValues,
} from './x509-extensions.ts'
import { parseName, type X509Name } from './x509-names.ts'

/** A parsed X.509 v3 certificate. All bytes are views of its own copy of the encoding. */
export interface X509Certificate extends X509ExtensionValues {
  readonly der: Uint8Array
  /** The signed part, exactly as it stands in the encoding. */
  readonly tbs: Uint8Array
  /** Magnitude of the serial number, without leading zeros. */
  readonly serial: Uint8Array
  readonly serialHex: string
  readonly signatureAlgorithm: X509SignatureAlgorithm
  readonly signature: Uint8Array
  readonly issuer: X509Name
  readonly subject: X509Name
  readonly notBefore: UnixMs
  /** Last second of validity. */
  readonly notAfter: UnixMs
  /** The encoded SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  readonly spkiSha256: Sha256
  readonly keyAlgorithm: X509KeyAlgorithm
  readonly extensions: readonly X509Extension[]
  /** Critical extensions that this room does not interpret: who validates must know or refuse. */
  readonly unhandledCritical: readonly ObjectIdentifier[]
}

/** What stands in a certificate to be issued. */
export interface CertificateFields {
  /** Magnitude of the serial number: positive, at most 20 octets when encoded. */
  readonly serial: Uint8Array
  readonly issuer: X509Name
  readonly subject: X509Name
  readonly notBefore: UnixMs
  readonly notAfter: UnixMs
  /** The subject's encoded SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  readonly extensions: readonly X509Extension[]
}

/** Largest certificate that is read; an ML-DSA-65 root takes about 5.6 KB. */
export const MAX_CERTIFICATE_BYTES: number = 16_384
/** RFC 5280 section 4.1.2.2: at most 20 octets, sign included. */
const MAX_SERIAL_BYTES = 20

const VERSION = contextConstructed(0)
const EXTENSIONS = contextConstructed(3)
const V3 = 2
const ENCODED_V3 = derTlv(VERSION, derInteger(V3))

/**
 * Parses a certificate strictly: DER, version 3, one of our algorithms, the encoding rules of
 * RFC 5280, nothing left over.
 *
 * **Security:** form only. It checks no signature, no validity, no purpose and no chain, and
 * leaves {@link X509Certificate.unhandledCritical} to the caller.
 *
 * @param der - at most 16 KiB
 * @returns the certificate, over its own copy of the bytes
 * @throws KosError KOS_CODEC_X509 with the violated rule
 * @see RFC 5280 section 4.1
 */
export function parseCertificate(der: Uint8Array): X509Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw x509Error('size')
  return asX509(() => readCertificate(Buffer.from(der)))
}

function readCertificate(der: Uint8Array): X509Certificate {
  const outer = new DerReader(der)
  const certificate = outer.sequence()
  outer.end()
  const tbs = certificate.element()
  const identifier = certificate.element()
  const signature = certificate.bitString()
  certificate.end()
  const fields = readTbs(tbs)
  // RFC 5280 section 4.1.1.2: the unsigned identifier equals the signed one.
  if (!equalBytes(fields.identifier, identifier)) throw x509Error('signature-algorithm-mismatch')
  const { identifier: _, extensions, ...named } = fields
  const values = interpretExtensions(extensions)
  checkRules(named.subject, values, extensions)
  return Object.freeze({
    der,
    tbs,
    signatureAlgorithm: parseSignature(identifier, signature),
    signature,
    ...named,
    serialHex: toHex(named.serial),
    spkiSha256: sha256(named.spki),
    keyAlgorithm: spkiAlgorithm(named.spki),
    extensions,
    unhandledCritical: unhandledCritical(extensions),
    ...values,
  })
}

interface TbsFields extends CertificateFields {
  readonly identifier: Uint8Array
}

function readTbs(der: Uint8Array): TbsFields {
  const outer = new DerReader(der)
  const tbs = outer.sequence()
  const version = tbs.enter(VERSION)
  if (version.smallInteger() !== V3) throw x509Error('version')
  version.end()
  const serial = tbs.unsigned(MAX_SERIAL_BYTES)
  if (serial[0] === 0 || (serial.length === MAX_SERIAL_BYTES && (serial[0] ?? 0) >= 0x80)) {
    throw x509Error('serial')
  }
  const identifier = tbs.element()
  const issuer = parseName(tbs.element())
  // RFC 5280 section 4.1.2.4: the issuer is not empty.
  if (issuer.attributes.length === 0) throw x509Error('issuer')
  const validity = tbs.sequence()
  const notBefore = validity.time()
  const notAfter = validity.time()
  validity.end()
  if (notBefore > notAfter) throw x509Error('validity')
  const subject = parseName(tbs.element())
  const spki = tbs.element()
  // The unique identifiers [1] and [2] are not read: a certificate that has them is refused here.
  const wrapped = tbs.enter(EXTENSIONS)
  const extensions = readExtensions(wrapped.sequence())
  wrapped.end()
  tbs.end()
  return { serial, identifier, issuer, notBefore, notAfter, subject, spki, extensions }
}

function checkRules(
  subject: X509Name,
  values: X509ExtensionValues,
  extensions: readonly X509Extension[],
): void {
  const critical = (oid: string): boolean =>
    extensions.some((extension) => extension.oid === oid && extension.critical)
  // RFC 5280 section 4.2.1.6: without a subject the alternative names carry it, and are critical.
  if (subject.attributes.length === 0 && !critical(EXTENSION_OID.subjectAltNames)) {
    throw x509Error('subject')
  }
  const certSign = values.keyUsage?.includes('keyCertSign') === true
  const ca = values.basicConstraints?.ca === true
  // RFC 5280 section 4.2.1.9: CAs say so critically; only they sign certificates.
  if (ca && !critical(EXTENSION_OID.basicConstraints)) throw x509Error('ca-critical')
  if (certSign && !ca) throw x509Error('key-usage-ca')
  // RFC 5280 section 4.2.1.10: in CA certificates only, and critical.
  if (values.nameConstraints && !(ca && critical(EXTENSION_OID.nameConstraints))) {
    throw x509Error('name-constraints')
  }
  // RFC 5280 sections 4.2.1.1 and 4.2.1.2: key identifiers are not critical.
  if (critical(EXTENSION_OID.subjectKeyId) || critical(EXTENSION_OID.authorityKeyId)) {
    throw x509Error('key-id-critical')
  }
}

function unhandledCritical(extensions: readonly X509Extension[]): readonly ObjectIdentifier[] {
  return Object.freeze(
    extensions.filter((one) => one.critical && !isInterpreted(one.oid)).map((one) => one.oid),
  )
}

/**
 * Writes and signs a certificate.
 *
 * **Security:** writes what it is told; who may get which certificate is decided by the caller.
 *
 * @param fields - see {@link CertificateFields}
 * @param signer - the issuer's key
 * @returns the encoded certificate
 * @throws KosError KOS_CODEC_X509 when serial, validity, key or extensions cannot stand in one
 */
export function buildCertificate(fields: CertificateFields, signer: CertificateSigner): Uint8Array {
  const serial = derUnsigned(fields.serial)
  if (serial.length > 2 + MAX_SERIAL_BYTES || fields.serial.every((byte) => byte === 0)) {
    throw x509Error('serial')
  }
  if (!(fields.notBefore <= fields.notAfter)) throw x509Error('validity')
  if (fields.extensions.length === 0) throw x509Error('extensions-count')
  spkiAlgorithm(fields.spki)
  const identifier = signatureIdentifier(signer.algorithm)
  const tbs = derSequence(
    ENCODED_V3,
    serial,
    identifier,
    fields.issuer.der,
    derSequence(derTime(fields.notBefore), derTime(fields.notAfter)),
    fields.subject.der,
    fields.spki,
    derTlv(EXTENSIONS, derSequence(...fields.extensions.map((one) => encodeExtension(one)))),
  )
  return derSequence(tbs, identifier, derBitString(signer.sign(tbs)))
}

/**
 * Verifies the signature of a certificate.
 *
 * **Security:** the signature alone; names, validity, CA flag and path are the caller's to check.
 *
 * @param certificate - a parsed certificate
 * @param issuer - the issuer's encoded SubjectPublicKeyInfo, or its imported key (faster)
 */
export function verifyCertificateSignature(
  certificate: X509Certificate,
  issuer: Uint8Array | KeyObject,
): boolean {
  return verifyX509Signature(certificate, issuer)
}
