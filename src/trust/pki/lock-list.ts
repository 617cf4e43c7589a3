import {
  parsePrincipal,
  type Refusal,
  type Schema,
  toHex,
  zm,
} from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../foundation/profiles/index.ts'
import type { NumberedLimits, NumberedObject } from './numbered.ts'
import { readNumberedBody } from './numbered-body.ts'

/** The oldest certificate and weakest profile that still count for one principal. */
export interface LockMinimum {
  readonly generation: number
  readonly floor: ProfileName
}

/** What is locked. Keys are named by SHA-256 of their SubjectPublicKeyInfo. */
export interface LockList {
  /** Principal URIs of any kind: devices, agents, users, services. */
  readonly principals: readonly string[]
  /** Identity and TLS keys. */
  readonly spkis: readonly Uint8Array[]
  /** Serial numbers of certificates, lower-case hexadecimal. */
  readonly serials: readonly string[]
  /** TPM endorsement keys, checked where attestation is. */
  readonly endorsementKeys: readonly Uint8Array[]
  /** Ids of session and join tokens. */
  readonly tokens: readonly string[]
  /** By principal URI. Raising a profile raises the generation, so the weaker certificate dies. */
  readonly minimum: Readonly<Record<string, LockMinimum>>
}

/** A list that locks nothing. */
export const EMPTY_LOCK_LIST: LockList = Object.freeze({
  principals: [],
  spkis: [],
  serials: [],
  endorsementKeys: [],
  tokens: [],
  minimum: {},
})

/** Longest of the lists in a lock list. */
export const MAX_LOCKED = 65_536
/** Bounds of a signed lock list. */
export const LOCK_LIST_LIMITS: Required<NumberedLimits> = Object.freeze({
  maxBytes: 8 * 1024 * 1024,
  maxItems: 1024 * 1024,
})

const principal = zm.string().check(
  zm.maxLength(512),
  zm.refine((uri) => parsePrincipal(uri) !== undefined),
)
const keyHash = zm.instanceof(Uint8Array).check(zm.refine((hash) => hash.length === 32))
const serial = zm.string().check(zm.regex(/^(?:[0-9a-f]{2}){1,20}$/))
const listOf = <T>(item: Schema<T>): Schema<T[]> => zm.array(item).check(zm.maxLength(MAX_LOCKED))

const lockListSchema: Schema<LockList> = zm.strictObject({
  principals: listOf(principal),
  spkis: listOf(keyHash),
  serials: listOf(serial),
  endorsementKeys: listOf(keyHash),
  tokens: listOf(zm.string().check(zm.minLength(1), zm.maxLength(128))),
  minimum: zm.record(
    principal,
    zm.strictObject({ generation: zm.int().check(zm.minimum(1)), floor: zm.enum(PROFILE_NAMES) }),
  ),
})

/** The body of a signed lock list: sorted and without repetition, so equal sets are equal bytes. */
export function encodeLockList(list: LockList): CborInput {
  return {
    principals: sortedTexts(list.principals),
    spkis: sortedBytes(list.spkis),
    serials: sortedTexts(list.serials),
    endorsementKeys: sortedBytes(list.endorsementKeys),
    tokens: sortedTexts(list.tokens),
    minimum: Object.fromEntries(
      Object.entries(list.minimum).map(([uri, { generation, floor }]) => [
        uri,
        { generation, floor },
      ]),
    ),
  }
}

const sortedTexts = (texts: readonly string[]): readonly string[] =>
  [...new Set(texts)].toSorted((a, b) => (a < b ? -1 : 1))

function sortedBytes(list: readonly Uint8Array[]): readonly Uint8Array[] {
  const byHex = new Map(list.map((bytes) => [toHex(bytes), bytes]))
  return [...byHex].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, bytes]) => bytes)
}

/** Reads the body of a verified lock list. */
export function readLockList(object: NumberedObject): LockList | Refusal {
  return readNumberedBody(object, lockListSchema, LOCK_LIST_LIMITS)
}
