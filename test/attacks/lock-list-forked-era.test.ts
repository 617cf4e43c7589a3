/**
 * A lock list of an era that the root keys never opened, or a second list of a number that is held: a
 * stolen lock key, or an authority that runs twice, must not let locked devices back in.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  signNumbered,
} from '../../src/trust/pki/index.ts'
import { createTestAuthority, principal } from '../kit/pki.ts'

test('neither a higher era nor a fork of the held number takes effect', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const signer = ca.signers.lock.coseSigner()
  const sign = (era: number, number: number, locked: readonly string[]): Uint8Array => {
    const body = encodeLockList({ ...EMPTY_LOCK_LIST, principals: locked })
    return signNumbered('lock-list', { era, number, body, issuedAt: clock.wallMs() }, signer)
  }
  const state = createLockState({ trust: () => ca.trust })
  assert.equal(state.apply(sign(ca.era, 5, [principal().uri])), 'newer')
  const refusals: readonly (readonly [Uint8Array, string])[] = [
    [sign(ca.era + 1, 1, []), 'KOS_PKI_OBJECT era'],
    [sign(ca.era + 1, 1_000_000, []), 'KOS_PKI_OBJECT era'],
    [sign(ca.era, 5, []), 'KOS_PKI_OBJECT fork'],
    // What follows the held list must name it.
    [sign(ca.era, 6, []), 'KOS_PKI_OBJECT link'],
  ]
  for (const [signed, expected] of refusals) {
    clock.advance(10_000)
    const result = state.apply(signed)
    assert.ok(isRefusal(result), expected)
    assert.equal(`${result.code} ${result.rule}`, expected)
    assert.equal(state.isLocked(principal().uri), true)
  }
})
