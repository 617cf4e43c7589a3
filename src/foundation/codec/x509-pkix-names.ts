import { DerReader } from './der-reader.ts'
import { contextConstructed, contextPrimitive, DER_TAG } from './der-tags.ts'
import { DNS_PATTERN } from './x509-general-names.ts'
import { x509Error } from './x509-errors.ts'

/** A distinguished name of any issuer, prepared for comparison. */
export interface DistinguishedName {
  readonly der: Uint8Array
  /** One comparable text per relative distinguished name, root first. */
  readonly steps: readonly string[]
  /** The whole name as one comparable text; names are equal when these are. */
  readonly key: string
  /** Values of emailAddress attributes. @see RFC 5280 section 4.1.2.6 */
  readonly emailAddresses: readonly string[]
}

/** Alternative names of any issuer, each kind in order of appearance. */
export interface PkixGeneralNames {
  readonly emailAddresses: readonly string[]
  readonly dnsNames: readonly string[]
  readonly uris: readonly string[]
  /** 4 or 16 bytes each; in name constraints 8 or 32: address and mask. */
  readonly ipAddresses: readonly Uint8Array[]
  readonly directoryNames: readonly DistinguishedName[]
  /** Context numbers of the other kinds that occur: otherName 0, X.400 3, EDI 5, registeredID 8. */
  readonly otherForms: readonly number[]
}

/** How names are read: as a certificate's own, or as bases of name constraints. */
export interface GeneralNameRules {
  readonly maxNames: number
  readonly readDns: (name: string) => string
  readonly readUri: (name: string) => string
  readonly readEmail: (name: string) => string
  readonly addressBytes: readonly number[]
}

const MAX_STEPS = 32
const MAX_VALUE_CHARACTERS = 1024
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'
// RFC 5280 appendix A: countryName, serialNumber, dnQualifier are PrintableString and nothing else.
const PRINTABLE_ONLY: ReadonlySet<string> = new Set(['2.5.4.6', '2.5.4.5', '2.5.4.46'])
// RFC 5280 appendix A: emailAddress and domainComponent are IA5String.
const IA5_ONLY: ReadonlySet<string> = new Set([EMAIL_ADDRESS, '0.9.2342.19200300.100.1.25'])

/**
 * Reads one encoded Name of any issuer.
 *
 * @throws KosError KOS_CODEC_X509 `name-type` for TeletexString, UniversalString, BMPString and
 *   every other type an attribute must not have; `name-value` for control characters
 * @see RFC 5280 section 4.1.2.4 (types), section 7.1 (comparison)
 */
export function readDistinguishedName(der: Uint8Array): DistinguishedName {
  const outer = new DerReader(der)
  const name = outer.sequence()
  outer.end()
  const steps: string[] = []
  const emailAddresses: string[] = []
  while (!name.atEnd) {
    if (steps.length === MAX_STEPS) throw x509Error('name-size')
    const attributes = name.setOf()
    if (attributes.length === 0) throw x509Error('name-size')
    // The order of a SET OF follows the encoding; sorting again makes it follow what is compared.
    const step = attributes.map((attribute) => readAttribute(attribute, emailAddresses)).toSorted()
    steps.push(step.join(BETWEEN_ATTRIBUTES))
  }
  const key = steps.join(BETWEEN_STEPS)
  return Object.freeze({
    der,
    steps: Object.freeze(steps),
    key,
    emailAddresses: Object.freeze(emailAddresses),
  })
}

// Control characters are refused in values, so no value can imitate a boundary.
const BETWEEN_STEPS = '\u0001'
const BETWEEN_ATTRIBUTES = '\u0002'
const CONTROL = /\p{Cc}/u

function readAttribute(der: Uint8Array, emailAddresses: string[]): string {
  const outer = new DerReader(der)
  const pair = outer.sequence()
  outer.end()
  const oid = pair.objectIdentifier()
  const value = readValue(pair, oid)
  pair.end()
  if (value.length < 1 || value.length > MAX_VALUE_CHARACTERS || CONTROL.test(value)) {
    throw x509Error('name-value')
  }
  if (oid === EMAIL_ADDRESS) emailAddresses.push(value)
  return `${oid}=${comparable(value)}`
}

function readValue(pair: DerReader, oid: string): string {
  const tag = pair.nextTag
  if (IA5_ONLY.has(oid)) {
    if (tag !== DER_TAG.ia5String) throw x509Error('name-type')
    return pair.ia5String()
  }
  if (tag === DER_TAG.printableString) return pair.printableString()
  // RFC 5280 section 4.1.2.4: PrintableString or UTF8String; the three others are legacy.
  if (tag !== DER_TAG.utf8String || PRINTABLE_ONLY.has(oid)) throw x509Error('name-type')
  return pair.utf8String()
}

