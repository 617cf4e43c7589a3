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

/** Perfect subtrees of one level that were just completed, from the `first`-th on; 32 bytes each. */
export type LevelListener = (level: number, first: number, hashes: Uint8Array) => void

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

/** Entries as they are hashed. */
export interface Leaves {
  readonly count: number
  /** 0x00 ‖ entry, one after the other. */
  readonly leaves: Uint8Array
  /** Where each leaf ends in `leaves`; there may be more of them. */
  readonly ends: Uint32Array
}

/** Leaves that are put into a tree at once. */
const LANE_LEAVES = 1024
/** An interior node is hashed from a prefix and two hashes, one behind the other. */
const PAIR_BYTES = 1 + 2 * HASH_BYTES
const NODE_PREFIX = 1

/**
 * Hashes of one level of a tree behind a free byte, and views of its pairs with the byte before them:
 * a pair is hashed where it stands. That byte belongs to the pair before, which was hashed already.
 */
interface Lane {
  readonly bytes: Buffer
  readonly pairs: readonly Uint8Array[]
}

function createLane(leaves: number): Lane {
  // Room for one that waited at each level.
  const bytes = Buffer.allocUnsafeSlow(1 + (leaves + 2) * HASH_BYTES)
  const pairs = Array.from({ length: leaves / 2 + 1 }, (_, index) => {
    const at = index * 2 * HASH_BYTES
    return new Uint8Array(bytes.buffer, at, PAIR_BYTES)
  })
  return { bytes, pairs }
}

/** Memory for {@link MerkleFrontier.append}: one for every log that is written. */
export class MerkleLanes {
  readonly here: Lane = createLane(LANE_LEAVES)
  readonly above: Lane = createLane(LANE_LEAVES / 2)
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

  /** Becomes as another one is. */
  assign(other: MerkleFrontier): void {
    other.#stack.copy(this.#stack, 0, 0, other.#depth * HASH_BYTES)
    this.#depth = other.#depth
    this.#size = other.#size
  }

  /**
   * Hashes leaves and appends them, level by level. Hot path: what is hashed stands in place, and
   * nothing but the digests is made per hash.
   *
   * @param lanes - memory to do it in
   * @param input - leaves with their prefixes
   * @param onLevel - told of the perfect subtrees that they complete; the hashes are a view
   * @returns the hashes of the leaves, 32 bytes each
   */
  append(lanes: MerkleLanes, input: Leaves, onLevel: LevelListener): Buffer {
    const { count, leaves, ends } = input
    const hashes = Buffer.allocUnsafeSlow(count * HASH_BYTES)
    const { buffer, byteOffset } = leaves
    let start = 0
    for (let from = 0; from < count; from += LANE_LEAVES) {
      const to = Math.min(count, from + LANE_LEAVES)
      const { bytes } = lanes.here
      const firstAt = 1 + (this.#size % 2) * HASH_BYTES
      for (let offset = from, at = firstAt; offset < to; offset += 1, at += HASH_BYTES) {
        const end = ends[offset] ?? start
        sha256Into(new Uint8Array(buffer, byteOffset + start, end - start), bytes, at)
        start = end
      }
      bytes.copy(hashes, from * HASH_BYTES, firstAt, firstAt + (to - from) * HASH_BYTES)
      this.#join(lanes, to - from, onLevel)
    }
    return hashes
  }

  /** Puts the leaves in the first lane into the tree. */
  #join({ here, above }: MerkleLanes, leaves: number, onLevel: LevelListener): void {
    const kept: Buffer[] = []
    let [lane, next, first, count] = [here, above, this.#size, leaves]
    for (let level = 1; count > 0; level += 1) {
      // As in a binary counter: a one at this level waits for the first of these.
      if (first % 2 === 1) {
        this.#depth -= 1
        this.#stack.copy(lane.bytes, 1, this.#depth * HASH_BYTES, (this.#depth + 1) * HASH_BYTES)
        first -= 1
        count += 1
      }
      if (count % 2 === 1) {
        const at = 1 + (count - 1) * HASH_BYTES
        kept.push(Buffer.from(lane.bytes.subarray(at, at + HASH_BYTES)))
      }
      first /= 2
      count = (count - (count % 2)) / 2
      const firstAt = 1 + (first % 2) * HASH_BYTES
      for (let index = 0; index < count; index += 1) {
        const pair = lane.pairs[index]
        if (!pair) break
        pair[0] = NODE_PREFIX
        sha256Into(pair, next.bytes, firstAt + index * HASH_BYTES)
      }
      if (count > 0) {
        onLevel(level, first, next.bytes.subarray(firstAt, firstAt + count * HASH_BYTES))
      }
      ;[lane, next] = [next, lane]
    }
    for (const root of kept.toReversed()) {
      this.#stack.set(root, this.#depth * HASH_BYTES)
      this.#depth += 1
    }
    this.#size += leaves
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
