import { parsePrincipal, type Refusal, toHex, z } from '../../foundation/base/index.ts'
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

const principal = z
  .string()
  .max(512)
  .refine((uri) => parsePrincipal(uri) !== undefined)
const keyHash = z.instanceof(Uint8Array).refine((hash) => hash.length === 32)
const serial = z.string().regex(/^(?:[0-9a-f]{2}){1,20}$/)
const listOf = <T>(item: z.ZodType<T>): z.ZodType<T[]> => z.array(item).max(MAX_LOCKED)

const lockListSchema: z.ZodType<LockList> = z.strictObject({
  principals: listOf(principal),
  spkis: listOf(keyHash),
  serials: listOf(serial),
  endorsementKeys: listOf(keyHash),
  tokens: listOf(z.string().min(1).max(128)),
  minimum: z.record(
    principal,
    z.strictObject({ generation: z.int().min(1), floor: z.enum(PROFILE_NAMES) }),
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