// RFC 5280 section 7.1: case and spaces do not tell names apart, nor does the string type.
function comparable(value: string): string {
  return value.normalize('NFKC').toLowerCase().normalize('NFKC').trim().replaceAll(/\s+/g, ' ')
}

// RFC 5280 section 4.2.1.6: the context tags of GeneralName.
const RFC822_NAME = contextPrimitive(1)
const DNS_NAME = contextPrimitive(2)
const DIRECTORY_NAME = contextConstructed(4)
const URI = contextPrimitive(6)
const IP_ADDRESS = contextPrimitive(7)
const OTHER_FORMS: ReadonlyMap<number, number> = new Map([
  [contextConstructed(0), 0],
  [contextConstructed(3), 3],
  [contextConstructed(5), 5],
  [contextPrimitive(8), 8],
])

/** Names while they are read. */
type Growing = { readonly [K in keyof PkixGeneralNames]: PkixGeneralNames[K][number][] }

/** Reads the elements of a GeneralNames sequence of any issuer. */
export function readPkixGeneralNames(reader: DerReader, rules: GeneralNameRules): PkixGeneralNames {
  const names = noNames()
  for (let count = 0; count === 0 || !reader.atEnd; count++) {
    if (count === rules.maxNames || reader.atEnd) throw x509Error('names-count')
    readGeneralName(reader, rules, names)
  }
  return Object.freeze(names)
}

/** An empty collection of names. */
export function noNames(): Growing {
  return {
    emailAddresses: [],
    dnsNames: [],
    uris: [],
    ipAddresses: [],
    directoryNames: [],
    otherForms: [],
  }
}

/** Reads one GeneralName into the collection of its kind. */
export function readGeneralName(reader: DerReader, rules: GeneralNameRules, names: Growing): void {
  const tag = reader.nextTag ?? 0
  const other = OTHER_FORMS.get(tag)
  if (tag === DNS_NAME) names.dnsNames.push(rules.readDns(reader.ia5String(tag)))
  else if (tag === URI) names.uris.push(rules.readUri(reader.ia5String(tag)))
  else if (tag === RFC822_NAME) names.emailAddresses.push(rules.readEmail(reader.ia5String(tag)))
  else if (tag === IP_ADDRESS) {
    const address = reader.content(tag)
    if (!rules.addressBytes.includes(address.length)) throw x509Error('names-ip')
    names.ipAddresses.push(address)
  } else if (tag === DIRECTORY_NAME) {
    const explicit = reader.enter(tag)
    names.directoryNames.push(readDistinguishedName(explicit.element()))
    explicit.end()
  } else if (other !== undefined) {
    reader.element()
    names.otherForms.push(other)
  } else throw x509Error('names-kind')
}

const MAX_URI_CHARACTERS = 2048
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:./
/** One `@`; the quoted local parts of RFC 5321 are not taken. */
const MAILBOX = /^[^@"]{1,64}@([^@]+)$/

/** Names as they stand in a certificate's alternative names. @see RFC 5280 section 4.2.1.6 */
export const ALTERNATIVE_NAMES: GeneralNameRules = Object.freeze({
  maxNames: 512,
  readDns: (name: string): string => {
    if (!DNS_PATTERN.test(name)) throw x509Error('names-dns')
    return name
  },
  // An absolute URI has a scheme and something behind it.
  readUri: (name: string): string => {
    if (name.length > MAX_URI_CHARACTERS || !SCHEME.test(name)) throw x509Error('names-uri')
    return name
  },
  readEmail: (name: string): string => {
    if (!isHost(MAILBOX.exec(name)?.[1])) throw x509Error('names-email')
    return name
  },
  addressBytes: [4, 16],
})

/** Bases of name constraints. @see RFC 5280 section 4.2.1.10 */
export const CONSTRAINT_BASES: GeneralNameRules = Object.freeze({
  maxNames: 1,
  // An empty base, for every name, is in use for DNS names only.
  readDns: (name: string): string => (name === '' ? name : readHostBase(name, 'names-dns')),
  readUri: (name: string): string => readHostBase(name, 'names-uri'),
  readEmail: (name: string): string => {
    if (isHost(MAILBOX.exec(name)?.[1])) return name
    return readHostBase(name, 'names-email')
  },
  addressBytes: [8, 32],
})

// A leading dot means subdomains only: by the clause for URIs and mail, by usage for DNS names.
function readHostBase(base: string, rule: string): string {
  if (!isHost(base.startsWith('.') ? base.slice(1) : base)) throw x509Error(rule)
  return base
}

function isHost(host: string | undefined): boolean {
  return host !== undefined && DNS_PATTERN.test(host) && !host.startsWith('*')
}
