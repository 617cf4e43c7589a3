import type { Random } from '../../foundation/base/index.ts'
import { CborWriter } from '../../foundation/codec/index.ts'
import { type EncodedNames, EventWriter, type ForwardedEntry, writeForwarded } from './entry.ts'
import type { AuditEvent } from './event.ts'
import { encodeFrame } from './journal.ts'
import {
  type EncodedBatch,
  type EncodedEntries,
  HASH_BYTES,
  SALT_BYTES,
  type SubtreeRoot,
} from './log-storage.ts'
import { LEAF_PREFIX, type Leaves, type MerkleFrontier, MerkleLanes, sha256Into } from './merkle.ts'
import {
  joinTexts,
  leavesOf,
  MAX_SHARED_BYTES,
  MAX_TEXTS,
  RECORD_HEAD_BYTES,
  TEXT_HEAD_BYTES,
} from './records.ts'

/** Levels at which roots of perfect subtrees are stored: every eighth, as in tiles of 256. */
export const STORED_LEVELS = 8

const SALTS_AT_ONCE = 256
const FIRST_DRAFTS = 1024
const NO_TEXTS = new Uint8Array(0)

/** What is to become an entry. */
export interface Draft {
  readonly timeMs: number
  readonly content: AuditEvent | ForwardedEntry
}

/** Entries with their place in the tree. */
export interface HashedBatch extends EncodedBatch, EncodedEntries {
  readonly subtrees: readonly SubtreeRoot[]
}

/** Encodes batches; keeps its buffers. Hot path. */
export class BatchBuilder {
  readonly #random: Random
  readonly #writer: CborWriter = new CborWriter()
  readonly #events: EventWriter = new EventWriter()
  readonly #salted: Buffer = Buffer.alloc(SALT_BYTES + HASH_BYTES)
  readonly #digest: Buffer = Buffer.alloc(HASH_BYTES)
  readonly #lanes: MerkleLanes = new MerkleLanes()
  #salts: Uint8Array = new Uint8Array(0)
  #saltAt = 0
  /** Where each leaf of the batch ends, where its names begin, and which text they are. */
  #ends: Uint32Array = new Uint32Array(FIRST_DRAFTS)
  #namesAt: Uint32Array = new Uint32Array(FIRST_DRAFTS)
  #references: Uint8Array = new Uint8Array(FIRST_DRAFTS)
  #records: Uint8Array = new Uint8Array(0)
  #batch = 0
  #texts: Uint8Array[] = []
  #textBytes = 0
  /** The texts of the batch before: mostly this one has the same. */
  #shared: Uint8Array = NO_TEXTS
  #sharedTexts: readonly Uint8Array[] = []

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
    const origins = new Map<number, ForwardedEntry>()
    let salts: Uint8Array | undefined
    let count = 0
    this.#begin(drafts.length)
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
        this.#references[count] = 0
      } else {
        const salt = this.#salt(content.argumentDigest)
        if (salt)
          (salts ??= new Uint8Array(drafts.length * SALT_BYTES)).set(salt, count * SALT_BYTES)
        const saltedDigest = salt && this.#digest
        const names = this.#events.write(writer, content, { index, timeMs, saltedDigest })
        this.#namesAt[count] = this.#events.namesAt
        this.#references[count] = names.batch === this.#batch ? names.reference : this.#share(names)
      }
      this.#ends[count] = writer.length
      count += 1
    }
    const shared = this.#takeShared()
    salts = salts?.subarray(0, count * SALT_BYTES)
    return encodeFrame({ first, count, shared, ...this.#pack(count), salts, origins })
  }

  /**
   * Hashes the batch that was encoded last, and puts it into the tree.
   *
   * @param batch - as {@link encode} returned it
   * @param frontier - the one before it; it is changed
   */
  hash(batch: EncodedBatch, frontier: MerkleFrontier): HashedBatch {
    const leaves = { count: batch.count, leaves: this.#writer.view, ends: this.#ends }
    return hashLeaves(batch, leaves, { frontier, lanes: this.#lanes })
  }

  #begin(drafts: number): void {
    this.#writer.reset()
    this.#batch += 1
    this.#texts = []
    this.#textBytes = 0
    if (drafts <= this.#ends.length) return
    this.#ends = new Uint32Array(drafts)
    this.#namesAt = new Uint32Array(drafts)
    this.#references = new Uint8Array(drafts)
  }

  /** Makes names a text of this batch, if there is room for it. */
  #share(names: EncodedNames): number {
    const bytes = this.#textBytes + TEXT_HEAD_BYTES + names.bytes.length
    const hasRoom = this.#texts.length < MAX_TEXTS && bytes <= MAX_SHARED_BYTES
    names.batch = this.#batch
    names.reference = 0
    if (hasRoom) {
      this.#textBytes = bytes
      names.reference = this.#texts.push(names.bytes)
    }
    return names.reference
  }

  #takeShared(): Uint8Array {
    const [texts, before] = [this.#texts, this.#sharedTexts]
    const isSame =
      texts.length === before.length && texts.every((text, index) => text === before[index])
    if (isSame) return this.#shared
    this.#sharedTexts = texts
    this.#shared = joinTexts(texts)
    return this.#shared
  }

  /** The records of the leaves just written, in memory that is used again: what is shared is left out. */
  #pack(count: number): { readonly records: Uint8Array; readonly ends: Uint32Array } {
    const leaves = this.#writer.view
    const [leafEnds, namesAt, references] = [this.#ends, this.#namesAt, this.#references]
    const lengths = [0, ...this.#texts.map((text) => text.length)]
    // No record is longer than its leaf.
    if (this.#records.length < leaves.length) this.#records = new Uint8Array(leaves.length)
    const records = this.#records
    const ends = new Uint32Array(count)
    let [at, start] = [0, 0]
    for (let offset = 0; offset < count; offset += 1) {
      const end = leafEnds[offset] ?? start
      const reference = references[offset] ?? 0
      let from = start
      if (reference > 0) {
        // Reference and length of the head take the place of the leaf's prefix.
        const names = namesAt[offset] ?? start
        records[at] = reference
        records[at + 1] = names - start - 1
        at += RECORD_HEAD_BYTES
        for (from = start + 1; from < names; from += 1, at += 1) records[at] = leaves[from] ?? 0
        from = names + (lengths[reference] ?? 0)
      }
      for (; from < end; from += 1, at += 1) records[at] = leaves[from] ?? 0
      ends[offset] = at
      start = end
    }
    return { records: records.subarray(0, at), ends }
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
 * Hashes the entries of a batch that was read, and puts them into the tree.
 *
 * @param batch - from a journal
 * @param frontier - the one before them; it is changed
 */
export function hashBatch(batch: EncodedBatch, frontier: MerkleFrontier): HashedBatch {
  return hashLeaves(batch, leavesOf(batch), { frontier, lanes: new MerkleLanes() })
}

function hashLeaves(
  batch: EncodedBatch,
  leaves: Leaves,
  tree: { readonly frontier: MerkleFrontier; readonly lanes: MerkleLanes },
): HashedBatch {
  const subtrees: SubtreeRoot[] = []
  const hashes = tree.frontier.append(tree.lanes, leaves, (level, first, roots) => {
    if (level % STORED_LEVELS !== 0) return
    for (let at = 0; at < roots.length; at += HASH_BYTES) {
      const hash = Uint8Array.from(roots.subarray(at, at + HASH_BYTES))
      subtrees.push({ level, index: first + at / HASH_BYTES, hash })
    }
  })
  return { ...batch, hashes, subtrees }
}
