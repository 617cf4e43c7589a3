import { refuse, type Refusal, sha256, toBase64Url, utf8 } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type Profile, profileOfLevel } from '../../foundation/profiles/index.ts'

/** Whose floor was seen: in a verified leaf, a signed directory or a signed lock list. */
export interface FloorSighting {
  readonly uri: string
  /** SHA-256 of the identity key's SPKI, where it is known. */
  readonly identityKeyHash?: Uint8Array
  readonly floor: Profile
}

/**
 * The highest floor ever seen of each principal, by its URI and by its identity key. It only rises, so
 * that neither an authority that came back from an old backup nor a second record of the same key
 * brings a weaker profile.
 */
export interface FloorMemory {
  /** How many names and keys are remembered. */
  readonly size: number
  /**
   * Raises what is remembered; a lower floor changes nothing.
   *
   * **Security:** the caller has verified the signature over what it saw.
   *
   * @returns whether something rose, so that it has to be kept
   */
  note(seen: FloorSighting): boolean
  /** The highest floor seen of a principal or of its key; `undefined`: none was. */
  floorOf(of: Omit<FloorSighting, 'floor'>): Profile | undefined
  /**
   * Refuses a peer whose leaf carries a lower floor than one that was seen.
   *
   * @returns `undefined`, or a refusal KOS_PKI_FLOOR with the rule `floor/remembered` (this principal)
   *   or `floor/identity-key` (another principal with the same identity key)
   */
  check(peer: PeerFacts): Refusal | undefined
  /** All of it, to be kept where nobody else can change it. */
  encode(): Uint8Array
}

/** Most names and keys that a memory holds: two per principal of a full directory. */
export const MAX_REMEMBERED_FLOORS = 131_072
const DIGEST_BYTES = 16
const ENTRY_BYTES = DIGEST_BYTES + 1
const URI_TAG = utf8('kos-floor-principal\0')

/**
 * Makes a memory of floors. When it is full, the lowest floors make room for higher ones: a flood of
 * weak principals cannot wash a strong one out.
 *
 * @param stored - what {@link FloorMemory.encode} gave; the caller has checked that it is unchanged
 * @param maxEntries - bound of names and keys
 * @returns the memory, or a refusal KOS_PKI_FLOOR (`floor/stored`) when the bytes are none
 * @see identity: Lock list
 */
export function createFloorMemory(
  stored: Uint8Array = new Uint8Array(),
  maxEntries: number = MAX_REMEMBERED_FLOORS,
): FloorMemory | Refusal {
  const levels = decode(stored)
  if (!levels || levels.size > maxEntries) return refuse('KOS_PKI_FLOOR', 'floor/stored')
  const raise = (name: string, level: number): boolean => {
    const before = levels.get(name)
    if (before !== undefined && before >= level) return false
    if (before === undefined && levels.size >= maxEntries && !makeRoom(levels, level)) return false
    levels.set(name, level)
    return true
  }
  const levelOf = (name: string): number => levels.get(name) ?? 0
  return {
    get size(): number {
      return levels.size
    },
    note: ({ uri, identityKeyHash, floor }): boolean => {
      const byUri = raise(uriName(uri), floor.level)
      const byKey = identityKeyHash !== undefined && raise(keyName(identityKeyHash), floor.level)
      return byUri || byKey
    },
    floorOf: ({ uri, identityKeyHash }): Profile | undefined => {
      const byKey = identityKeyHash ? levelOf(keyName(identityKeyHash)) : 0
      const level = Math.max(levelOf(uriName(uri)), byKey)
      return level === 0 ? undefined : profileOfLevel(level)
    },
    check: ({ principal, floor, identityKeyHash }): Refusal | undefined => {
      // Most fabrics have nobody above the common floor: then nothing is hashed.
      if (levels.size === 0) return undefined
      const byUri = levelOf(uriName(principal.uri))
      if (byUri > floor.level) return lower('floor/remembered', floor, byUri)
      const byKey = levelOf(keyName(identityKeyHash))
      return byKey > floor.level ? lower('floor/identity-key', floor, byKey) : undefined
    },
    encode: () => encode(levels),
  }
}

function lower(rule: string, offered: Profile, level: number): Refusal {
  const details = { offered: offered.name, floor: profileOfLevel(level)?.name ?? '' }
  return refuse('KOS_PKI_FLOOR', rule, { details })
}

function makeRoom(levels: Map<string, number>, level: number): boolean {
  const lowest = Math.min(...new Set(levels.values()))
  if (lowest >= level) return false
  for (const [name, found] of levels) {
    if (found !== lowest) continue
    levels.delete(name)
    break
  }
  return true
}

function uriName(uri: string): string {
  return toBase64Url(sha256(Buffer.concat([URI_TAG, utf8(uri)])).subarray(0, DIGEST_BYTES))
}

function keyName(identityKeyHash: Uint8Array): string {
  return toBase64Url(identityKeyHash.subarray(0, DIGEST_BYTES))
}

/** Per entry: the first half of a SHA-256, then the level. */
function encode(levels: ReadonlyMap<string, number>): Uint8Array {
  const bytes = new Uint8Array(levels.size * ENTRY_BYTES)
  let at = 0
  for (const [name, level] of levels) {
    bytes.set(Buffer.from(name, 'base64url'), at)
    bytes[at + DIGEST_BYTES] = level
    at += ENTRY_BYTES
  }
  return bytes
}

function decode(bytes: Uint8Array): Map<string, number> | undefined {
  if (bytes.length % ENTRY_BYTES !== 0) return undefined
  const levels = new Map<string, number>()
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const level = bytes[at + DIGEST_BYTES] ?? 0
    if (level === 0 || !profileOfLevel(level)) return undefined
    levels.set(toBase64Url(bytes.subarray(at, at + DIGEST_BYTES)), level)
  }
  return levels.size * ENTRY_BYTES === bytes.length ? levels : undefined
}
