/** One timer that looks after many: each when it is due, none after it was given back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createSlowTimer,
  SlowTimer,
  type Watched,
} from '../../../../src/network/session/slow-timer.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'

interface Seen extends Watched {
  dueMs: number
  look: Watched['look']
  readonly atMs: number[]
}

/** Due every so often, from now on. */
function every(clock: TestClock, ms: number): Seen {
  const startMs = clock.monotonicMs()
  const seen: Seen = {
    dueMs: startMs + ms,
    slotMs: 0,
    atMs: [],
    look(nowMs) {
      seen.atMs.push(nowMs - startMs)
      seen.dueMs = nowMs + ms
    },
  }
  return seen
}

test('each is looked at exactly when it is due', () => {
  const clock = createTestClock()
  const timer = new SlowTimer(clock, 0)
  const [slow, fast] = [every(clock, 500), every(clock, 200)]
  timer.add(slow)
  timer.add(fast)
  clock.advance(1000)
  assert.deepEqual(slow.atMs, [500, 1000])
  assert.deepEqual(fast.atMs, [200, 400, 600, 800, 1000])
  assert.equal(clock.pendingTimers, 1)
})

test('a shared one wakes once for those that are due soon after another', () => {
  const clock = createTestClock()
  const timer = createSlowTimer({ clock })
  const many = [1000, 1010, 1100, 1249].map((ms) => every(clock, ms))
  for (const one of many) timer.add(one)
  clock.advance(1300)
  assert.deepEqual(
    many.map(({ atMs }) => atMs),
    [[1000], [1250], [1250], [1250]],
  )
})

test('what was given back is not looked at, and the last one takes the timer along', () => {
  const clock = createTestClock()
  const timer = new SlowTimer(clock, 0)
  const [one, two] = [every(clock, 100), every(clock, 150)]
  timer.add(one)
  timer.add(two)
  timer.delete(one)
  timer.delete(one)
  clock.advance(200)
  assert.deepEqual([one.atMs, two.atMs], [[], [150]])
  timer.delete(two)
  assert.equal(clock.pendingTimers, 0)
  clock.advance(500)
  const again = every(clock, 100)
  timer.add(again)
  clock.advance(100)
  assert.deepEqual([two.atMs, again.atMs], [[150], [100]])
})

test('one whose time has moved is looked at later, and one that ends another spares it', () => {
  const clock = createTestClock()
  const timer = createSlowTimer({ clock })
  const [moved, ended, ender] = [every(clock, 1000), every(clock, 1001), every(clock, 1000)]
  const look = ender.look
  ender.look = (nowMs) => {
    ended.dueMs = Infinity
    timer.delete(ended)
    look(nowMs)
  }
  for (const one of [moved, ender, ended]) timer.add(one)
  moved.dueMs += 500
  clock.advance(1500)
  assert.deepEqual([moved.atMs, ended.atMs, ender.atMs], [[1500], [], [1000]])
})

test('one that is never due again keeps no timer', () => {
  const clock = createTestClock()
  const timer = new SlowTimer(clock, 0)
  const once = {
    dueMs: clock.monotonicMs() + 10,
    slotMs: 0,
    look: () => (once.dueMs = Infinity),
  }
  timer.add(once)
  clock.advance(10)
  assert.equal(once.dueMs, Infinity)
  assert.equal(clock.pendingTimers, 0)
})
