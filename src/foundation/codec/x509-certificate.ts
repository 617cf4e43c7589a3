import type { KeyObject } from 'node:crypto'
import { type Sha256, sha256, toHex, type UnixMs } from '../base/index.ts'
import type { DerReader } from './der-reader.ts'
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
import type { Growing } from './x509-extension-reading.ts'
import { encodeExtension, EXTENSION_OID, type X509Extension } from './x509-extensions.ts'
import { parseName, type X509Name } from './x509-names.ts'
import { OWN_INTERPRETERS, type X509ExtensionValues } from './x509-own-extensions.ts'
import {
  type CertificateFacts,
  type CertificateKind,
  EXTENSIONS,
  MAX_CERTIFICATE_BYTES,
  V3,
  VERSION,
  walkCertificate,
} from './x509-walk.ts'

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

/** RFC 5280 section 4.1.2.2: at most 20 octets, sign included. */
const MAX_SERIAL_BYTES = 20

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

const OWN: CertificateKind<Uint8Array, X509Name, Growing<X509ExtensionValues>> = Object.freeze({
  readSerial,
  readName: parseName,
  isEmptyName: ({ attributes }: X509Name): boolean => attributes.length === 0,
  interpreters: OWN_INTERPRETERS,
  noValues: () => ({}),
  // RFC 5280 section 4.2.1.10: in CA certificates only, and critical.
  checkMore: ({ nameConstraints }: X509ExtensionValues, { ca, critical }: CertificateFacts) => {
    if (nameConstraints && !(ca && critical(EXTENSION_OID.nameConstraints))) {
      throw x509Error('name-constraints')
    }
  },
})

function readCertificate(der: Uint8Array): X509Certificate {
  const { identifier, values, ...walked } = walkCertificate(der, OWN)
  const { serial, signature, spki } = walked
  return Object.freeze({
    der,
    ...walked,
    signatureAlgorithm: parseSignature(identifier, signature),
    serialHex: toHex(serial),
    spkiSha256: sha256(spki),
    keyAlgorithm: spkiAlgorithm(spki),
    ...values,
  })
}

function readSerial(tbs: DerReader): Uint8Array {
  const serial = tbs.unsigned(MAX_SERIAL_BYTES)
  if (serial[0] === 0 || (serial.length === MAX_SERIAL_BYTES && (serial[0] ?? 0) >= 0x80)) {
    throw x509Error('serial')
  }
  return serial
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
