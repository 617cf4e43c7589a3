import type { Random } from '../../foundation/base/index.ts'
import { CborWriter } from '../../foundation/codec/index.ts'
import { EventWriter, type ForwardedEntry, writeForwarded } from './entry.ts'
import type { AuditEvent } from './event.ts'
import { encodeFrame, FRAME_HEAD_BYTES } from './journal.ts'
import {
  type EncodedBatch,
  type EncodedEntries,
  type EntryOrigin,
  HASH_BYTES,
  type LogChange,
  SALT_BYTES,
  type SourceState,
  type SubtreeRoot,
} from './log-storage.ts'
import { LEAF_PREFIX, type MerkleFrontier, sha256Into } from './merkle.ts'

/** Levels at which roots of perfect subtrees are stored: every eighth, as in tiles of 256. */
export const STORED_LEVELS = 8

const SALTS_AT_ONCE = 256

/** What is to become an entry. */
export interface Draft {
  readonly timeMs: number
  readonly content: AuditEvent | ForwardedEntry
}

/** Entries with their place in the tree, and the frontier to adopt once they are durable. */
export interface HashedBatch extends EncodedBatch, EncodedEntries {
  readonly subtrees: readonly SubtreeRoot[]
  readonly frontier: MerkleFrontier
}

const HEAD_ROOM = new Uint8Array(FRAME_HEAD_BYTES)

/** Encodes batches; keeps its buffers. Hot path. */
export class BatchBuilder {
  readonly #random: Random
  readonly #writer: CborWriter = new CborWriter()
  readonly #events: EventWriter = new EventWriter()
  readonly #salted: Buffer = Buffer.alloc(SALT_BYTES + HASH_BYTES)
  readonly #digest: Buffer = Buffer.alloc(HASH_BYTES)
  #salts: Uint8Array = new Uint8Array(0)
  #saltAt = 0

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * Encodes drafts as the journal takes them.
   *
   * @param drafts - in the order of their indexes
   * @param first - index of the first
   * @param maxBytes - beyond it no further draft is taken; one always is
   * @returns as many of them as were taken
   */
  encode(drafts: readonly Draft[], first: number, maxBytes: number): EncodedBatch {
    const writer = this.#writer
    const ends = new Uint32Array(drafts.length)
    const origins = new Map<number, ForwardedEntry>()
    let salts: Uint8Array | undefined
    let count = 0
    writer.reset()
    writer.raw(HEAD_ROOM)
    while (count < drafts.length && (count === 0 || writer.length < maxBytes)) {
      const draft = drafts[count]
      if (!draft) break
      const { content, timeMs } = draft
      const index = first + count
      // The prefix of a leaf's hash stands before its bytes: they are hashed without a copy.
      writer.uint(LEAF_PREFIX)
      if ('entry' in content) {
        writeForwarded(writer, content, { index, timeMs })
        origins.set(count, content)
      } else {
        const salt = this.#salt(content.argumentDigest)
        if (salt)
          (salts ??= new Uint8Array(drafts.length * SALT_BYTES)).set(salt, count * SALT_BYTES)
        this.#events.write(writer, content, { index, timeMs, saltedDigest: salt && this.#digest })
      }
      ends[count] = writer.length - FRAME_HEAD_BYTES
      count += 1
    }
    const encoded = {
      first,
      count,
      ends: ends.subarray(0, count),
      salts: salts?.subarray(0, count * SALT_BYTES),
      origins,
    }
    const frame = encodeFrame(writer.view, encoded)
    return { ...encoded, frame, leaves: frame.subarray(FRAME_HEAD_BYTES, writer.length) }
  }

  /** Leaves SHA-256(salt ‖ digest) in `#digest`, under a new salt. */
  #salt(argumentDigest: Uint8Array | undefined): Uint8Array | undefined {
    if (argumentDigest === undefined) return undefined
    const salt = this.#nextSalt()
    this.#salted.set(salt, 0)
    this.#salted.set(argumentDigest, SALT_BYTES)
    sha256Into(this.#salted, this.#digest, 0)
    return salt
  }

  /** Randomness is asked for in bulk: one call into the system costs more than a whole entry. */
  #nextSalt(): Uint8Array {
    if (this.#saltAt === this.#salts.length) {
      this.#salts = this.#random.bytes(SALT_BYTES * SALTS_AT_ONCE)
      this.#saltAt = 0
    }
    this.#saltAt += SALT_BYTES
    return this.#salts.subarray(this.#saltAt - SALT_BYTES, this.#saltAt)
  }
}

/**
 * Hashes the entries of a batch and puts them into the tree.
 *
 * @param frontier - the one before them; it is not changed
 */
export function hashBatch(batch: EncodedBatch, frontier: MerkleFrontier): HashedBatch {
  const { count, leaves, ends } = batch
  const hashes = Buffer.allocUnsafeSlow(count * HASH_BYTES)
  const next = frontier.copy()
  const subtrees: SubtreeRoot[] = []
  const onSubtree = (level: number, index: number, root: Uint8Array): void => {
    if (level % STORED_LEVELS === 0) subtrees.push({ level, index, hash: Uint8Array.from(root) })
  }
  let start = 0
  for (let offset = 0; offset < count; offset += 1) {
    const end = ends[offset] ?? start
    const at = offset * HASH_BYTES
    sha256Into(leaves.subarray(start, end), hashes, at)
    next.push(hashes.subarray(at, at + HASH_BYTES), onSubtree)
    start = end
  }
  return { ...batch, hashes, subtrees, frontier: next }
}

/**
 * Joins batches into one change, so that few large segments are stored in place of many rows.
 *
 * @param batches - at least one, each where the one before it ends
 * @param source - state of a forwarding node to be stored with them
 */
export function joinBatches(
  batches: readonly HashedBatch[],
  source: SourceState | undefined,
): LogChange {
  const [only] = batches
  const first = only?.first ?? 0
  const subtrees = batches.flatMap((batch) => batch.subtrees)
  if (only && batches.length === 1) return { first, entries: only, subtrees, source }
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  const hasSalts = batches.some(({ salts }) => salts !== undefined)
  const ends = new Uint32Array(count)
  const salts = hasSalts ? new Uint8Array(count * SALT_BYTES) : undefined
  const origins = new Map<number, EntryOrigin>()
  let [at, length] = [0, 0]
  for (const batch of batches) {
    for (let offset = 0; offset < batch.count; offset += 1) {
      ends[at + offset] = length + (batch.ends[offset] ?? 0)
    }
    if (batch.salts) salts?.set(batch.salts, at * SALT_BYTES)
    for (const [offset, origin] of batch.origins) origins.set(at + offset, origin)
    at += batch.count
    length += batch.leaves.length
  }
  const leaves = Buffer.concat(batches.map((batch) => batch.leaves))
  const hashes = Buffer.concat(batches.map((batch) => batch.hashes))
  return { first, entries: { count, leaves, ends, hashes, salts, origins }, subtrees, source }
}
