import { equalBytes, toHex, type UnixMs } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { contextConstructed, DER_TAG } from './der-tags.ts'
import { asX509, x509Error } from './x509-errors.ts'
import { readExtensions } from './x509-extension-reading.ts'
import { EXTENSION_OID, type X509Extension } from './x509-extensions.ts'
import { readSerial } from './x509-pkix-certificate.ts'
import { PKIX_EXTENSION_OID, readAuthorityKeyId } from './x509-pkix-extensions.ts'
import { type DistinguishedName, readDistinguishedName } from './x509-pkix-names.ts'
import { type PkixSigned, readPkixSignature } from './x509-pkix-signatures.ts'
import { readSigned } from './x509-walk.ts'

/** Why a certificate was revoked, with the number on the wire. @see RFC 5280 section 5.3.1 */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const
/** One of {@link REVOCATION_REASONS}. */
export type RevocationReason = keyof typeof REVOCATION_REASONS

/** One entry of a CRL. */
export interface RevokedCertificate {
  readonly serialHex: string
  readonly revokedAt: UnixMs
  readonly reason: RevocationReason
}

/** A parsed certificate revocation list, over its own copy of the bytes. */
export interface CertificateRevocationList extends PkixSigned {
  readonly der: Uint8Array
  readonly issuer: DistinguishedName
  readonly thisUpdate: UnixMs
  readonly nextUpdate: UnixMs
  /** Magnitude of the CRL number. */
  readonly crlNumber: bigint
  readonly authorityKeyId: Uint8Array
  /** Entries by serial number. */
  readonly revoked: ReadonlyMap<string, RevokedCertificate>
  /** Critical extensions, of the list or of an entry, that are not interpreted. */
  readonly unhandledCritical: readonly ObjectIdentifier[]
}

/** Largest CRL that is read: about 200,000 entries. */
export const MAX_CRL_BYTES: number = 8_388_608
const CRL_DER_LIMITS = Object.freeze({ maxBytes: MAX_CRL_BYTES, maxDepth: 16 })
const V2 = 1
const EXTENSIONS = contextConstructed(0)
const ENUMERATED = 0x0a
/** RFC 5280 section 5.2.3: CRL numbers have at most 20 octets. */
const MAX_CRL_NUMBER_BYTES = 20
const REASONS_BY_NUMBER: ReadonlyMap<number, RevocationReason> = new Map(
  Object.entries(REVOCATION_REASONS).map(([reason, number]) => [
    number,
    reason as RevocationReason,
  ]),
)

/**
 * Parses a version 2 CRL strictly: DER, next update, CRL number and key identifier present as
 * RFC 5280 demands of issuers, each serial number once, nothing left over.
 *
 * **Security:** form only. It checks no signature and no times; critical extensions that it does
 * not interpret are named in `unhandledCritical`, among them those that make a delta CRL, an
 * indirect CRL or one of limited scope: who relies on the list must refuse it then.
 *
 * @param der - at most 8 MiB
 * @returns the list, over its own copy of the bytes
 * @throws KosError KOS_CODEC_X509 with the violated rule
 * @see RFC 5280 section 5
 */
export function parseCrl(der: Uint8Array): CertificateRevocationList {
  if (der.length > MAX_CRL_BYTES) throw x509Error('size')
  return asX509(() => readCrl(Buffer.from(der)))
}

function readCrl(der: Uint8Array): CertificateRevocationList {
  const { tbs, identifier, signature } = readSigned(new DerReader(der, CRL_DER_LIMITS))
  const list = new DerReader(tbs, CRL_DER_LIMITS).sequence()
  if (list.smallInteger() !== V2) throw x509Error('version')
  // RFC 5280 section 5.1.1.2: the unsigned identifier equals the signed one.
  if (!equalBytes(list.element(), identifier)) throw x509Error('signature-algorithm-mismatch')
  const issuer = readDistinguishedName(list.element())
  // RFC 5280 section 5.1.2.3: the issuer is not empty.
  if (issuer.steps.length === 0) throw x509Error('issuer')
  const thisUpdate = list.time()
  // RFC 5280 section 5.1.2.5: issuers write nextUpdate; without it a list never ends.
  const nextUpdate = list.time()
  if (nextUpdate < thisUpdate) throw x509Error('validity')
  const unhandled: ObjectIdentifier[] = []
  const revoked = readRevoked(list, unhandled)
  const values = readCrlExtensions(list, unhandled)
  list.end()
  return Object.freeze({
    der,
    tbs,
    signatureAlgorithm: readPkixSignature(identifier, signature),
    signature,
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
    unhandledCritical: Object.freeze(unhandled),
    ...values,
  })
}

