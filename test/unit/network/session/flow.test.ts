import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { DataSender } from '../../../../src/network/session/data-sender.ts'
import {
  createByteBudget,
  ReceiveWindow,
  SendWindow,
  ValueCollector,
} from '../../../../src/network/session/flow.ts'

test('a receive window refuses more than its credit and returns it in halves', () => {
  const window = new ReceiveWindow(100)
  assert.equal(window.take(60), true)
  assert.equal(window.take(41), false)
  assert.equal(window.take(40), true)
  assert.equal(window.consume(49), 0)
  assert.equal(window.consume(1), 50)
  assert.equal(window.take(51), false)
  assert.equal(window.take(50), true)
})

test('a send window never exceeds what was granted', () => {
  const window = new SendWindow(100)
  assert.equal(window.add(1), false)
  window.use(60)
  assert.equal(window.openBytes, 40)
  assert.equal(window.add(0), false)
  assert.equal(window.add(61), false)
  assert.equal(window.add(60), true)
  assert.equal(window.isLarge(25), true)
  assert.equal(window.isLarge(24), false)
})

test('a sender hands out its chunks in order, hashes them and tells each', () => {
  const told: string[] = []
  const sender = new DataSender({ stream: 3, flags: 0 }, new SendWindow(100), 'nothing')
  sender.write(Uint8Array.of(1, 2, 3), (sent) => told.push(`a ${sent}`))
  sender.write(new Uint8Array(0), (sent) => told.push(`empty ${sent}`))
  sender.write(Uint8Array.of(4), (sent) => told.push(`b ${sent}`))
  assert.equal(sender.nextBytes(), 3)
  const target = new Uint8Array(2)
  sender.read(target)
  assert.deepEqual([...target], [1, 2])
  assert.equal(sender.nextBytes(), 1)
  sender.read(target.subarray(0, 1))
  assert.equal(sender.waitingBytes, 1)
  sender.end((digest) => told.push(Buffer.from(digest).toString('hex')))
  assert.equal(sender.isComplete, false)
  sender.read(target.subarray(0, 1))
  assert.equal(sender.isComplete, true)
  sender.complete()
  sender.complete()
  const digest = createHash('sha256')
    .update(Uint8Array.of(1, 2, 3, 4))
    .digest('hex')
  assert.deepEqual(told, ['empty true', 'a true', 'b true', digest])
  assert.equal(sender.nextBytes(), 0)
  sender.read(target)
})

test('a cancelled sender tells that the rest was not sent', () => {
  const told: boolean[] = []
  const sender = new DataSender({ stream: 3, flags: 0 }, new SendWindow(100), 'nothing')
  sender.write(Uint8Array.of(1), (sent) => told.push(sent))
  sender.write(Uint8Array.of(1))
  sender.end(() => assert.fail('it was cancelled'))
  sender.cancel()
  assert.deepEqual(told, [false])
  assert.equal(sender.isComplete, false)
})

test('a collector stops at its limit and at the budget of the process, and frees what it took', () => {
  const budget = createByteBudget(10)
  const one = new ValueCollector(8, budget)
  const two = new ValueCollector(8, budget)
  const piece = Uint8Array.of(1, 2, 3, 4, 5)
  assert.equal(one.add(piece), true)
  piece.fill(0)
  assert.equal(one.add(piece), false)
  assert.equal(two.add(piece), true)
  assert.equal(budget.usedBytes, 10)
  assert.equal(two.add(Uint8Array.of(1)), false)
  assert.deepEqual([...one.take()], [1, 2, 3, 4, 5])
  assert.equal(budget.usedBytes, 5)
  two.drop()
  two.drop()
  assert.equal(budget.usedBytes, 0)
  budget.release(1)
  assert.equal(budget.usedBytes, 0)
})
