import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSpread } from '../../../../src/apps/authority/spread.ts'
import { createTestClock } from '../../../kit/clock.ts'

const people = (count: number): readonly number[] => Array.from({ length: count }, (_, one) => one)

test('few are told at once, many a few at a time, and very many within two seconds', () => {
  const clock = createTestClock()
  const spread = createSpread(clock)
  let told: number[] = []
  const tell = (one: number): void => void told.push(one)
  spread.tell(people(32), tell)
  assert.equal(told.length, 32)
  assert.equal(clock.pendingTimers, 0)
  told = []
  spread.tell(people(70), tell)
  assert.equal(told.length, 32)
  clock.advance(31)
  assert.equal(told.length, 32)
  clock.advance(1)
  assert.equal(told.length, 64)
  clock.advance(32)
  assert.deepEqual(told, people(70))
  assert.equal(clock.pendingTimers, 0)
  told = []
  spread.tell(people(100_000), tell)
  clock.advance(2000)
  assert.equal(told.length, 100_000)
})

test('one after the other, and none after its end', () => {
  const clock = createTestClock()
  const spread = createSpread(clock)
  const told: string[] = []
  spread.tell(people(40), () => void told.push('one'))
  spread.tell(people(40), () => void told.push('other'))
  assert.equal(told.length, 64)
  spread.stop()
  clock.advance(10_000)
  assert.equal(told.length, 64)
  assert.equal(clock.pendingTimers, 0)
})