// RFC 5280 section 5.1.2.6: absent when nothing is revoked, never empty.
function readRevoked(
  list: DerReader,
  unhandled: ObjectIdentifier[],
): ReadonlyMap<string, RevokedCertificate> {
  const revoked = new Map<string, RevokedCertificate>()
  if (list.nextTag !== DER_TAG.sequence) return revoked
  const entries = list.sequence()
  do {
    const entry = readEntry(entries.sequence(), unhandled)
    if (revoked.has(entry.serialHex)) throw x509Error('serial-twice')
    revoked.set(entry.serialHex, entry)
  } while (!entries.atEnd)
  return revoked
}

function readEntry(entry: DerReader, unhandled: ObjectIdentifier[]): RevokedCertificate {
  const serialHex = readSerial(entry)
  const revokedAt = entry.time()
  let reason: RevocationReason = 'unspecified'
  if (!entry.atEnd) {
    for (const extension of readExtensions(entry.sequence())) {
      if (extension.oid === PKIX_EXTENSION_OID.reasonCode) reason = readReason(extension.value)
      else if (extension.oid === PKIX_EXTENSION_OID.invalidityDate) readDate(extension.value)
      // RFC 5280 section 5.3: a critical entry extension that is not understood spoils the list.
      else noteCritical(extension, unhandled)
    }
  }
  entry.end()
  return Object.freeze({ serialHex, revokedAt, reason })
}

function noteCritical({ oid, critical }: X509Extension, unhandled: ObjectIdentifier[]): void {
  if (critical && !unhandled.includes(oid)) unhandled.push(oid)
}

function readReason(value: Uint8Array): RevocationReason {
  const reader = new DerReader(value)
  const content = reader.content(ENUMERATED)
  reader.end()
  // RFC 5280 section 5.3.1: removeFromCRL (8) stands in delta CRLs only.
  const reason = content.length === 1 ? REASONS_BY_NUMBER.get(content[0] ?? 0) : undefined
  if (!reason) throw x509Error('crl-reason')
  return reason
}

const GENERALIZED_TIME = /^[0-9]{14}Z$/

// RFC 5280 section 5.3.2: GeneralizedTime in every year; it decides nothing.
function readDate(value: Uint8Array): void {
  const reader = new DerReader(value)
  const digits = Buffer.from(reader.content(DER_TAG.generalizedTime)).toString('latin1')
  reader.end()
  if (!GENERALIZED_TIME.test(digits)) throw x509Error('crl-date')
}

function readCrlExtensions(
  list: DerReader,
  unhandled: ObjectIdentifier[],
): Pick<CertificateRevocationList, 'crlNumber' | 'authorityKeyId'> {
  const wrapped = list.enter(EXTENSIONS)
  const extensions = readExtensions(wrapped.sequence())
  wrapped.end()
  let crlNumber: bigint | undefined
  let authorityKeyId: Uint8Array | undefined
  for (const extension of extensions) {
    const reader = new DerReader(extension.value)
    if (extension.oid === PKIX_EXTENSION_OID.crlNumber) {
      crlNumber = BigInt(`0x${toHex(reader.unsigned(MAX_CRL_NUMBER_BYTES))}`)
      reader.end()
    } else if (extension.oid === EXTENSION_OID.authorityKeyId) {
      authorityKeyId = readAuthorityKeyId(reader).keyId
      reader.end()
    } else {
      checkCriticality(extension)
      noteCritical(extension, unhandled)
    }
  }
  // RFC 5280 sections 5.2.1 and 5.2.3: issuers write both.
  if (authorityKeyId === undefined) throw x509Error('crl-key-id')
  if (crlNumber === undefined) throw x509Error('crl-number')
  return { crlNumber, authorityKeyId }
}

// RFC 5280 sections 5.2.4 and 5.2.5: both change what the list means, so both are critical.
function checkCriticality({ oid, critical }: X509Extension): void {
  const changesMeaning =
    oid === PKIX_EXTENSION_OID.deltaCrlIndicator ||
    oid === PKIX_EXTENSION_OID.issuingDistributionPoint
  if (changesMeaning && !critical) throw x509Error('crl-critical')
}
