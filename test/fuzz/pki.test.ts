import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import fc from 'fast-check'
import { equalBytes, isRefusal } from '../../src/foundation/base/index.ts'
import {
  createDirectoryState,
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  readRootRequest,
  signNumbered,
  signStandbyFreshness,
  signStandbyProof,
  verifyPeerLeaf,
  verifyStandbyProof,
  verifyTrustBundle,
} from '../../src/trust/pki/index.ts'
import { fuzz } from '../kit/fuzz.ts'
import { createTestAuthority, leafRequest, principal } from '../kit/pki.ts'

const authority = createTestAuthority()
after(() => authority[Symbol.dispose]())
const { ca, clock, keys } = authority
const standby = keys.create('standby', 'freshness', 'P-256')
const standbyUri = principal().uri
ca.setStandbys([{ principal: standbyUri, spki: standby.spki, maxMs: 3_600_000 }])
const leaf = ca.issueLeaf(leafRequest()).der
const lockList = signNumbered(
  'lock-list',
  { era: 1, number: 1, issuedAt: clock.wallMs(), body: encodeLockList(EMPTY_LOCK_LIST) },
  ca.signers.lock.coseSigner(),
)

/** Bytes with one to three places overwritten, removed or inserted. */
function damaged(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(original.length - 1),
    remove: fc.nat(4),
    insert: fc.uint8Array({ maxLength: 4 }),
  })
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => {
    let bytes = Buffer.from(original)
    for (const { at, remove, insert } of edits) {
      bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])
    }
    return bytes
  })
}

/** Every damaged or random input gets a refusal: never a thrown error, never acceptance. */
function refusesDamage(original: Uint8Array, verify: (bytes: Uint8Array) => unknown): void {
  assert.ok(!isRefusal(verify(original)))
  const input = fc.oneof(damaged(original), fc.uint8Array({ maxLength: 300 }))
  fuzz(
    fc.property(input, (bytes) => {
      if (!equalBytes(bytes, original)) assert.ok(isRefusal(verify(bytes)))
    }),
  )
}

it('a damaged leaf is refused', () => {
  const check = { bundle: ca.trust, purpose: 'client', nowMs: clock.wallMs() } as const
  refusesDamage(leaf, (bytes) => verifyPeerLeaf(bytes, check))
})

it('a damaged trust bundle is refused', () => {
  refusesDamage(ca.bundle, (bytes) => verifyTrustBundle(bytes, { pin: ca.pin }))
})

it('a damaged request to root keys is refused, or goes on from the very bundle in force', () => {
  const request = ca.requestRoots({ kind: 'prepare' }, 'ada')
  fuzz(
    fc.property(fc.oneof(damaged(request), fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const read = readRootRequest(bytes, { pin: ca.pin })
      // Who asked and when is the request's own word; what it goes on from is signed.
      if (!isRefusal(read)) assert.deepEqual(read.current.hash, ca.trust.hash)
    }),
  )
})

it('a damaged answer of root keys, or chain of a company, is refused', () => {
  const before = ca.bundle
  fuzz(
    fc.property(fc.oneof(damaged(before), fc.uint8Array({ maxLength: 300 })), (bytes) => {
      assert.ok(isRefusal(ca.installAnswer(bytes)))
    }),
  )
  const own = ca.trust.rootP256Certificate.der
  fuzz(
    fc.property(damaged(own), damaged(own), (one, root) => {
      assert.ok(isRefusal(ca.importOuterChain([one, root], leaf)))
    }),
  )
  assert.equal(ca.bundle, before)
  ca.cancelRequest()
})

it('a damaged lock list is refused', () => {
  refusesDamage(lockList, (bytes) => createLockState({ trust: () => ca.trust }).apply(bytes))
})

it('a damaged answer or proof of a standby signer is refused', () => {
  const state = createLockState({ trust: () => ca.trust })
  state.apply(lockList)
  const held = state.current?.object
  assert.ok(held)
  const nonce = new Uint8Array(32).fill(1)
  const times = { askedAt: clock.monotonicMs(), wallMs: clock.wallMs() }
  const question = { by: standbyUri, nonce, ...times }
  refusesDamage(signStandbyFreshness(held, nonce, standby.coseSigner()), (bytes) =>
    state.confirmByStandby(bytes, question),
  )
  const { spki } = standby
  refusesDamage(signStandbyProof(standbyUri, standby.coseSigner()), (proof) =>
    verifyStandbyProof(standbyUri, { spki, proof }),
  )
  refusesDamage(spki, (bytes) =>
    verifyStandbyProof(standbyUri, {
      spki: bytes,
      proof: signStandbyProof(standbyUri, standby.coseSigner()),
    }),
  )
})

it('a signed directory of any body is taken or refused, without an error', () => {
  const signer = ca.signers.directory.coseSigner()
  const scalar = fc.oneof(fc.string(), fc.nat(), fc.boolean(), fc.constant(null))
  const entry = fc.dictionary(
    fc.constantFrom('uri', 'name', 'addresses', 'profile', 'roles', 'labels', 'x'),
    fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })),
  )
  fuzz(
    fc.property(fc.record({ entries: fc.array(entry, { maxLength: 3 }) }), (body) => {
      const state = createDirectoryState({ trust: () => ca.trust })
      const fields = { era: 1, number: 1, issuedAt: clock.wallMs(), body }
      const result = state.apply(signNumbered('directory', fields, signer))
      assert.equal(isRefusal(result), body.entries.length > 0)
    }),
  )
})
