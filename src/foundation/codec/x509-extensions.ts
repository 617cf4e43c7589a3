import { concatBytes } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
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
import { encodeGeneralNames, type GeneralNames, readGeneralNames } from './x509-general-names.ts'

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

/** Subtrees that names below a CA must, or must not, lie in; an absent side says nothing. */
export interface NameConstraints {
  readonly permitted?: NameSubtrees
  readonly excluded?: NameSubtrees
}

/** URI hosts and DNS names; other kinds of subtree are refused. */
export interface NameSubtrees {
  readonly uriHosts: readonly string[]
  readonly dnsNames: readonly string[]
}

/** What the extensions of a certificate say; absent means absent in the certificate. */
export interface X509ExtensionValues {
  readonly basicConstraints?: BasicConstraints
  readonly keyUsage?: readonly KeyUsage[]
  readonly extendedKeyUsage?: readonly ObjectIdentifier[]
  readonly subjectAltNames?: GeneralNames
  readonly subjectKeyId?: Uint8Array
  readonly authorityKeyId?: Uint8Array
  readonly nameConstraints?: NameConstraints
}

const MAX_EXTENSIONS = 32
const MAX_PURPOSES = 16
const MAX_SUBTREES = 16
const MAX_KEY_ID_BYTES = 64
const MAX_PATH_LENGTH = 16

// ---- writing ----

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

// ---- reading ----

/** Reads Extensions: at least one, at most 32, each type once. */
export function readExtensions(reader: DerReader): readonly X509Extension[] {
  const extensions: X509Extension[] = []
  const seen = new Set<string>()
  for (let count = 0; count === 0 || !reader.atEnd; count++) {
    if (count === MAX_EXTENSIONS) throw x509Error('extensions-count')
    const one = readExtension(reader.sequence())
    // RFC 5280 section 4.2: no more than one instance of an extension.
    if (seen.has(one.oid)) throw x509Error('extension-twice')
    seen.add(one.oid)
    extensions.push(one)
  }
  return Object.freeze(extensions)
}

function readExtension(reader: DerReader): X509Extension {
  const oid = reader.objectIdentifier()
  const flagged = reader.nextTag === DER_TAG.boolean
  // X.690 section 11.5: an encoded default is not DER, so a flag that is there says TRUE.
  if (flagged && !reader.boolean()) throw x509Error('critical-default')
  const value = reader.octetString()
  reader.end()
  return extension(oid, flagged, value)
}

type Values = { -readonly [K in keyof X509ExtensionValues]: X509ExtensionValues[K] }
type Interpreter = (reader: DerReader, values: Values) => void

const INTERPRETERS: ReadonlyMap<ObjectIdentifier, Interpreter> = new Map<string, Interpreter>([
  [EXTENSION_OID.basicConstraints, (r, v) => (v.basicConstraints = readBasicConstraints(r))],
  [EXTENSION_OID.keyUsage, (r, v) => (v.keyUsage = readKeyUsage(r))],
  [EXTENSION_OID.extendedKeyUsage, (r, v) => (v.extendedKeyUsage = readPurposes(r))],
  [EXTENSION_OID.subjectAltNames, (r, v) => (v.subjectAltNames = readNames(r))],
  [EXTENSION_OID.subjectKeyId, (r, v) => (v.subjectKeyId = checkKeyId(r.octetString()))],
  [EXTENSION_OID.authorityKeyId, (r, v) => (v.authorityKeyId = readAuthorityKeyId(r))],
  [EXTENSION_OID.nameConstraints, (r, v) => (v.nameConstraints = readNameConstraints(r))],
])

/** Interprets the extensions this room knows, strictly; the others stay opaque. */
export function interpretExtensions(extensions: readonly X509Extension[]): X509ExtensionValues {
  const values: Values = {}
  for (const { oid, value } of extensions) {
    const interpret = INTERPRETERS.get(oid)
    if (!interpret) continue
    const reader = new DerReader(value)
    interpret(reader, values)
    reader.end()
  }
  return values
}

/** Whether this room interprets extensions of a type. */
export function isInterpreted(oid: ObjectIdentifier): boolean {
  return INTERPRETERS.has(oid)
}

export function readBasicConstraints(outer: DerReader): BasicConstraints {
  const reader = outer.sequence()
  const ca = reader.nextTag === DER_TAG.boolean
  if (ca && !reader.boolean()) throw x509Error('ca-default')
  if (reader.atEnd) return Object.freeze({ ca })
  const pathLength = reader.smallInteger()
  reader.end()
  // RFC 5280 section 4.2.1.9: a path length only where the CA flag is set.
  if (!ca || pathLength > MAX_PATH_LENGTH) throw x509Error('path-length')
  return Object.freeze({ ca, pathLength })
}

export function readKeyUsage(reader: DerReader): readonly KeyUsage[] {
  const bits = reader.namedBits()
  // RFC 5280 section 4.2.1.3: at least one bit is set.
  if (bits.length === 0) throw x509Error('key-usage')
  return Object.freeze(
    bits.map((bit) => {
      const usage = KEY_USAGES[bit]
      if (!usage) throw x509Error('key-usage')
      return usage
    }),
  )
}

export function readPurposes(outer: DerReader): readonly ObjectIdentifier[] {
  const reader = outer.sequence()
  const purposes: ObjectIdentifier[] = []
  do {
    if (purposes.length === MAX_PURPOSES) throw x509Error('key-purposes')
    purposes.push(reader.objectIdentifier())
  } while (!reader.atEnd)
  return Object.freeze(purposes)
}

function readNames(outer: DerReader): GeneralNames {
  return readGeneralNames(outer.sequence())
}

function readAuthorityKeyId(outer: DerReader): Uint8Array {
  const reader = outer.sequence()
  const keyId = checkKeyId(reader.content(contextPrimitive(0)))
  reader.end()
  return keyId
}

export function checkKeyId(keyId: Uint8Array): Uint8Array {
  if (keyId.length < 1 || keyId.length > MAX_KEY_ID_BYTES) throw x509Error('key-id')
  return keyId
}

function readNameConstraints(outer: DerReader): NameConstraints {
  const reader = outer.sequence()
  const permitted = reader.optional(contextConstructed(0))
  const excluded = reader.optional(contextConstructed(1))
  reader.end()
  if (!permitted && !excluded) throw x509Error('subtrees-count')
  return Object.freeze({
    ...(permitted && { permitted: readSubtrees(permitted) }),
    ...(excluded && { excluded: readSubtrees(excluded) }),
  })
}

function readSubtrees(reader: DerReader): NameSubtrees {
  const uriHosts: string[] = []
  const dnsNames: string[] = []
  for (let count = 0; count === 0 || !reader.atEnd; count++) {
    if (count === MAX_SUBTREES) throw x509Error('subtrees-count')
    const base = reader.sequence()
    const names = readGeneralNames(base)
    // One base per subtree; minimum and maximum are not used. Addresses need a mask: not ours.
    if (names.uris.length + names.dnsNames.length !== 1) throw x509Error('subtree')
    uriHosts.push(...names.uris)
    dnsNames.push(...names.dnsNames)
  }
  return Object.freeze({ uriHosts: Object.freeze(uriHosts), dnsNames: Object.freeze(dnsNames) })
}
