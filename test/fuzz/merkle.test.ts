/** Trees, frontiers and proofs of random sizes against the definition. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc, { type IAsyncProperty } from 'fast-check'
import { leafHash, MerkleFrontier } from '../../src/trust/audit/merkle.ts'
import {
  consistencyPath,
  inclusionPath,
  verifyConsistency,
  verifyInclusion,
} from '../../src/trust/audit/proofs.ts'
import { rootOf, subtreesOf } from '../kit/merkle.ts'
import { fuzz } from '../kit/fuzz.ts'

const MAX = 300
const HASHES = Array.from({ length: MAX }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)))
const ROOTS = Array.from({ length: MAX + 1 }, (_, size) => rootOf(HASHES.slice(0, size)))
const source = subtreesOf(HASHES)
const root = (size: number): Uint8Array => ROOTS[size] ?? assert.fail()
const hash = (index: number): Uint8Array => HASHES[index] ?? assert.fail()

/** As `fuzz`, for properties with promises; a failure prints its seed and path. */
function fuzzAsync<T>(property: IAsyncProperty<T>): Promise<void> {
  return fc.assert(property, { numRuns: 1000, plugins: [fc.interruptAfterTimeLimit(2000)] })
}

/** Two numbers a ≤ b of 1 to MAX. */
const pair = fc
  .tuple(fc.integer({ min: 1, max: MAX }), fc.integer({ min: 1, max: MAX }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
const flip = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))

function flipped(path: readonly Uint8Array[], [at, mask]: readonly [number, number]): Uint8Array[] {
  const copy = path.map((item) => Uint8Array.from(item))
  const target = copy[at % copy.length]
  if (target) target[at % 32] = (target[at % 32] ?? 0) ^ mask
  return copy
}

describe('Merkle fuzz', () => {
  it('grows to the defined root whatever pauses there are', () => {
    fuzz(
      fc.property(pair, ([pause, size]) => {
        let frontier = new MerkleFrontier()
        for (let index = 0; index < size; index += 1) {
          if (index === pause) {
            frontier = MerkleFrontier.restore(index, frontier.roots()) ?? assert.fail()
          }
          frontier.push(hash(index))
        }
        assert.deepEqual(Buffer.from(frontier.root()), Buffer.from(root(size)))
      }),
    )
  })

  it('proves every leaf, and nothing else', async () => {
    await fuzzAsync(
      fc.asyncProperty(pair, flip, fc.nat(MAX - 1), async ([position, size], change, other) => {
        const index = position - 1
        const path = await inclusionPath(source, index, size)
        const claim = { index, size, leafHash: hash(index), path, root: root(size) }
        assert.ok(verifyInclusion(claim))
        if (other !== index) {
          assert.ok(!verifyInclusion({ ...claim, leafHash: hash(other) }))
          assert.ok(!verifyInclusion({ ...claim, index: other }))
        }
        if (path.length > 0) {
          assert.ok(!verifyInclusion({ ...claim, path: flipped(path, change) }))
          assert.ok(!verifyInclusion({ ...claim, path: path.toReversed().slice(1) }))
        }
      }),
    )
  })

  it('proves every growth, and nothing else', async () => {
    await fuzzAsync(
      fc.asyncProperty(pair, flip, async ([from, to], change) => {
        const path = await consistencyPath(source, from, to)
        const claim = { from, to, fromRoot: root(from), toRoot: root(to), path }
        assert.ok(verifyConsistency(claim))
        assert.ok(!verifyConsistency({ ...claim, fromRoot: root(from - 1) }))
        assert.ok(!verifyConsistency({ ...claim, toRoot: root(to - 1) }))
        if (path.length > 0) {
          assert.ok(!verifyConsistency({ ...claim, path: flipped(path, change) }))
          assert.ok(!verifyConsistency({ ...claim, path: path.slice(0, -1) }))
        }
      }),
    )
  })
})
