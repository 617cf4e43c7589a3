import type { Random } from '../../foundation/base/index.ts'
import { CborWriter } from '../../foundation/codec/index.ts'
import { EventWriter, type ForwardedEntry, writeForwarded } from './entry.ts'
import type { AuditEvent } from './event.ts'
import {
  type EncodedEntries,
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

/** A change to be stored, and the frontier to adopt once it is. */
export interface Batch {
  readonly change: LogChange
  readonly frontier: MerkleFrontier
}

/** Makes batches; keeps its buffers, so one batch at a time. Hot path. */
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
   * Encodes and hashes drafts.
   *
   * @param drafts - in the order of their indexes
   * @param frontier - the current one; it is not changed
   * @param source - state of a forwarding node to be stored with them
   * @returns the change; its bytes are views that the next call overwrites
   */
  build(drafts: readonly Draft[], frontier: MerkleFrontier, source?: SourceState): Batch {
    const first = frontier.size
    const entries = this.#encode(drafts, first)
    const { count, leaves, ends, hashes } = entries
    const next = frontier.copy()
    const subtrees: SubtreeRoot[] = []
    const onSubtree = (level: number, index: number, hash: Uint8Array): void => {
      if (level % STORED_LEVELS === 0) {
        subtrees.push({ level, index, hash: Uint8Array.from(hash) })
      }
    }
    let start = 0
    for (let offset = 0; offset < count; offset += 1) {
      const end = ends[offset] ?? start
      const at = offset * HASH_BYTES
      sha256Into(leaves.subarray(start, end), hashes, at)
      next.push(hashes.subarray(at, at + HASH_BYTES), onSubtree)
      start = end
    }
    return { change: { first, entries, subtrees, source }, frontier: next }
  }

  #encode(drafts: readonly Draft[], first: number): EncodedEntries & { readonly hashes: Buffer } {
    const writer = this.#writer
    const count = drafts.length
    const ends = new Uint32Array(count)
    const origins = new Map<number, ForwardedEntry>()
    let salts: Uint8Array | undefined
    writer.reset()
    for (let offset = 0; offset < count; offset += 1) {
      const draft = drafts[offset]
      if (!draft) break
      const { content, timeMs } = draft
      const index = first + offset
      // The prefix of a leaf's hash stands before its bytes: they are hashed without a copy.
      writer.uint(LEAF_PREFIX)
      if ('entry' in content) {
        writeForwarded(writer, content, { index, timeMs })
        origins.set(offset, content)
      } else {
        const salt = this.#salt(content.argumentDigest)
        if (salt) (salts ??= new Uint8Array(count * SALT_BYTES)).set(salt, offset * SALT_BYTES)
        this.#events.write(writer, content, { index, timeMs, saltedDigest: salt && this.#digest })
      }
      ends[offset] = writer.length
    }
    const hashes = Buffer.allocUnsafeSlow(count * HASH_BYTES)
    return { count, leaves: writer.view, ends, hashes, salts, origins }
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
