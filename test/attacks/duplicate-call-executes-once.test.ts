/**
 * Attack: send one call again and again (a replay by the caller, a retry after a broken connection, a
 * second session) so that a change happens more than once.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticatedPeer, callOf, createTestExecutor } from '../kit/calls.ts'
import { heldCommand, testCommand } from '../kit/commands.ts'

const peer = authenticatedPeer()

test('duplicate-call-executes-once', async () => {
  let balance = 0
  const command = testCommand(
    async () => {
      await new Promise(setImmediate)
      return { value: ++balance }
    },
    { effects: 'change' },
  )
  const { outcome, record, clock } = createTestExecutor([command])
  const call = callOf('test.run', { value: 'pay' }, { deadlineMs: 10_000 })

  const together = await Promise.all(Array.from({ length: 50 }, () => outcome(peer, call)))
  const afterwards: unknown[] = []
  for (let index = 0; index < 60; index++) {
    afterwards.push(await outcome(authenticatedPeer('alice'), call))
    clock.advance(1000)
  }
  for (const answer of [...together, ...afterwards]) {
    assert.deepEqual(answer, { status: 'ok', value: { value: 1 } })
  }
  assert.equal(balance, 1)
  assert.equal(record.taken.filter(({ how }) => how === 'intent').length, 1)
  assert.equal(record.taken.filter(({ rule }) => rule === 'execution/repeated').length, 109)
})

test('nor by cancelling and calling again, or by a time-out', async () => {
  const { command, runs } = heldCommand({ effects: 'change' })
  const { outcome, clock } = createTestExecutor([command])
  const controller = new AbortController()
  const call = callOf('test.run', {}, { deadlineMs: 5000 })
  const cancelled = outcome(peer, { ...call, signal: controller.signal })
  await new Promise(setImmediate)
  controller.abort()
  assert.equal((await cancelled).status, 'failed')
  assert.equal((await outcome(peer, call)).status, 'failed')
  clock.advance(5000)
  assert.equal((await outcome(peer, call)).status, 'failed')
  assert.equal(runs.length, 1)
})

test('nor by a flood of reads that would push the call out of memory', async () => {
  let balance = 0
  const pay = testCommand(() => ({ value: ++balance }), { name: 'test.pay', effects: 'change' })
  const read = testCommand(() => ({ value: 'x'.repeat(100) }))
  const { outcome, executor } = createTestExecutor([pay, read], {
    limits: { maxStoredCalls: 1000, maxStoredBytes: 500_000 },
  })
  const call = callOf('test.pay', {})
  await outcome(peer, call)
  for (let index = 0; index < 10_000; index++) {
    void executor.execute(peer, callOf('test.run', { value: index }))
  }
  assert.deepEqual(await outcome(peer, call), { status: 'ok', value: { value: 1 } })
  assert.equal(balance, 1)
})

test('nor by guessing the call id of somebody else', async () => {
  let balance = 0
  const { outcome } = createTestExecutor([
    testCommand(() => ({ value: ++balance }), { effects: 'change' }),
  ])
  const call = callOf('test.run', { value: 'secret' })
  await outcome(peer, call)
  // The guesser gets a call of its own, never the stored result.
  const stolen = await outcome(authenticatedPeer('mallory'), call)
  assert.deepEqual(stolen, { status: 'ok', value: { value: 2 } })
})
