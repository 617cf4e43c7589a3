/** A peer whose clock is off, or who plays an old HELLO, asks for a session. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { createTestClock, TEST_EPOCH_MS } from '../kit/clock.ts'
import { handshakePair, pumpHandshake } from '../kit/session-pair.ts'

for (const skewMs of [-86_400_000, -30_001, 30_001, 86_400_000]) {
  test(`a clock off by ${skewMs} ms is refused by both sides`, () => {
    const late = handshakePair({ clock: createTestClock(TEST_EPOCH_MS + skewMs) })
    const usual = handshakePair()
    const ends = pumpHandshake({ ...usual, dialler: late.dialler })
    for (const end of [ends.dialler, ends.listener]) {
      assert.ok(end && isRefusal(end))
      assert.deepEqual([end.code, end.rule], ['KOS_SESSION_CLOCK', 'hello: time'])
      assert.deepEqual(end.details, { skewMs: Math.abs(skewMs), limitMs: 30_000 })
    }
  })
}

test('30 s are within the limit', () => {
  for (const skewMs of [-30_000, 30_000]) {
    const late = handshakePair({ clock: createTestClock(TEST_EPOCH_MS + skewMs) })
    const usual = handshakePair()
    const ends = pumpHandshake({ ...usual, dialler: late.dialler })
    assert.ok(ends.dialler && !isRefusal(ends.dialler))
    assert.ok(ends.listener && !isRefusal(ends.listener))
  }
})
