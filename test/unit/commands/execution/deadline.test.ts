/** Deadlines, cancellation, places, shutdown. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CallOutcome } from '../../../../src/commands/execution/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { heldCommand, testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const codeOf = (outcome: CallOutcome): string => ('code' in outcome ? outcome.code : outcome.status)
const limits = { maxArgumentBytes: 1024, maxResultBytes: 1024, timeoutMs: 60_000, concurrency: 100 }

describe('the deadline', () => {
  const deadlineOf = async (
    callerMs: number,
    commandMs: number,
    profile: 'SEC-1' | 'SEC-2',
  ): Promise<number> => {
    const { command, runs } = heldCommand({ limits: { ...limits, timeoutMs: commandMs } })
    const { outcome, clock } = createTestExecutor([command], { profile })
    const answer = outcome(peer, callOf('test.run', {}, { deadlineMs: callerMs }))
    const [run = assert.fail('not started')] = runs
    clock.advance(run.context.deadlineMs - 1)
    await settle()
    assert.equal(run.context.signal.aborted, false)
    clock.advance(1)
    assert.equal(codeOf(await answer), 'KOS_EXECUTION_TIMEOUT')
    assert.equal(run.context.signal.aborted, true)
    return run.context.deadlineMs
  }

  test("is the shortest of the caller's, the command's and the profile's", async () => {
    assert.equal(await deadlineOf(2000, 5000, 'SEC-2'), 2000)
    assert.equal(await deadlineOf(50_000, 5000, 'SEC-2'), 5000)
    assert.equal(await deadlineOf(50_000, 60_000, 'SEC-2'), 30_000)
    assert.equal(await deadlineOf(50_000, 60_000, 'SEC-1'), 10_000)
  })

  test('ends the call even when the command does not listen, and is recorded', async () => {
    const { command, runs } = heldCommand()
    const { outcome, clock, record, executor } = createTestExecutor([command])
    const call = callOf('test.run', {}, { deadlineMs: 1000 })
    const answer = outcome(peer, call)
    clock.advance(1000)
    assert.equal(codeOf(await answer), 'KOS_EXECUTION_TIMEOUT')
    assert.deepEqual(
      record.taken.map(({ outcome: end, code, stage, durationMs }) => [
        end,
        code,
        stage,
        durationMs,
      ]),
      [['failed', 'KOS_EXECUTION_TIMEOUT', 'Filtered', 1000]],
    )
    assert.equal(executor.runningCalls, 1, 'it keeps its place until it really ends')
    runs[0]?.resolve({ value: 'late' })
    await settle()
    assert.equal(executor.runningCalls, 0)
    assert.equal(codeOf(await outcome(peer, call)), 'KOS_EXECUTION_TIMEOUT')
    assert.equal(record.taken.length, 2)
  })

  test('a late rejection harms nobody', async () => {
    const { command, runs } = heldCommand()
    const { outcome, clock, executor } = createTestExecutor([command])
    const answer = outcome(peer, callOf('test.run', {}, { deadlineMs: 1 }))
    clock.advance(1)
    await answer
    runs[0]?.reject(new Error('late'))
    await settle()
    assert.equal(executor.runningCalls, 0)
  })

  test('leaves no timer behind', async () => {
    const { command, runs } = heldCommand()
    const { outcome, clock } = createTestExecutor([command])
    const answer = outcome(peer, callOf('test.run', {}))
    assert.equal(clock.pendingTimers, 1)
    runs[0]?.resolve({})
    await answer
    assert.equal(clock.pendingTimers, 0)
  })
})

describe('cancellation', () => {
  test('ends the wait and aborts the run', async () => {
    const { command, runs } = heldCommand()
    const { outcome, record } = createTestExecutor([command])
    const controller = new AbortController()
    const answer = outcome(peer, callOf('test.run', {}, { signal: controller.signal }))
    assert.equal(runs[0]?.context.signal.aborted, false)
    controller.abort()
    assert.equal(codeOf(await answer), 'KOS_EXECUTION_CANCELLED')
    assert.equal(runs[0]?.context.signal.aborted, true)
    assert.equal(runs[0]?.context.signal.reason, 'KOS_EXECUTION_CANCELLED')
    await settle()
    assert.deepEqual(
      record.taken.map(({ outcome: end, code }) => [end, code]),
      [['failed', 'KOS_EXECUTION_CANCELLED']],
    )
  })

  test('by the session at the deadline counts as a time-out', async () => {
    const { command } = heldCommand()
    const { outcome, clock } = createTestExecutor([command], { profile: 'SEC-2' })
    const controller = new AbortController()
    const call = callOf('test.run', {}, { signal: controller.signal, deadlineMs: 500 })
    clock.after(500, () => controller.abort())
    const answer = outcome(peer, call)
    clock.advance(500)
    assert.equal(codeOf(await answer), 'KOS_EXECUTION_TIMEOUT')
  })

  test('a signal looked at after the stop is aborted already', async () => {
    let later: (() => boolean) | undefined
    const command = testCommand((context) => {
      later = () => context.signal.aborted
      return new Promise(() => undefined)
    })
    const { outcome, clock } = createTestExecutor([command])
    const answer = outcome(peer, callOf('test.run', {}, { deadlineMs: 10 }))
    clock.advance(10)
    await answer
    assert.equal(later?.(), true)
  })

  test('after the end changes nothing', async () => {
    const { command, runs } = heldCommand()
    const { outcome } = createTestExecutor([command])
    const controller = new AbortController()
    const answer = outcome(peer, callOf('test.run', {}, { signal: controller.signal }))
    runs[0]?.resolve({ value: 1 })
    assert.equal((await answer).status, 'ok')
    controller.abort()
    assert.equal(runs[0]?.context.signal.aborted, false)
  })
})

describe('calls at the same time', () => {
  test('are bounded per command, over all peers', async () => {
    const { command, runs } = heldCommand({ limits: { ...limits, concurrency: 2 } })
    const { outcome, executor } = createTestExecutor([command])
    const first = outcome(peer, callOf('test.run', {}))
    const second = outcome(authenticatedPeer('bob'), callOf('test.run', {}))
    const third = await outcome(authenticatedPeer('carol'), callOf('test.run', {}))
    assert.equal(third.status, 'refused')
    assert.equal('rule' in third && third.rule, 'execution/command-concurrency')
    assert.ok('retryAfterMs' in third && Number(third.retryAfterMs) > 0)
    assert.equal(executor.runningCalls, 2)
    runs[0]?.resolve({})
    await first
    const fourth = outcome(peer, callOf('test.run', {}))
    await settle()
    assert.equal(runs.length, 3)
    for (const { resolve } of runs) resolve({})
    await Promise.all([second, fourth])
  })

  test('are bounded per peer, over all commands', async () => {
    const one = heldCommand()
    const other = testCommand(() => ({}), { name: 'test.other' })
    const { outcome } = createTestExecutor([one.command, other], {
      limits: { maxRunningPerPeer: 1 },
    })
    const first = outcome(peer, callOf('test.run', {}))
    const refused = await outcome(peer, callOf('test.other', {}))
    assert.equal('rule' in refused && refused.rule, 'execution/peer-concurrency')
    assert.equal((await outcome(authenticatedPeer('bob'), callOf('test.other', {}))).status, 'ok')
    one.runs[0]?.resolve({})
    await first
    assert.equal((await outcome(peer, callOf('test.other', {}))).status, 'ok')
  })

  test('a synchronous command that throws frees its place', async () => {
    const command = testCommand(() => assert.fail('x'), { limits: { ...limits, concurrency: 1 } })
    const { outcome } = createTestExecutor([command])
    for (let round = 0; round < 3; round++) {
      assert.equal(codeOf(await outcome(peer, callOf('test.run', {}))), 'KOS_EXECUTION_FAILED')
    }
  })
})

describe('shutdown', () => {
  test('refuses new calls, stops running ones and waits for their records', async () => {
    const { command, runs } = heldCommand({ effects: 'change' })
    const { outcome, executor, record } = createTestExecutor([command])
    const running = outcome(peer, callOf('test.run', {}))
    await settle()
    assert.equal(runs.length, 1)
    const release = record.hold()
    let closed = false
    const closing = executor.close().then(() => (closed = true))
    const refused = await outcome(peer, callOf('test.run', {}))
    assert.deepEqual([refused.status, codeOf(refused)], ['refused', 'KOS_EXECUTION_CLOSED'])
    await settle()
    assert.equal(closed, false)
    release()
    await closing
    const ended = await running
    assert.deepEqual([ended.status, codeOf(ended)], ['failed', 'KOS_EXECUTION_CLOSED'])
    assert.equal(runs[0]?.context.signal.aborted, true)
    assert.ok(
      record.taken.some(({ how, code }) => how === 'outcome' && code === 'KOS_EXECUTION_CLOSED'),
    )
  })

  test('of an idle executor is immediate', async () => {
    const { executor } = createTestExecutor([])
    await executor.close()
    assert.equal(executor.runningCalls, 0)
  })
})
