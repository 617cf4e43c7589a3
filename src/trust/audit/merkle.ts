import { hash } from 'node:crypto'
import { sha256 } from '../../foundation/base/index.ts'

const HASH_BYTES = 32
/** A tree of 2^53 leaves has this many perfect subtrees at most. */
const MAX_DEPTH = 54

/** What stands before the bytes of a leaf when it is hashed. @see RFC 6962 section 2.1 */
export const LEAF_PREFIX = 0

/** RFC 6962 section 2.1: MTH({}) = SHA-256(). */
const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0))

/** A perfect subtree that was just completed: 2^level leaves, the `index`-th of its level. */
export type SubtreeListener = (level: number, index: number, hash: Uint8Array) => void

/**
 * Hash of a leaf: SHA-256(0x00 ‖ entry).
 *
 * @see RFC 6962 section 2.1
 */
export function leafHash(entry: Uint8Array): Uint8Array {
  const prefixed = Buffer.allocUnsafe(entry.length + 1)
  prefixed[0] = LEAF_PREFIX
  prefixed.set(entry, 1)
  return hash('sha256', prefixed, 'buffer')
}

/**
 * Hash of an interior node: SHA-256(0x01 ‖ left ‖ right).
 *
 * @see RFC 6962 section 2.1
 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const prefixed = Buffer.allocUnsafe(1 + 2 * HASH_BYTES)
  prefixed[0] = 1
  prefixed.set(left, 1)
  prefixed.set(right, 1 + HASH_BYTES)
  return hash('sha256', prefixed, 'buffer')
}

/**
 * SHA-256 into existing memory. A latin1 string is the cheapest form in which the runtime hands a
 * digest out: a third of the price of a buffer of its own.
 */
export function sha256Into(input: Uint8Array, target: Buffer, offset: number): void {
  target.write(hash('sha256', input, 'latin1'), offset, HASH_BYTES, 'latin1')
}

/**
 * The right edge of a growing Merkle tree: the roots of the perfect subtrees its size decomposes
 * into, largest first. Enough to append and to compute the root, at one hash per append on average.
 */
export class MerkleFrontier {
  readonly #stack: Buffer = Buffer.alloc(MAX_DEPTH * HASH_BYTES)
  readonly #pair: Buffer = Buffer.alloc(1 + 2 * HASH_BYTES, 1)
  #depth = 0
  #size = 0

  /** Number of leaves. */
  get size(): number {
    return this.#size
  }

  /**
   * Restores a frontier.
   *
   * @param size - number of leaves
   * @param roots - as returned by {@link MerkleFrontier.roots}
   * @returns `undefined` when the number of roots does not fit the size
   */
  static restore(size: number, roots: Uint8Array): MerkleFrontier | undefined {
    if (!Number.isSafeInteger(size) || size < 0) return undefined
    const depth = subtreeCount(size)
    if (roots.length !== depth * HASH_BYTES) return undefined
    const frontier = new MerkleFrontier()
    frontier.#stack.set(roots)
    frontier.#depth = depth
    frontier.#size = size
    return frontier
  }

  /** The subtree roots, largest first, as one array of 32 bytes each. */
  roots(): Uint8Array {
    return Uint8Array.from(this.#stack.subarray(0, this.#depth * HASH_BYTES))
  }

  /** An independent copy. */
  copy(): MerkleFrontier {
    const copy = new MerkleFrontier()
    copy.#stack.set(this.#stack)
    copy.#depth = this.#depth
    copy.#size = this.#size
    return copy
  }

  /**
   * Appends a leaf.
   *
   * @param leaf - its hash, 32 bytes
   * @param onSubtree - told of every perfect subtree that this leaf completes; the hash is a view
   */
  push(leaf: Uint8Array, onSubtree?: SubtreeListener): void {
    const stack = this.#stack
    stack.set(leaf, this.#depth * HASH_BYTES)
    this.#depth += 1
    let index = this.#size
    // As in a binary counter: every trailing one carries, every carry joins the two last subtrees.
    for (let level = 1; index % 2 === 1; level += 1) {
      index = (index - 1) / 2
      this.#depth -= 1
      const at = (this.#depth - 1) * HASH_BYTES
      stack.copy(this.#pair, 1, at, at + 2 * HASH_BYTES)
      sha256Into(this.#pair, stack, at)
      onSubtree?.(level, index, stack.subarray(at, at + HASH_BYTES))
    }
    this.#size += 1
  }

  /** The Merkle tree hash of all leaves. @see RFC 6962 section 2.1 */
  root(): Uint8Array {
    if (this.#depth === 0) return Uint8Array.from(EMPTY_ROOT)
    let root = Uint8Array.from(this.#rootAt(this.#depth - 1))
    for (let at = this.#depth - 2; at >= 0; at -= 1) {
      root = Uint8Array.from(nodeHash(this.#rootAt(at), root))
    }
    return root
  }

  #rootAt(at: number): Uint8Array {
    return this.#stack.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)
  }
}

/** Number of one bits: of the perfect subtrees a tree of this size consists of. */
function subtreeCount(size: number): number {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}
