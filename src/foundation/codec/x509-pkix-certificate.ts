import { type Sha256, sha256, toHex, type UnixMs } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { DER_TAG } from './der-tags.ts'
import { asX509, x509Error } from './x509-errors.ts'
import type { Growing } from './x509-extension-reading.ts'
import type { X509Extension } from './x509-extensions.ts'
import { PKIX_INTERPRETERS, type PkixExtensionValues } from './x509-pkix-extensions.ts'
import { type PkixPublicKey, readPublicKey } from './x509-pkix-keys.ts'
import { type DistinguishedName, readDistinguishedName } from './x509-pkix-names.ts'
import { type PkixSigned, readPkixSignature } from './x509-pkix-signatures.ts'
import {
  type CertificateFacts,
  type CertificateKind,
  MAX_CERTIFICATE_BYTES,
  walkCertificate,
} from './x509-walk.ts'

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

const PKIX: CertificateKind<
  string,
  DistinguishedName,
  Growing<PkixExtensionValues>
> = Object.freeze({
  readSerial,
  readName: readDistinguishedName,
  isEmptyName: ({ steps }: DistinguishedName): boolean => steps.length === 0,
  interpreters: PKIX_INTERPRETERS,
  noValues: () => ({}),
  // RFC 5280 sections 4.2.1.5, 4.2.1.10, 4.2.1.11, 4.2.1.14: in CA certificates only.
  checkMore: (values: PkixExtensionValues, { ca }: CertificateFacts) => {
    const forCa =
      values.nameConstraints ??
      values.policyMappings ??
      values.policyConstraints ??
      values.inhibitAnyPolicy
    if (forCa !== undefined && !ca) throw x509Error('ca-only')
  },
})

function readCertificate(der: Uint8Array): PkixCertificate {
  const { identifier, serial, spki, values, ...walked } = walkCertificate(der, PKIX)
  return Object.freeze({
    der,
    fingerprint: sha256(der),
    ...walked,
    serialHex: serial,
    signatureAlgorithm: readPkixSignature(identifier, walked.signature),
    selfIssued: walked.subject.key === walked.issuer.key,
    publicKey: readPublicKey(spki),
    ...values,
  })
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
