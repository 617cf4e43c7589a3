import {
  type Random,
  sha256,
  type TrustDomain,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildCsr,
  buildName,
  extensionRequest,
  keyUsageExtension,
  NAME_OID,
  permittedUriHostsExtension,
  subjectKeyIdExtension,
  type X509Certificate,
  type X509Name,
} from '../../foundation/codec/index.ts'
import type { KeyRef } from '../keys/index.ts'

const DAY_MS = 86_400_000
// profiles: "Intermediate 90 days with two active; root 10 years, usable offline."
/** Ten years with their leap days. */
const ROOT_LIFE_MS = 3653 * DAY_MS
const INTERMEDIATE_LIFE_MS = 90 * DAY_MS
const SERIAL_BYTES = 16
/** Clocks differ by 30 s at most; twice that keeps a new certificate from being "not yet valid". */
export const BACKDATE_MS = 60_000

/** What CA certificates have in common. */
export interface CaCertificateContext {
  readonly trustDomain: TrustDomain
  readonly random: Random
  readonly nowMs: UnixMs
}

/**
 * A serial number: 126 random bits, positive and always 16 octets.
 *
 * @see RFC 5280 section 4.1.2.2
 */
export function newSerial(random: Random): Uint8Array {
  const serial = Uint8Array.from(random.bytes(SERIAL_BYTES))
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

/** A key identifier: the leftmost 160 bits of SHA-256. @see RFC 7093 section 2 */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  return sha256(spki).subarray(0, 20)
}

// The organisation keeps the names of two trust domains on one machine apart.
function caName(trustDomain: TrustDomain, commonName: string): X509Name {
  return buildName([
    { oid: NAME_OID.organizationName, value: trustDomain },
    { oid: NAME_OID.commonName, value: commonName },
  ])
}

/**
 * A request for another certificate of a CA that has one, to an issuer of its own choice: the same name,
 * key and key identifier, so that it takes the place of the one there is.
 *
 * @param key - the CA's key
 * @param certificate - the certificate it has
 * @see RFC 2986
 */
export function buildCaCsr(key: KeyRef, certificate: X509Certificate): Uint8Array {
  const { basicConstraints, subject, subjectKeyId } = certificate
  const extensions = [
    basicConstraintsExtension(basicConstraints ?? { ca: true }),
    keyUsageExtension(['keyCertSign', 'cRLSign']),
    subjectKeyIdExtension(subjectKeyId ?? keyIdentifier(key.spki)),
  ]
  const attributes = [extensionRequest(extensions)]
  return buildCsr({ subject, spki: key.spki, attributes }, key.certificateSigner())
}

/** The subject of an intermediate, by its number. */
export function intermediateName(trustDomain: TrustDomain, ordinal: number): X509Name {
  return caName(trustDomain, `kOS Intermediate ${ordinal}`)
}

/**
 * From when to when an intermediate counts.
 *
 * @param nowMs - when it is asked for
 * @param root - what it is to be under
 */
export function intermediateValidity(
  nowMs: UnixMs,
  root: X509Certificate,
): { readonly notBefore: UnixMs; readonly notAfter: UnixMs } {
  const notBefore = unixMs(toSecond(nowMs) - BACKDATE_MS)
  // RFC 5280 section 6 checks every certificate of a path alone: outliving the root helps nobody.
  const notAfter = unixMs(Math.min(notBefore + INTERMEDIATE_LIFE_MS, root.notAfter))
  return { notBefore, notAfter }
}

/** Certificates count whole seconds. */
const toSecond = (ms: number): number => Math.floor(ms / 1000) * 1000

/** A self-signed root of ten years, above one intermediate. */
export function buildRoot(key: KeyRef, context: CaCertificateContext): Uint8Array {
  const name = caName(context.trustDomain, `kOS Root ${key.algorithm}`)
  const notBefore = unixMs(context.nowMs - BACKDATE_MS)
  return buildCertificate(
    {
      serial: newSerial(context.random),
      issuer: name,
      subject: name,
      notBefore,
      notAfter: unixMs(notBefore + ROOT_LIFE_MS),
      spki: key.spki,
      extensions: [
        basicConstraintsExtension({ ca: true, pathLength: 1 }),
        keyUsageExtension(['keyCertSign', 'cRLSign']),
        subjectKeyIdExtension(keyIdentifier(key.spki)),
      ],
    },
    key.certificateSigner(),
  )
}

/**
 * An intermediate of 90 days under the P-256 root: issues leaves only, for this trust domain only.
 *
 * @param spki - the intermediate's key
 * @param root - the root's certificate and key
 * @param context - its number makes the name unique
 */
export function buildIntermediate(
  spki: Uint8Array,
  root: { readonly certificate: X509Certificate; readonly key: KeyRef },
  context: CaCertificateContext & { readonly ordinal: number },
): Uint8Array {
  return buildCertificate(
    {
      serial: newSerial(context.random),
      issuer: root.certificate.subject,
      subject: intermediateName(context.trustDomain, context.ordinal),
      ...intermediateValidity(context.nowMs, root.certificate),
      spki,
      extensions: [
        basicConstraintsExtension({ ca: true, pathLength: 0 }),
        keyUsageExtension(['keyCertSign', 'cRLSign']),
        permittedUriHostsExtension([context.trustDomain]),
        subjectKeyIdExtension(keyIdentifier(spki)),
        authorityKeyIdExtension(keyIdentifier(root.key.spki)),
      ],
    },
    root.key.certificateSigner(),
  )
}
