import { concatBytes } from '../base/index.ts'
import { contextConstructed, contextPrimitive, DER_TAG } from './der-tags.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import {
  derBoolean,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
} from './der-writer.ts'
import { x509Error } from './x509-errors.ts'
import { encodeGeneralNames, type GeneralNames } from './x509-general-names.ts'

/** One certificate extension as it stands in the certificate. */
export interface X509Extension {
  readonly oid: ObjectIdentifier
  readonly critical: boolean
  /** The content of extnValue: the DER of the extension's own type. */
  readonly value: Uint8Array
}

/** Extension types that this room interprets. @see RFC 5280 section 4.2 */
export const EXTENSION_OID: Readonly<
  Record<
    | 'subjectKeyId'
    | 'keyUsage'
    | 'subjectAltNames'
    | 'basicConstraints'
    | 'nameConstraints'
    | 'authorityKeyId'
    | 'extendedKeyUsage',
    ObjectIdentifier
  >
> = Object.freeze({
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
})

/** Purposes of the extended key usage that kOS uses. */
export const KEY_PURPOSE: Readonly<Record<'serverAuth' | 'clientAuth', ObjectIdentifier>> =
  Object.freeze({
    serverAuth: '1.3.6.1.5.5.7.3.1',
    clientAuth: '1.3.6.1.5.5.7.3.2',
  })

/** Key usages in the order of their bits. @see RFC 5280 section 4.2.1.3 */
export const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
/** One of {@link KEY_USAGES}. */
export type KeyUsage = (typeof KEY_USAGES)[number]

/** Whether the key is a CA's, and how many CAs may stand below it. */
export interface BasicConstraints {
  readonly ca: boolean
  readonly pathLength?: number
}

/** The most purposes of one extended key usage. */
export const MAX_PURPOSES: number = 16
/** The most subtrees per side of name constraints as kOS writes them. */
export const MAX_SUBTREES: number = 16

/** Encodes one Extension. */
export function encodeExtension(extension: X509Extension): Uint8Array {
  const value = derOctetString(extension.value)
  // X.690 section 11.5: the default FALSE is not written.
  return extension.critical
    ? derSequence(derOid(extension.oid), derBoolean(true), value)
    : derSequence(derOid(extension.oid), value)
}

/** Basic constraints, critical. @see RFC 5280 section 4.2.1.9 */
export function basicConstraintsExtension(constraints: BasicConstraints): X509Extension {
  const { ca, pathLength } = constraints
  if (!ca && pathLength !== undefined) throw x509Error('path-length')
  const parts = ca ? [derBoolean(true)] : []
  if (pathLength !== undefined) parts.push(derInteger(pathLength))
  return extension(EXTENSION_OID.basicConstraints, true, derSequence(...parts))
}

/** Key usage, critical. */
export function keyUsageExtension(usages: readonly KeyUsage[]): X509Extension {
  if (usages.length === 0) throw x509Error('key-usage')
  const bits = usages.map((usage) => KEY_USAGES.indexOf(usage))
  return extension(EXTENSION_OID.keyUsage, true, derNamedBits(bits))
}

/** Extended key usage, not critical. */
export function extendedKeyUsageExtension(purposes: readonly ObjectIdentifier[]): X509Extension {
  if (purposes.length === 0 || purposes.length > MAX_PURPOSES) throw x509Error('key-purposes')
  const value = derSequence(...purposes.map((purpose) => derOid(purpose)))
  return extension(EXTENSION_OID.extendedKeyUsage, false, value)
}

/**
 * Subject alternative names.
 *
 * @param names - at least one, at most 64
 * @param critical - true when the subject name is empty
 */
export function subjectAltNamesExtension(
  names: Partial<GeneralNames>,
  critical: boolean = false,
): X509Extension {
  const value = derTlv(DER_TAG.sequence, encodeGeneralNames(names))
  return extension(EXTENSION_OID.subjectAltNames, critical, value)
}

/** Subject key identifier, not critical. */
export function subjectKeyIdExtension(keyId: Uint8Array): X509Extension {
  return extension(EXTENSION_OID.subjectKeyId, false, derOctetString(keyId))
}

/** Authority key identifier by key id only, not critical. */
export function authorityKeyIdExtension(keyId: Uint8Array): X509Extension {
  const value = derSequence(derTlv(contextPrimitive(0), keyId))
  return extension(EXTENSION_OID.authorityKeyId, false, value)
}

/** Name constraints that permit these URI hosts only, critical. @see RFC 5280 section 4.2.1.10 */
export function permittedUriHostsExtension(hosts: readonly string[]): X509Extension {
  const subtrees = hosts.map((host) => derSequence(encodeGeneralNames({ uris: [host] })))
  if (subtrees.length === 0 || subtrees.length > MAX_SUBTREES) throw x509Error('subtrees-count')
  const permitted = derTlv(contextConstructed(0), concatBytes(...subtrees))
  return extension(EXTENSION_OID.nameConstraints, true, derSequence(permitted))
}

function extension(oid: ObjectIdentifier, critical: boolean, value: Uint8Array): X509Extension {
  return Object.freeze({ oid, critical, value })
}
