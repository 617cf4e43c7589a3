import { toHex } from '../base/index.ts'
import type { DerReader } from './der-reader.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { contextConstructed, contextPrimitive } from './der-tags.ts'
import { x509Error } from './x509-errors.ts'
import {
  checkKeyId,
  type CommonExtensionValues,
  extensionInterpreters,
  type ExtensionInterpreters,
  forEachSubtree,
  type Growing,
  readNameConstraints,
} from './x509-extension-reading.ts'
import { EXTENSION_OID } from './x509-extensions.ts'
import {
  ALTERNATIVE_NAMES,
  CONSTRAINT_BASES,
  noNames,
  type PkixGeneralNames,
  readGeneralName,
  readPkixGeneralNames,
} from './x509-pkix-names.ts'

/** Extension types that are interpreted in certificates of any issuer, beside {@link EXTENSION_OID}. */
export const PKIX_EXTENSION_OID: Readonly<
  Record<
    | 'certificatePolicies'
    | 'policyMappings'
    | 'policyConstraints'
    | 'inhibitAnyPolicy'
    | 'crlNumber'
    | 'deltaCrlIndicator'
    | 'issuingDistributionPoint'
    | 'reasonCode'
    | 'invalidityDate'
    | 'certificateIssuer',
    ObjectIdentifier
  >
> = Object.freeze({
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  policyConstraints: '2.5.29.36',
  inhibitAnyPolicy: '2.5.29.54',
  crlNumber: '2.5.29.20',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  certificateIssuer: '2.5.29.29',
})

/** The policy that stands for every policy. @see RFC 5280 section 4.2.1.4 */
export const ANY_POLICY: ObjectIdentifier = '2.5.29.32.0'

/** Whose key signed: by key id, by the issuer's name and serial number, or both. */
export interface AuthorityKeyId {
  readonly keyId?: Uint8Array
  /** Directory names of the issuer's issuer, as comparable texts, with the issuer's serial. */
  readonly issuer?: { readonly names: readonly string[]; readonly serialHex: string }
}

/** Name constraints of any issuer; an absent side says nothing. */
export interface PkixNameConstraints {
  readonly permitted?: PkixGeneralNames
  readonly excluded?: PkixGeneralNames
}

/** A policy of the issuer's domain and its equivalent in the subject's. */
export interface PolicyMapping {
  readonly issuerPolicy: ObjectIdentifier
  readonly subjectPolicy: ObjectIdentifier
}

/** After how many certificates policies must be explicit, and mappings end. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy?: number
  readonly inhibitPolicyMapping?: number
}

/** What the extensions of a certificate of any issuer say; absent means absent. */
export interface PkixExtensionValues extends CommonExtensionValues {
  readonly subjectAltNames?: PkixGeneralNames
  readonly authorityKeyId?: AuthorityKeyId
  readonly nameConstraints?: PkixNameConstraints
  readonly certificatePolicies?: readonly ObjectIdentifier[]
  readonly policyMappings?: readonly PolicyMapping[]
  readonly policyConstraints?: PolicyConstraints
  readonly inhibitAnyPolicy?: number
}

const MAX_SUBTREES = 128
const MAX_POLICIES = 64
const MAX_MAPPINGS = 64
const MAX_AUTHORITY_SERIAL_BYTES = 20
// RFC 5280 section 4.2.1.4: the two qualifiers that are defined.
const POLICY_QUALIFIERS: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2'])

/** How extensions of certificates of any issuer are read. */
export const PKIX_INTERPRETERS: ExtensionInterpreters<Growing<PkixExtensionValues>> =
  extensionInterpreters<Growing<PkixExtensionValues>>([
    [
      EXTENSION_OID.subjectAltNames,
      (r, v) => (v.subjectAltNames = readPkixGeneralNames(r.sequence(), ALTERNATIVE_NAMES)),
    ],
    [EXTENSION_OID.authorityKeyId, (r, v) => (v.authorityKeyId = readAuthorityKeyId(r))],
    [
      EXTENSION_OID.nameConstraints,
      (r, v) => (v.nameConstraints = readNameConstraints(r, readSubtrees)),
    ],
    [
      PKIX_EXTENSION_OID.certificatePolicies,
      (r, v, critical) => (v.certificatePolicies = readPolicies(r, critical)),
    ],
    [PKIX_EXTENSION_OID.policyMappings, (r, v) => (v.policyMappings = readMappings(r))],
    [PKIX_EXTENSION_OID.policyConstraints, (r, v) => (v.policyConstraints = readConstraints(r))],
    [PKIX_EXTENSION_OID.inhibitAnyPolicy, (r, v) => (v.inhibitAnyPolicy = r.smallInteger())],
  ])

