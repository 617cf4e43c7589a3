/**
 * The one walk over a certificate, for those that kOS issues and for those of any issuer. Both kinds have
 * their own names, serial numbers, extensions and further rules: see {@link CertificateKind}.
 */
import { equalBytes, type UnixMs } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { contextConstructed } from './der-tags.ts'
import { x509Error } from './x509-errors.ts'
import {
  type CommonExtensionValues,
  type ExtensionInterpreters,
  interpretExtensions,
  readExtensions,
  unhandledCritical,
} from './x509-extension-reading.ts'
import { EXTENSION_OID, type X509Extension } from './x509-extensions.ts'

/** Largest certificate that is read; an ML-DSA-65 root takes about 5.6 KB. */
export const MAX_CERTIFICATE_BYTES: number = 16_384
/** The version field of TBSCertificate. */
export const VERSION: number = contextConstructed(0)
/** The extensions field of TBSCertificate. */
export const EXTENSIONS: number = contextConstructed(3)
/** The number that stands for version 3. */
export const V3 = 2

/** What tells one kind of certificates from the other. */
export interface CertificateKind<Serial, Name, Values extends CommonExtensionValues> {
  readonly readSerial: (tbs: DerReader) => Serial
  readonly readName: (der: Uint8Array) => Name
  readonly isEmptyName: (name: Name) => boolean
  readonly interpreters: ExtensionInterpreters<Values>
  /** Where the interpreters begin: nothing is there. */
  readonly noValues: () => Values
  /** Rules beyond the common ones; throws KOS_CODEC_X509. */
  readonly checkMore: (values: Values, is: CertificateFacts) => void
}

/** What further rules ask of a certificate. */
export interface CertificateFacts {
  readonly ca: boolean
  readonly critical: (oid: ObjectIdentifier) => boolean
}

/** What stands in the signed part. */
interface TbsFields<Serial, Name> {
  readonly serial: Serial
  readonly issuer: Name
  readonly notBefore: UnixMs
  readonly notAfter: UnixMs
  readonly subject: Name
  readonly spki: Uint8Array
  readonly extensions: readonly X509Extension[]
}

/** What the walk found. */
export interface WalkedCertificate<Serial, Name, Values>
  extends SignedParts, TbsFields<Serial, Name> {
  readonly values: Values
  readonly unhandledCritical: readonly ObjectIdentifier[]
}

/**
 * Walks over a certificate: encoding, version, serial number, validity, extensions, and the rules that
 * RFC 5280 has for every issuer.
 *
 * **Security:** form only. The signature is not even parsed.
 *
 * @throws KosError KOS_CODEC_X509 or KOS_CODEC_DER with the violated rule
 * @see RFC 5280 section 4.1
 */
export function walkCertificate<Serial, Name, Values extends CommonExtensionValues>(
  der: Uint8Array,
  kind: CertificateKind<Serial, Name, Values>,
): WalkedCertificate<Serial, Name, Values> {
  const signed = readSigned(new DerReader(der))
  const fields = walkTbs(signed, kind)
  const { extensions } = fields
  const values = interpretExtensions(extensions, kind.interpreters, kind.noValues())
  checkRules(kind, { extensions, values, hasSubject: !kind.isEmptyName(fields.subject) })
  return {
    ...signed,
    ...fields,
    values,
    unhandledCritical: unhandledCritical(extensions, kind.interpreters),
  }
}

function walkTbs<Serial, Name>(
  signed: SignedParts,
  kind: Pick<CertificateKind<Serial, Name, never>, 'readSerial' | 'readName' | 'isEmptyName'>,
): TbsFields<Serial, Name> {
  const tbs = new DerReader(signed.tbs).sequence()
  const version = tbs.enter(VERSION)
  if (version.smallInteger() !== V3) throw x509Error('version')
  version.end()
  const serial = kind.readSerial(tbs)
  const identifier = tbs.element()
  const issuer = kind.readName(tbs.element())
  // RFC 5280 section 4.1.2.4: the issuer is not empty.
  if (kind.isEmptyName(issuer)) throw x509Error('issuer')
  const validity = tbs.sequence()
  const notBefore = validity.time()
  const notAfter = validity.time()
  validity.end()
  if (notBefore > notAfter) throw x509Error('validity')
  const subject = kind.readName(tbs.element())
  const spki = tbs.element()
  // RFC 5280 section 4.1.2.8: issuers do not write the unique identifiers [1] and [2], so a certificate
  // that has them is refused here.
  const wrapped = tbs.enter(EXTENSIONS)
  const extensions = readExtensions(wrapped.sequence())
  wrapped.end()
  tbs.end()
  // RFC 5280 section 4.1.1.2: the unsigned identifier equals the signed one.
  if (!equalBytes(identifier, signed.identifier)) throw x509Error('signature-algorithm-mismatch')
  return { serial, issuer, notBefore, notAfter, subject, spki, extensions }
}

interface Ruled<Values> {
  readonly hasSubject: boolean
  readonly values: Values
  readonly extensions: readonly X509Extension[]
}

function checkRules<Values extends CommonExtensionValues>(
  kind: Pick<CertificateKind<never, never, Values>, 'checkMore'>,
  { hasSubject, values, extensions }: Ruled<Values>,
): void {
  const critical = (oid: ObjectIdentifier): boolean =>
    extensions.some((extension) => extension.oid === oid && extension.critical)
  const ca = values.basicConstraints?.ca === true
  // RFC 5280 sections 4.1.2.6 and 4.2.1.6: a CA has a subject; others may have alternative names
  // instead, which are critical then.
  if (!hasSubject && (ca || !critical(EXTENSION_OID.subjectAltNames))) throw x509Error('subject')
  // RFC 5280 section 4.2.1.9: CAs say so critically; only they sign certificates.
  if (ca && !critical(EXTENSION_OID.basicConstraints)) throw x509Error('ca-critical')
  if (values.keyUsage?.includes('keyCertSign') === true && !ca) throw x509Error('key-usage-ca')
  kind.checkMore(values, { ca, critical })
  // RFC 5280 sections 4.2.1.1 and 4.2.1.2: key identifiers are not critical.
  if (critical(EXTENSION_OID.subjectKeyId) || critical(EXTENSION_OID.authorityKeyId)) {
    throw x509Error('key-id-critical')
  }
}

/** The three parts of every signed X.509 structure. */
export interface SignedParts {
  readonly tbs: Uint8Array
  readonly identifier: Uint8Array
  readonly signature: Uint8Array
}

/** Reads the three parts, and nothing behind them. */
export function readSigned(outer: DerReader): SignedParts {
  const signed = outer.sequence()
  outer.end()
  const tbs = signed.element()
  const identifier = signed.element()
  const signature = signed.bitString()
  signed.end()
  return { tbs, identifier, signature }
}
