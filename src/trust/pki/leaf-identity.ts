import {
  derInteger,
  derOctetString,
  DerReader,
  derSequence,
  type X509Extension,
} from '../../foundation/codec/index.ts'
import {
  type Profile,
  profileOf,
  profileOfLevel,
  type ProfileName,
} from '../../foundation/profiles/index.ts'
import { pkiErrors } from './errors.ts'

/**
 * The kOS identity extension: UUID a99a1b16-640b-4fe0-963f-a6cfab361a37 under the joint UUID arc.
 *
 * @see ITU-T X.667 section 8
 */
export const KOS_IDENTITY_OID = '2.25.225439694402906196260453605702223927863'

/** What a leaf says of its principal beside the name. */
export interface LeafIdentity {
  /** The profile below which the principal never works. */
  readonly floor: ProfileName
  /** Number of this certificate in the principal's life, from 1. */
  readonly generation: number
  /** SHA-256 of the identity key's SubjectPublicKeyInfo. */
  readonly identityKeyHash: Uint8Array
}

const VERSION = 1
const HASH_BYTES = 32
const MAX_GENERATION = 0xffff_ffff

/**
 * The extension of a leaf, not critical, so that other software accepts the certificate:
 * `SEQUENCE { version INTEGER (1), floor INTEGER, generation INTEGER, identityKeyHash OCTET STRING }`.
 *
 * @throws KosError KOS_PKI_ISSUE when the generation or the hash is out of range
 */
export function encodeLeafIdentity(identity: LeafIdentity): X509Extension {
  const { floor, generation, identityKeyHash } = identity
  if (!isGeneration(generation)) throw pkiErrors.error('KOS_PKI_ISSUE', { rule: 'generation' })
  if (identityKeyHash.length !== HASH_BYTES) {
    throw pkiErrors.error('KOS_PKI_ISSUE', { rule: 'identity-key-hash' })
  }
  const value = derSequence(
    derInteger(VERSION),
    derInteger(profileOf(floor).level),
    derInteger(generation),
    derOctetString(identityKeyHash),
  )
  return Object.freeze({ oid: KOS_IDENTITY_OID, critical: false, value })
}

/** A decoded identity: the profile as the object that code asks. */
export interface DecodedLeafIdentity extends Omit<LeafIdentity, 'floor'> {
  readonly floor: Profile
}

/**
 * Reads the value of the extension.
 *
 * @returns `undefined` when version, floor, generation or hash are not ones this release knows
 * @throws KosError KOS_CODEC_DER when it is not strict DER
 */
export function decodeLeafIdentity(value: Uint8Array): DecodedLeafIdentity | undefined {
  const outer = new DerReader(value)
  const reader = outer.sequence()
  outer.end()
  if (reader.smallInteger() !== VERSION) return undefined
  const floor = profileOfLevel(reader.smallInteger())
  const generation = reader.smallInteger()
  const identityKeyHash = reader.octetString()
  reader.end()
  if (!floor || !isGeneration(generation) || identityKeyHash.length !== HASH_BYTES) return undefined
  return { floor, generation, identityKeyHash: Uint8Array.from(identityKeyHash) }
}

function isGeneration(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_GENERATION
}