/**
 * Reads an authority key identifier.
 *
 * @see RFC 5280 section 4.2.1.1
 */
export function readAuthorityKeyId(outer: DerReader): AuthorityKeyId {
  const reader = outer.sequence()
  const keyId =
    reader.nextTag === contextPrimitive(0)
      ? checkKeyId(reader.content(contextPrimitive(0)))
      : undefined
  const issuer = reader.atEnd ? undefined : readAuthorityIssuer(reader)
  reader.end()
  return Object.freeze({ ...(keyId && { keyId }), ...(issuer && { issuer }) })
}

// Issuer and serial number stand together or not at all.
function readAuthorityIssuer(reader: DerReader): AuthorityKeyId['issuer'] {
  const names = readPkixGeneralNames(reader.enter(contextConstructed(1)), ALTERNATIVE_NAMES)
  const serial = reader.content(contextPrimitive(2))
  if (serial.length < 1 || serial.length > MAX_AUTHORITY_SERIAL_BYTES) throw x509Error('key-id')
  const magnitude = serial[0] === 0 ? serial.subarray(1) : serial
  return Object.freeze({
    names: names.directoryNames.map(({ key }) => key),
    serialHex: toHex(magnitude),
  })
}

function readSubtrees(reader: DerReader): PkixGeneralNames {
  const bases = noNames()
  forEachSubtree(reader, MAX_SUBTREES, (subtree) => {
    readGeneralName(subtree, CONSTRAINT_BASES, bases)
    // RFC 5280 section 4.2.1.10: minimum is 0, which DER omits, and maximum is absent.
    if (!subtree.atEnd) throw x509Error('subtree')
  })
  for (const base of bases.ipAddresses) checkMask(base.subarray(base.length / 2))
  return Object.freeze(bases)
}

// RFC 5280 section 4.2.1.10: in the style of RFC 4632, so the mask is a prefix.
function checkMask(mask: Uint8Array): void {
  const bits = Array.from(mask, (byte) => byte.toString(2).padStart(8, '0')).join('')
  if (bits.includes('01')) throw x509Error('names-ip')
}

function readPolicies(outer: DerReader, critical: boolean): readonly ObjectIdentifier[] {
  const reader = outer.sequence()
  const policies = new Set<ObjectIdentifier>()
  do {
    if (policies.size === MAX_POLICIES) throw x509Error('policies-count')
    const information = reader.sequence()
    const policy = information.objectIdentifier()
    // RFC 5280 section 4.2.1.4: a policy does not appear twice.
    if (policies.has(policy)) throw x509Error('policy-twice')
    policies.add(policy)
    if (!information.atEnd) readQualifiers(information.sequence(), critical)
    information.end()
  } while (!reader.atEnd)
  return Object.freeze([...policies])
}

// RFC 5280 section 4.2.1.4: in a critical extension each qualifier is interpreted, or it refuses.
// The two known ones inform a person and decide nothing.
function readQualifiers(reader: DerReader, critical: boolean): void {
  do {
    const information = reader.sequence()
    const qualifier = information.objectIdentifier()
    if (critical && !POLICY_QUALIFIERS.has(qualifier)) throw x509Error('policy-qualifier')
    information.element()
    information.end()
  } while (!reader.atEnd)
}

function readMappings(outer: DerReader): readonly PolicyMapping[] {
  const reader = outer.sequence()
  const mappings: PolicyMapping[] = []
  do {
    if (mappings.length === MAX_MAPPINGS) throw x509Error('mappings-count')
    const pair = reader.sequence()
    const issuerPolicy = pair.objectIdentifier()
    const subjectPolicy = pair.objectIdentifier()
    pair.end()
    mappings.push(Object.freeze({ issuerPolicy, subjectPolicy }))
  } while (!reader.atEnd)
  return Object.freeze(mappings)
}

function readConstraints(outer: DerReader): PolicyConstraints {
  const reader = outer.sequence()
  const requireExplicitPolicy = readSkip(reader, 0)
  const inhibitPolicyMapping = readSkip(reader, 1)
  reader.end()
  // RFC 5280 section 4.2.1.11: never an empty sequence.
  if (requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined) {
    throw x509Error('policy-constraints')
  }
  return Object.freeze({
    ...(requireExplicitPolicy !== undefined && { requireExplicitPolicy }),
    ...(inhibitPolicyMapping !== undefined && { inhibitPolicyMapping }),
  })
}

/** SkipCerts under an implicit context tag: one octet is enough for every real path. */
function readSkip(reader: DerReader, number: number): number | undefined {
  const tag = contextPrimitive(number)
  if (reader.nextTag !== tag) return undefined
  const content = reader.content(tag)
  const [value = 0x80] = content
  if (content.length !== 1 || value >= 0x80) throw x509Error('policy-constraints')
  return value
}
