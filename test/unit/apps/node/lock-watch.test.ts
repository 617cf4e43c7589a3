/** Open sessions do not outlive the lock list that they were allowed by. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256, utf8 } from '../../../../src/foundation/base/index.ts'
import type { PeerFacts } from '../../../../src/foundation/pipeline/index.ts'
import { profileOf, type ProfileName } from '../../../../src/foundation/profiles/index.ts'
import { createLockGate } from '../../../../src/apps/node/lock-gate.ts'
import { watchLockAge } from '../../../../src/apps/node/lock-watch.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  type LockState,
  signLockFreshness,
  signSuccessor,
} from '../../../../src/trust/pki/index.ts'
import { createTestAuthority, principal, type TestAuthority } from '../../../kit/pki.ts'

function confirmed(authority: TestAuthority): {
  readonly state: LockState
  readonly confirm: () => void
} {
  const { ca, clock } = authority
  const signer = ca.signers.lock.coseSigner()
  const next = { held: undefined, era: ca.era, body: encodeLockList(EMPTY_LOCK_LIST) }
  const list = signSuccessor('lock-list', { ...next, issuedAt: clock.wallMs() }, signer)
  const state = createLockState({ trust: () => ca.trust })
  state.apply(list.bytes)
  const nonce = new Uint8Array(32).fill(3)
  return {
    state,
    confirm: () => {
      const answer = signLockFreshness(list.object, nonce, signer)
      assert.equal(state.confirm(answer, { nonce, askedAt: clock.monotonicMs() }), undefined)
    },
  }
}

test('each limit that is passed is told once, again after the list was fresh', () => {
  using authority = createTestAuthority()
  const { clock } = authority
  const { state, confirm } = confirmed(authority)
  confirm()
  let told = 0
  const stop = watchLockAge({ clock, locks: state }, () => told++)
  clock.advance(30_000)
  assert.equal(told, 0)
  clock.advance(1000)
  assert.equal(told, 1)
  clock.advance(100_000)
  assert.equal(told, 1)
  clock.advance(470_000)
  assert.equal(told, 2)
  confirm()
  clock.advance(32_000)
  assert.equal(told, 3)
  stop()
  clock.advance(3_600_000)
  assert.equal(told, 3)
})

test('the gate asks for the profiles of both ends, and not of an authority', () => {
  using authority = createTestAuthority()
  const { clock } = authority
  const { state, confirm } = confirmed(authority)
  const peer = (kind: 'device' | 'authority', floor: ProfileName): PeerFacts => ({
    principal: principal(kind),
    floor: profileOf(floor),
    generation: 1,
    identityKeyHash: sha256(utf8('identity')),
    tlsKeyHash: sha256(utf8('tls')),
    serial: '40aa',
    notAfter: clock.wallMs(),
  })
  const gate = createLockGate({ clock, locks: state }, () => profileOf('SEC-3'))
  const refused = gate.check(peer('device', 'SEC-2'))
  assert.ok(isRefusal(refused))
  assert.equal(refused.code, 'KOS_PKI_STALE')
  // Without this it could never become fresh.
  assert.equal(gate.check(peer('authority', 'SEC-3')), undefined)
  confirm()
  assert.equal(gate.check(peer('device', 'SEC-2')), undefined)
  clock.advance(31_000)
  assert.equal(gate.checkAge(peer('device', 'SEC-3')), undefined)
  assert.equal(gate.checkAge(peer('device', 'SEC-4'))?.code, 'KOS_PKI_STALE')
})
