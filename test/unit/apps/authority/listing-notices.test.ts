import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createListingNotices } from '../../../../src/apps/authority/listing-notices.ts'
import { createTestClock } from '../../../kit/clock.ts'

test('the more are connected, the longer changes of the directory are collected', () => {
  const clock = createTestClock()
  let connected = 31
  let sent = 0
  const notices = createListingNotices(clock, {
    connected: () => connected,
    send: () => void (sent += 1),
  })
  notices.changed()
  notices.changed()
  assert.equal(sent, 2)
  connected = 1000
  for (let change = 0; change < 100; change++) notices.changed()
  clock.advance(1999)
  assert.equal(sent, 2)
  clock.advance(1)
  assert.equal(sent, 3)
  connected = 100_000
  notices.changed()
  clock.advance(2999)
  assert.equal(sent, 3)
  clock.advance(1)
  assert.equal(sent, 4)
  notices.changed()
  connected = 1
  notices.changed()
  assert.equal(sent, 5)
  clock.advance(10_000)
  assert.equal(sent, 5)
  connected = 100_000
  notices.changed()
  notices.stop()
  clock.advance(10_000)
  assert.equal(sent, 5)
  assert.equal(clock.pendingTimers, 0)
})
