/** The Merkle tree by its definition: slow, plain, and independent of the code under test. */
import { createHash } from 'node:crypto'
import type { SubtreeSource } from '../../src/trust/audit/proofs.ts'

/** MTH(D[n]) by recursion over leaf hashes. @see RFC 6962 section 2.1 */
export function rootOf(leafHashes: readonly Uint8Array[]): Uint8Array {
  const [only] = leafHashes
  if (only === undefined) return createHash('sha256').digest()
  if (leafHashes.length === 1) return only
  let half = 1
  while (half * 2 < leafHashes.length) half *= 2
  return createHash('sha256')
    .update(Uint8Array.of(1))
    .update(rootOf(leafHashes.slice(0, half)))
    .update(rootOf(leafHashes.slice(half)))
    .digest()
}

/** Roots of the perfect subtrees over leaf hashes. */
export function subtreesOf(leafHashes: readonly Uint8Array[]): SubtreeSource {
  return (level, index) => {
    const size = 2 ** level
    const part = leafHashes.slice(index * size, (index + 1) * size)
    if (part.length !== size) throw new RangeError('no such subtree')
    return Promise.resolve(rootOf(part))
  }
}
