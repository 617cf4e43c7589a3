import { equalBytes } from '../../foundation/base/index.ts'
import { auditErrors } from './errors.ts'
import { nodeHash } from './merkle.ts'

/** Where proofs get the roots of perfect subtrees from. */
export type SubtreeSource = (level: number, index: number) => Promise<Uint8Array>

/** A half-open range of leaves. */
interface Range {
  readonly start: number
  readonly end: number
}

/**
 * The audit path of a leaf in the tree of the first `size` leaves.
 *
 * @param hashes - roots of perfect subtrees within those leaves
 * @param index - of the leaf, below `size`
 * @param size - number of leaves
 * @returns the hashes from the leaf's sibling upwards
 * @throws {@link KosError} KOS_AUDIT_RANGE
 * @see RFC 6962 section 2.1.1
 */
export async function inclusionPath(
  hashes: SubtreeSource,
  index: number,
  size: number,
): Promise<readonly Uint8Array[]> {
  requireRange(index, size - 1)
  const path: Uint8Array[] = []
  let range: Range = { start: 0, end: size }
  while (range.end - range.start > 1) {
    const middle = range.start + largestPowerBelow(range.end - range.start)
    const isLeft = index < middle
    const left = { start: range.start, end: middle }
    const right = { start: middle, end: range.end }
    path.push(await rangeRoot(hashes, isLeft ? right : left))
    range = isLeft ? left : right
  }
  return path.toReversed()
}

/**
 * The proof that the first `from` leaves are unchanged in the tree of the first `to` leaves.
 *
 * @param hashes - roots of perfect subtrees within those leaves
 * @param from - the smaller size, at least 1
 * @param to - the larger size
 * @returns the hashes; none when the sizes are equal
 * @throws {@link KosError} KOS_AUDIT_RANGE
 * @see RFC 6962 section 2.1.2
 */
export async function consistencyPath(
  hashes: SubtreeSource,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  requireRange(from - 1, to - 1)
  const path: Uint8Array[] = []
  let range: Range = { start: 0, end: to }
  // SUBPROOF(m, D[n], b): b is true as long as the old tree is a left edge of the new one.
  let isWholeOldTree = true
  while (range.end > from) {
    const middle = range.start + largestPowerBelow(range.end - range.start)
    const left = { start: range.start, end: middle }
    const right = { start: middle, end: range.end }
    if (from <= middle) {
      path.push(await rangeRoot(hashes, right))
      range = left
    } else {
      path.push(await rangeRoot(hashes, left))
      range = right
      isWholeOldTree = false
    }
  }
  if (!isWholeOldTree) path.push(await rangeRoot(hashes, range))
  return path.toReversed()
}

/** What an inclusion proof claims. */
export interface InclusionClaim {
  readonly index: number
  readonly size: number
  readonly leafHash: Uint8Array
  readonly path: readonly Uint8Array[]
  readonly root: Uint8Array
}

/**
 * Whether a leaf stands at an index of the tree with a root.
 *
 * **Security:** proves nothing about who vouches for the root: verify the checkpoint too.
 *
 * @param claim - leaf hash, index, tree size, path and root
 * @see RFC 9162 section 2.1.3.2
 */
export function verifyInclusion(claim: InclusionClaim): boolean {
  if (!isIndex(claim.index) || !isIndex(claim.size) || claim.index >= claim.size) return false
  let node = claim.index
  let last = claim.size - 1
  let hash = claim.leafHash
  for (const sibling of claim.path) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(node) && node !== 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalBytes(hash, claim.root)
}

/** What a consistency proof claims. */
export interface ConsistencyClaim {
  readonly from: number
  readonly to: number
  readonly fromRoot: Uint8Array
  readonly toRoot: Uint8Array
  readonly path: readonly Uint8Array[]
}

/**
 * Whether a tree only grew: the leaves of the smaller one are the first leaves of the larger one.
 *
 * @param claim - both sizes and roots, and the path
 * @see RFC 9162 section 2.1.4.2
 */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { from, to, path } = claim
  if (!isIndex(from) || !isIndex(to) || from < 1 || from > to) return false
  if (from === to) return path.length === 0 && equalBytes(claim.fromRoot, claim.toRoot)
  let node = from - 1
  let last = to - 1
  while (isOdd(node)) {
    node = half(node)
    last = half(last)
  }
  // A smaller tree that is perfect is itself the first hash, and is left out of the proof.
  const hashes = node === 0 ? [claim.fromRoot, ...path] : path
  const [first, ...rest] = hashes
  if (!first || path.length === 0) return false
  let fromHash = first
  let toHash = first
  for (const hash of rest) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      fromHash = nodeHash(hash, fromHash)
      toHash = nodeHash(hash, toHash)
      while (!isOdd(node) && node !== 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      toHash = nodeHash(toHash, hash)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalBytes(fromHash, claim.fromRoot) && equalBytes(toHash, claim.toRoot)
}

/** MTH of a range whose start is a multiple of the largest power of two within it. */
async function rangeRoot(hashes: SubtreeSource, range: Range): Promise<Uint8Array> {
  const length = range.end - range.start
  const level = Math.round(Math.log2(length))
  if (2 ** level === length) return hashes(level, range.start / length)
  const middle = range.start + largestPowerBelow(length)
  const left = await rangeRoot(hashes, { start: range.start, end: middle })
  return nodeHash(left, await rangeRoot(hashes, { start: middle, end: range.end }))
}

/** The largest power of two smaller than `length`, which is at least 2. */
function largestPowerBelow(length: number): number {
  let power = 1
  while (power * 2 < length) power *= 2
  return power
}

function requireRange(index: number, last: number): void {
  if (!isIndex(index) || !isIndex(last) || index > last) {
    throw auditErrors.error('KOS_AUDIT_RANGE', { index, last })
  }
}

// Sizes exceed 32 bits, so halves and parities are arithmetic, not shifts and masks.
const isIndex = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
const isOdd = (value: number): boolean => value % 2 === 1
const half = (value: number): number => Math.floor(value / 2)
