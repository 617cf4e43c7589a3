import type { Random } from '../../foundation/base/index.ts'
import { CborWriter } from '../../foundation/codec/index.ts'
import { type ForwardedEntry, writeEvent, writeForwarded } from './entry.ts'
import type { AuditEvent } from './event.ts'
import type { LogChange, NewEntry, SourceState, SubtreeRoot } from './log-storage.ts'
import { type MerkleFrontier, sha256Into } from './merkle.ts'

/** Levels at which roots of perfect subtrees are stored: every eighth, as in tiles of 256. */
export const STORED_LEVELS = 8

const HASH_BYTES = 32
const SALT_BYTES = 16
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
    const next = frontier.copy()
    const hashes = Buffer.allocUnsafeSlow(drafts.length * HASH_BYTES)
    const entries: NewEntry[] = []
    const subtrees: SubtreeRoot[] = []
    const onSubtree = (level: number, index: number, hash: Uint8Array): void => {
      if (level % STORED_LEVELS === 0) {
        subtrees.push({ level, index, hash: Uint8Array.from(hash) })
      }
    }
    this.#writer.reset()
    for (const draft of drafts) {
      const at = entries.length * HASH_BYTES
      const leafHash = hashes.subarray(at, at + HASH_BYTES)
      entries.push(this.#entry(draft, first + entries.length, leafHash))
      next.push(leafHash, onSubtree)
    }
    return { change: { first, entries, subtrees, source }, frontier: next }
  }

  #entry({ content, timeMs }: Draft, index: number, leafHash: Buffer): NewEntry {
    const writer = this.#writer
    const start = writer.length
    // The prefix of a leaf's hash, 0x00, stands before its bytes: they are hashed without a copy.
    writer.uint(0)
    const salt = 'entry' in content ? undefined : this.#salt(content.argumentDigest)
    if ('entry' in content) {
      writeForwarded(writer, content, { index, timeMs })
    } else {
      const saltedDigest = salt && this.#digest
      writeEvent(writer, content, { index, timeMs, saltedDigest })
    }
    const prefixed = writer.view.subarray(start)
    sha256Into(prefixed, leafHash, 0)
    const origin = 'entry' in content ? content : undefined
    return { leafHash, entry: prefixed.subarray(1), salt, origin }
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
