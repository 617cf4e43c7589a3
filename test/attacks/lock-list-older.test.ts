/** An attacker between node and authority, or a malicious peer, brings back an old lock list. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  type NumberedObject,
  type SignedNumbered,
  signSuccessor,
} from '../../src/trust/pki/index.ts'
import { createTestAuthority, leafRequest, principal } from '../kit/pki.ts'

test('an older lock list cannot unlock a device', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const signer = ca.signers.lock.coseSigner()
  const sign = (locked: readonly string[], held?: NumberedObject): SignedNumbered => {
    const body = encodeLockList({ ...EMPTY_LOCK_LIST, principals: locked })
    return signSuccessor('lock-list', { held, era: ca.era, body, issuedAt: clock.wallMs() }, signer)
  }
  const open = sign([])
  const locked = sign([principal().uri], open.object)
  const state = createLockState({ trust: () => ca.trust })
  assert.equal(state.apply(open.bytes), 'newer')
  assert.equal(state.apply(locked.bytes), 'newer')

  const replayed = state.apply(open.bytes)
  assert.ok(isRefusal(replayed))
  assert.deepEqual([replayed.code, replayed.rule], ['KOS_PKI_OLDER', 'lock-list'])
  assert.ok(state.isLocked(principal().uri))

  // Signed again later, with a fresh time and the old number: still older.
  clock.advance(60_000)
  assert.ok(isRefusal(state.apply(sign([]).bytes)))
  // A second, milder list of the same number.
  assert.ok(
    isRefusal(
      state.apply(sign([leafRequest().principal.uri.replace('a', 'b')], open.object).bytes),
    ),
  )
  assert.ok(state.isLocked(principal().uri))
})

test('an old era cannot come back, however high its number', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const signer = ca.signers.lock.coseSigner()
  const sign = (era: number, locked: readonly string[], held?: NumberedObject): SignedNumbered => {
    const body = encodeLockList({ ...EMPTY_LOCK_LIST, principals: locked })
    return signSuccessor('lock-list', { held, era, body, issuedAt: clock.wallMs() }, signer)
  }
  let old = sign(1, [])
  for (let i = 0; i < 5; i++) old = sign(1, [principal('user', `u${i}`).uri], old.object)
  ca.openEra()
  const state = createLockState({ trust: () => ca.trust })
  assert.equal(state.apply(sign(ca.era, [principal().uri]).bytes), 'newer')
  const result = state.apply(old.bytes)
  assert.ok(isRefusal(result))
  assert.equal(result.code, 'KOS_PKI_OLDER')
  assert.ok(state.isLocked(principal().uri))
})
