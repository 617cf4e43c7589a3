/** Somebody signs a lock list with a key that the roots did not delegate lock lists to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256 } from '../../src/foundation/base/index.ts'
import { coseSignerFromKey } from '../../src/foundation/codec/index.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  signNumbered,
} from '../../src/trust/pki/index.ts'
import { createTestAuthority } from '../kit/pki.ts'
import { testKey } from '../kit/x509.ts'

test('only the delegated lock key makes lock lists', () => {
  using authority = createTestAuthority()
  const { ca, clock, keys } = authority
  const state = createLockState({ trust: () => ca.trust })
  const body = encodeLockList(EMPTY_LOCK_LIST)
  const fields = { era: 1, number: 1, issuedAt: clock.wallMs(), body }

  const stranger = testKey()
  const own = coseSignerFromKey(stranger.privateKey, sha256(stranger.spki))
  // The stranger's key under the lock key's id: the id finds the key, the signature fails.
  const disguised = coseSignerFromKey(stranger.privateKey, ca.signers.lock.keyId)
  const signers = [
    own,
    disguised,
    ca.signers.directory.coseSigner(),
    ca.signers.policy.coseSigner(),
    keys.require('ca-root-p256').coseSigner(),
  ]
  for (const signer of signers) {
    const result = state.apply(signNumbered('lock-list', fields, signer))
    assert.ok(isRefusal(result))
    assert.equal(result.code, 'KOS_PKI_OBJECT')
  }
  // The lock key's signature over another kind of object is no lock list either.
  const lockSigner = ca.signers.lock.coseSigner()
  assert.ok(isRefusal(state.apply(signNumbered('directory', fields, lockSigner))))
  assert.equal(state.current, undefined)
  assert.equal(state.apply(signNumbered('lock-list', fields, lockSigner)), 'newer')
})

test('the lock key alone cannot open an era that outlives every honest list', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const state = createLockState({ trust: () => ca.trust })
  const body = encodeLockList(EMPTY_LOCK_LIST)
  const jump = { era: 1000, number: 1, issuedAt: clock.wallMs(), body }
  const result = state.apply(signNumbered('lock-list', jump, ca.signers.lock.coseSigner()))
  assert.ok(isRefusal(result))
  assert.equal(result.rule, 'era')
})
