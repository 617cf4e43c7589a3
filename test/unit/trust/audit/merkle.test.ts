import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../../src/foundation/base/index.ts'
import {
  type Leaves,
  leafHash,
  MerkleFrontier,
  MerkleLanes,
  nodeHash,
} from '../../../../src/trust/audit/merkle.ts'
import { LEAVES, ROOTS } from '../../../vectors/rfc6962.ts'

/** Entries behind their prefixes, as they are hashed. */
function leavesFrom(entries: readonly Uint8Array[]): Leaves {
  const leaves = Buffer.concat(entries.flatMap((entry) => [Uint8Array.of(0), entry]))
  let at = 0
  const ends = Uint32Array.from(entries, (entry) => (at += entry.length + 1))
  return { count: entries.length, leaves, ends }
}

describe('Merkle tree', () => {
  it('has the roots of the reference tree at every size', () => {
    const frontier = new MerkleFrontier()
    assert.equal(toHex(frontier.root()), ROOTS[0])
    LEAVES.forEach((leaf, index) => {
      frontier.push(leafHash(fromHex(leaf) ?? assert.fail()))
      assert.equal(frontier.size, index + 1)
      assert.equal(toHex(frontier.root()), ROOTS[index + 1])
    })
  })

  it('tells leaves from nodes', () => {
    const left = leafHash(Uint8Array.of(1))
    const right = leafHash(Uint8Array.of(2))
    // Second preimage: the concatenation of two hashes as a leaf must not hash like their node.
    assert.notDeepEqual(leafHash(Buffer.concat([left, right])), nodeHash(left, right))
  })

  it('goes on from stored roots as if it had never stopped', () => {
    const whole = new MerkleFrontier()
    for (let size = 0; size < 70; size += 1) {
      const restored = MerkleFrontier.restore(size, whole.roots()) ?? assert.fail()
      const copy = new MerkleFrontier()
      copy.assign(whole)
      const leaf = leafHash(Uint8Array.of(size))
      whole.push(leaf)
      restored.push(leaf)
      assert.deepEqual(restored.root(), whole.root())
      assert.equal(copy.size, size)
      copy.push(leafHash(Uint8Array.of(255)))
      assert.notDeepEqual(copy.root(), whole.root())
    }
  })

  it('takes many leaves at once as one after the other, from every size on', () => {
    const lanes = new MerkleLanes()
    for (let size = 0; size < 20; size += 1) {
      for (const count of [1, 2, 3, 7, 64, 255, 1023, 1024, 1025, 2100]) {
        const [one, many] = [new MerkleFrontier(), new MerkleFrontier()]
        for (let index = 0; index < size; index += 1) {
          one.push(leafHash(Uint8Array.of(9, index)))
          many.push(leafHash(Uint8Array.of(9, index)))
        }
        const entries = Array.from({ length: count }, (_, index) => Buffer.from(`entry ${index}`))
        const expected: string[] = []
        for (const entry of entries) {
          one.push(leafHash(entry), (level, index, hash) =>
            expected.push(`${level} ${index} ${Buffer.from(hash).toString('hex')}`),
          )
        }
        const found: string[] = []
        const hashes = many.append(lanes, leavesFrom(entries), (level, first, roots) => {
          for (let at = 0; at < roots.length; at += 32) {
            const hash = Buffer.from(roots.subarray(at, at + 32)).toString('hex')
            found.push(`${level} ${first + at / 32} ${hash}`)
          }
        })
        assert.deepEqual(hashes, Buffer.concat(entries.map(leafHash)))
        assert.deepEqual(found.toSorted(), expected.toSorted())
        assert.deepEqual([many.size, many.roots()], [one.size, one.roots()])
      }
    }
  })

  it('refuses roots that do not fit the size', () => {
    assert.equal(MerkleFrontier.restore(3, new Uint8Array(32)), undefined)
    assert.equal(MerkleFrontier.restore(4, new Uint8Array(64)), undefined)
    assert.equal(MerkleFrontier.restore(1, new Uint8Array(31)), undefined)
    assert.equal(MerkleFrontier.restore(-1, new Uint8Array(0)), undefined)
    assert.equal(MerkleFrontier.restore(1.5, new Uint8Array(32)), undefined)
  })

  it('counts beyond 32 bits', () => {
    const size = 2 ** 33 + 2 ** 32 - 1
    const depth = 33
    const frontier = MerkleFrontier.restore(size, new Uint8Array(depth * 32)) ?? assert.fail()
    const levels: number[] = []
    frontier.push(new Uint8Array(32), (level) => levels.push(level))
    assert.deepEqual(
      levels,
      [...Array(32).keys()].map((level) => level + 1),
    )
    assert.equal(frontier.roots().length, 64)
  })

  it('tells of every perfect subtree', () => {
    const frontier = new MerkleFrontier()
    const hashes = LEAVES.map((leaf) => leafHash(fromHex(leaf) ?? assert.fail()))
    const seen: string[] = []
    for (const hash of hashes) {
      frontier.push(hash, (level, index, root) => seen.push(`${level}/${index} ${toHex(root)}`))
    }
    assert.deepEqual(
      seen.map((line) => line.split(' ')[0]),
      ['1/0', '1/1', '2/0', '1/2', '1/3', '2/1', '3/0'],
    )
    assert.equal(seen.at(-1), `3/0 ${ROOTS[8]}`)
    assert.equal(seen[2], `2/0 ${ROOTS[4]}`)
  })
})
