/**
 * The walk over extensions and the values that read alike in every certificate. What the values of other
 * types mean is told by the interpreters that the caller brings.
 */
import { DerReader } from './der-reader.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { contextConstructed, DER_TAG } from './der-tags.ts'
import { x509Error } from './x509-errors.ts'
import {
  type BasicConstraints,
  EXTENSION_OID,
  KEY_USAGES,
  type KeyUsage,
  MAX_PURPOSES,
  type X509Extension,
} from './x509-extensions.ts'

const MAX_EXTENSIONS = 32
const MAX_KEY_ID_BYTES = 64
const MAX_PATH_LENGTH = 16

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
  const critical = reader.nextTag === DER_TAG.boolean
  // X.690 section 11.5: an encoded default is not DER, so a flag that is there says TRUE.
  if (critical && !reader.boolean()) throw x509Error('critical-default')
  const value = reader.octetString()
  reader.end()
  return Object.freeze({ oid, critical, value })
}

/** What extensions say that read alike in every certificate; absent means absent. */
export interface CommonExtensionValues {
  readonly basicConstraints?: BasicConstraints
  readonly keyUsage?: readonly KeyUsage[]
  /** Object identifiers of purposes. */
  readonly extendedKeyUsage?: readonly ObjectIdentifier[]
  readonly subjectKeyId?: Uint8Array
}

/** The values of extensions while they are read. */
export type Growing<Values> = { -readonly [K in keyof Values]: Values[K] }

/** The types of extensions that one kind of certificate is read by: each reads its value into its place. */
export type ExtensionInterpreters<Values> = ReadonlyMap<
  ObjectIdentifier,
  ExtensionInterpreter<Values>
>
type ExtensionInterpreter<Values> = (
  reader: DerReader,
  values: Values,
  critical: boolean,
) => unknown

/**
 * Makes the interpreters of a kind of certificates: those that all have, and its own.
 *
 * @param own - by type
 */
export function extensionInterpreters<Values extends Growing<CommonExtensionValues>>(
  own: readonly (readonly [oid: ObjectIdentifier, interpret: ExtensionInterpreter<Values>])[],
): ExtensionInterpreters<Values> {
  return new Map<ObjectIdentifier, ExtensionInterpreter<Values>>([
    [EXTENSION_OID.basicConstraints, (r, v) => (v.basicConstraints = readBasicConstraints(r))],
    [EXTENSION_OID.keyUsage, (r, v) => (v.keyUsage = readKeyUsage(r))],
    [EXTENSION_OID.extendedKeyUsage, (r, v) => (v.extendedKeyUsage = readPurposes(r))],
    [EXTENSION_OID.subjectKeyId, (r, v) => (v.subjectKeyId = checkKeyId(r.octetString()))],
    ...own,
  ])
}

/** Interprets the extensions that are known into `values`, strictly; the others stay opaque. */
export function interpretExtensions<Values>(
  extensions: readonly X509Extension[],
  interpreters: ExtensionInterpreters<Values>,
  values: Values,
): Values {
  for (const { oid, value, critical } of extensions) {
    const interpret = interpreters.get(oid)
    if (!interpret) continue
    const reader = new DerReader(value)
    interpret(reader, values, critical)
    reader.end()
  }
  return values
}

/** Critical extensions that the interpreters do not know: who validates must know or refuse. */
export function unhandledCritical(
  extensions: readonly X509Extension[],
  interpreters: ExtensionInterpreters<never>,
): readonly ObjectIdentifier[] {
  return Object.freeze(
    extensions.filter((one) => one.critical && !interpreters.has(one.oid)).map((one) => one.oid),
  )
}

function readBasicConstraints(outer: DerReader): BasicConstraints {
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

function readKeyUsage(reader: DerReader): readonly KeyUsage[] {
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

function readPurposes(outer: DerReader): readonly ObjectIdentifier[] {
  const reader = outer.sequence()
  const purposes: ObjectIdentifier[] = []
  do {
    if (purposes.length === MAX_PURPOSES) throw x509Error('key-purposes')
    purposes.push(reader.objectIdentifier())
  } while (!reader.atEnd)
  return Object.freeze(purposes)
}

/** A key identifier of 1 to 64 octets. */
export function checkKeyId(keyId: Uint8Array): Uint8Array {
  if (keyId.length < 1 || keyId.length > MAX_KEY_ID_BYTES) throw x509Error('key-id')
  return keyId
}

/**
 * Reads the two sides of name constraints.
 *
 * @param outer - before the value
 * @param readSubtrees - reads one side
 * @see RFC 5280 section 4.2.1.10
 */
export function readNameConstraints<Subtrees>(
  outer: DerReader,
  readSubtrees: (reader: DerReader) => Subtrees,
): { readonly permitted?: Subtrees; readonly excluded?: Subtrees } {
  const reader = outer.sequence()
  const permitted = reader.optional(contextConstructed(0))
  const excluded = reader.optional(contextConstructed(1))
  reader.end()
  // RFC 5280 section 4.2.1.10: never an empty sequence.
  if (!permitted && !excluded) throw x509Error('subtrees-count')
  return Object.freeze({
    ...(permitted && { permitted: readSubtrees(permitted) }),
    ...(excluded && { excluded: readSubtrees(excluded) }),
  })
}

/** Calls for each of 1 to so many subtrees of one side. */
export function forEachSubtree(
  reader: DerReader,
  maxSubtrees: number,
  read: (subtree: DerReader) => void,
): void {
  for (let count = 0; count === 0 || !reader.atEnd; count++) {
    if (count === maxSubtrees) throw x509Error('subtrees-count')
    read(reader.sequence())
  }
}
