/**
 * An attacker keeps a node from its authority, so that it does not hear of a lock. At SEC-3 and SEC-4 a
 * lock list that is too old, or that was never confirmed, opens no door and closes the open ones.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256, type UnixMs, unixMs, utf8 } from '../../src/foundation/base/index.ts'
import type { PeerFacts } from '../../src/foundation/pipeline/index.ts'
import { profileOf, type ProfileName } from '../../src/foundation/profiles/index.ts'
import { createLockGate } from '../../src/apps/node/lock-gate.ts'
import { watchLockAge } from '../../src/apps/node/lock-watch.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  signLockFreshness,
  signSuccessor,
} from '../../src/trust/pki/index.ts'
import { createTestAuthority, principal, type TestAuthority } from '../kit/pki.ts'

const peerOf = (floor: ProfileName, { clock }: TestAuthority): PeerFacts => ({
  principal: principal(),
  floor: profileOf(floor),
  generation: 1,
  identityKeyHash: sha256(utf8('identity')),
  tlsKeyHash: sha256(utf8('tls')),
  serial: '40aa',
  notAfter: clock.wallMs(),
})

for (const [floor, limitMs] of [
  ['SEC-3', 600_000],
  ['SEC-4', 30_000],
] as const) {
  test(`${floor}: nothing goes on beyond ${limitMs / 1000} s without the authority`, () => {
    using authority = createTestAuthority()
    const { ca, clock } = authority
    const signer = ca.signers.lock.coseSigner()
    const sign = (issuedAt: UnixMs): ReturnType<typeof signSuccessor> => {
      const body = encodeLockList(EMPTY_LOCK_LIST)
      const next = { held: undefined, era: ca.era, body, issuedAt }
      return signSuccessor('lock-list', next, signer)
    }
    const list = sign(clock.wallMs())
    const locks = createLockState({ trust: () => ca.trust })
    const gate = createLockGate({ clock, locks }, () => profileOf(floor))
    const peer = peerOf(floor, authority)
    const codeOf = (): string | undefined => gate.check(peer)?.code
    // Missing: no list at all, then one whose age nobody knows.
    assert.equal(codeOf(), 'KOS_PKI_LOCKED')
    locks.apply(list.bytes)
    assert.equal(codeOf(), 'KOS_PKI_STALE')

    const nonce = new Uint8Array(32).fill(7)
    const answer = signLockFreshness(list.object, nonce, signer)
    assert.equal(locks.confirm(answer, { nonce, askedAt: clock.monotonicMs() }), undefined)
    assert.equal(codeOf(), undefined)
    let closed = 0
    const stop = watchLockAge({ clock, locks }, () => {
      if (gate.check(peer)) closed += 1
    })
    clock.advance(limitMs)
    assert.deepEqual([codeOf(), closed], [undefined, 0])
    // The wall clock of the node and a later signature say nothing: only the answer to a nonce does.
    clock.advance(1000)
    assert.equal(locks.apply(sign(unixMs(clock.wallMs() + 3_600_000)).bytes), 'same')
    assert.equal(codeOf(), 'KOS_PKI_STALE')
    assert.equal(closed, 1, 'open sessions are looked at without any event')
    // The old answer again, for a new nonce.
    const later = new Uint8Array(32).fill(8)
    assert.ok(isRefusal(locks.confirm(answer, { nonce: later, askedAt: clock.monotonicMs() })))
    assert.equal(codeOf(), 'KOS_PKI_STALE')
    stop()
  })
}

test('SEC-2 goes on until its certificate ends, and a stricter peer takes that away', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const next = { held: undefined, era: ca.era, body: encodeLockList(EMPTY_LOCK_LIST) }
  const list = signSuccessor(
    'lock-list',
    { ...next, issuedAt: clock.wallMs() },
    ca.signers.lock.coseSigner(),
  )
  const locks = createLockState({ trust: () => ca.trust })
  locks.apply(list.bytes)
  clock.advance(86_400_000)
  const gate = createLockGate({ clock, locks }, () => profileOf('SEC-2'))
  assert.equal(gate.check(peerOf('SEC-2', authority)), undefined)
  assert.equal(gate.check(peerOf('SEC-3', authority))?.code, 'KOS_PKI_STALE')
})
