import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../../src/foundation/base/index.ts'
import { leafHash } from '../../../../src/trust/audit/merkle.ts'
import {
  consistencyPath,
  inclusionPath,
  verifyConsistency,
  verifyInclusion,
} from '../../../../src/trust/audit/proofs.ts'
import { subtreesOf } from '../../../kit/merkle.ts'
import { CONSISTENCY, INCLUSION, LEAVES, ROOTS } from '../../../vectors/rfc6962.ts'

const bytes = (hex: string | undefined): Uint8Array => fromHex(hex ?? 'x') ?? assert.fail('hex')
const LEAF_HASHES = LEAVES.map((leaf) => leafHash(bytes(leaf)))
const source = subtreesOf(LEAF_HASHES)

describe('inclusion proofs', () => {
  for (const [index, size, path] of INCLUSION) {
    it(`of leaf ${index} in ${size}`, async () => {
      assert.deepEqual((await inclusionPath(source, index, size)).map(toHex), path)
      const claim = {
        index,
        size,
        leafHash: LEAF_HASHES[index] ?? assert.fail(),
        path: path.map(bytes),
        root: bytes(ROOTS[size]),
      }
      assert.ok(verifyInclusion(claim))
      assert.ok(!verifyInclusion({ ...claim, root: bytes(ROOTS[0]) }))
      assert.ok(!verifyInclusion({ ...claim, leafHash: new Uint8Array(32) }))
      assert.ok(!verifyInclusion({ ...claim, path: [...claim.path, new Uint8Array(32)] }))
      assert.ok(!verifyInclusion({ ...claim, index: size }))
      assert.ok(!verifyInclusion({ ...claim, index: -1 }))
      assert.ok(!verifyInclusion({ ...claim, size: 2 ** 60 }))
      if (path.length > 0) {
        assert.ok(!verifyInclusion({ ...claim, path: claim.path.slice(1) }))
        assert.ok(!verifyInclusion({ ...claim, path: claim.path.slice(0, -1) }))
        assert.ok(!verifyInclusion({ ...claim, index: index === 0 ? 1 : index - 1 }))
      }
    })
  }

  it('are not made for what is not there', async () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 3],
      [0.5, 3],
    ] as const) {
      await assert.rejects(inclusionPath(source, index, size), { code: 'KOS_AUDIT_RANGE' })
    }
  })
})

describe('consistency proofs', () => {
  for (const [from, to, path] of CONSISTENCY) {
    it(`from ${from} to ${to}`, async () => {
      assert.deepEqual((await consistencyPath(source, from, to)).map(toHex), path)
      const claim = {
        from,
        to,
        fromRoot: bytes(ROOTS[from]),
        toRoot: bytes(ROOTS[to]),
        path: path.map(bytes),
      }
      assert.ok(verifyConsistency(claim))
      assert.ok(!verifyConsistency({ ...claim, fromRoot: bytes(ROOTS[0]) }))
      assert.ok(!verifyConsistency({ ...claim, toRoot: bytes(ROOTS[0]) }))
      assert.ok(!verifyConsistency({ ...claim, path: [...claim.path, new Uint8Array(32)] }))
      assert.ok(!verifyConsistency({ ...claim, from: 0 }))
      assert.ok(!verifyConsistency({ ...claim, from: to + 1 }))
      assert.ok(!verifyConsistency({ ...claim, to: Number.NaN }))
      if (path.length > 0) {
        assert.ok(!verifyConsistency({ ...claim, path: [] }))
        assert.ok(!verifyConsistency({ ...claim, path: claim.path.slice(1) }))
      }
    })
  }

  it('are not made backwards or from nothing', async () => {
    for (const [from, to] of [
      [0, 4],
      [5, 4],
    ] as const) {
      await assert.rejects(consistencyPath(source, from, to), { code: 'KOS_AUDIT_RANGE' })
    }
  })
})
