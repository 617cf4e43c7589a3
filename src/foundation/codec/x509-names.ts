import { DerReader } from './der-reader.ts'
import { DER_TAG } from './der-tags.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { derOid, derPrintableString, derSequence, derSetOf, derUtf8String } from './der-writer.ts'
import { x509Error } from './x509-errors.ts'

/** Attribute types of the names that kOS writes. @see RFC 5280 appendix A */
export const NAME_OID: Readonly<
  Record<
    'commonName' | 'serialNumber' | 'countryName' | 'organizationName' | 'organizationalUnitName',
    ObjectIdentifier
  >
> = Object.freeze({
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  countryName: '2.5.4.6',
  organizationName: '2.5.4.10',
  organizationalUnitName: '2.5.4.11',
})

/** One attribute of a distinguished name. */
export interface X509NameAttribute {
  readonly oid: ObjectIdentifier
  readonly value: string
  readonly type: 'utf8' | 'printable' | 'ia5'
}

/** A distinguished name with one attribute per step. */
export interface X509Name {
  readonly attributes: readonly X509NameAttribute[]
  /** The encoded Name; names are equal when these bytes are. */
  readonly der: Uint8Array
}

const MAX_ATTRIBUTES = 16
const MAX_VALUE_CHARACTERS = 256
/** RFC 5280 appendix A: these are PrintableString and nothing else. */
const PRINTABLE_ONLY: ReadonlySet<string> = new Set([NAME_OID.serialNumber, NAME_OID.countryName])

/**
 * Makes a distinguished name, for example `{ commonName, serialNumber }` by {@link NAME_OID}.
 *
 * @param attributes - type and value in order; at most 16, each value 1 to 256 characters
 * @throws KosError KOS_CODEC_X509 or KOS_CODEC_DER when an attribute cannot be written
 */
export function buildName(
  attributes: readonly { readonly oid: ObjectIdentifier; readonly value: string }[],
): X509Name {
  if (attributes.length > MAX_ATTRIBUTES) throw x509Error('name-size')
  const typed = attributes.map(({ oid, value }): X509NameAttribute => {
    if (value.length < 1 || value.length > MAX_VALUE_CHARACTERS) throw x509Error('name-value')
    return Object.freeze({ oid, value, type: PRINTABLE_ONLY.has(oid) ? 'printable' : 'utf8' })
  })
  const steps = typed.map(({ oid, value, type }) =>
    derSetOf(
      derSequence(derOid(oid), type === 'utf8' ? derUtf8String(value) : derPrintableString(value)),
    ),
  )
  return Object.freeze({ attributes: Object.freeze(typed), der: derSequence(...steps) })
}

/**
 * Reads one encoded Name.
 *
 * @throws KosError KOS_CODEC_X509 or KOS_CODEC_DER on steps of several attributes, string types
 *   other than UTF8String, PrintableString and IA5String, or broken limits
 */
export function parseName(der: Uint8Array): X509Name {
  const outer = new DerReader(der)
  const steps = outer.sequence()
  outer.end()
  const attributes: X509NameAttribute[] = []
  while (!steps.atEnd) {
    if (attributes.length === MAX_ATTRIBUTES) throw x509Error('name-size')
    attributes.push(parseStep(steps.enter(DER_TAG.set)))
  }
  return Object.freeze({ attributes: Object.freeze(attributes), der })
}

function parseStep(step: DerReader): X509NameAttribute {
  const pair = step.sequence()
  step.end()
  const oid = pair.objectIdentifier()
  const [type, value] = parseValue(pair)
  pair.end()
  if (value.length < 1 || value.length > MAX_VALUE_CHARACTERS) throw x509Error('name-value')
  if (PRINTABLE_ONLY.has(oid) && type !== 'printable') throw x509Error('name-type')
  return Object.freeze({ oid, value, type })
}

function parseValue(pair: DerReader): readonly [X509NameAttribute['type'], string] {
  const tag = pair.nextTag
  if (tag === DER_TAG.utf8String) return ['utf8', pair.utf8String()]
  if (tag === DER_TAG.printableString) return ['printable', pair.printableString()]
  if (tag === DER_TAG.ia5String) return ['ia5', pair.ia5String()]
  throw x509Error('name-type')
}
