/** Commands that change something, and everything at SEC-3 and above: records before steps. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echoCommand } from '../../../../src/commands/catalog/index.ts'
import { sha256 } from '../../../../src/foundation/base/index.ts'
import { encodeCbor } from '../../../../src/foundation/codec/index.ts'
import type { ProfileName } from '../../../../src/foundation/profiles/index.ts'
import { authenticatedPeer, callOf, createTestExecutor, TEST_GRANT } from '../../../kit/calls.ts'
import { heldCommand, testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()
const unavailable = 'KOS_EXECUTION_AUDIT_UNAVAILABLE'

/** Lets every promise that can go on go on. */
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

describe('a command that changes something', () => {
  test('runs after its intent is durable and answers after its outcome is', async () => {
    const steps: string[] = []
    const command = testCommand(
      () => {
        steps.push('run')
        return { value: 'done' }
      },
      { effects: 'change' },
    )
    const { executor, record } = createTestExecutor([command])
    const release = record.hold()
    const answer = Promise.resolve(executor.execute(peer, callOf('test.run', { value: 1 })))
    void answer.then(() => steps.push('answer'))
    await settle()
    assert.deepEqual([steps, record.taken], [[], []])
    release()
    assert.deepEqual(await answer, { status: 'ok', value: { value: 'done' } })
    assert.deepEqual(steps, ['run', 'answer'])
    assert.deepEqual(
      record.taken.map(({ how, outcome, stage }) => [how, outcome, stage]),
      [
        ['intent', 'intent', 'Validated'],
        ['outcome', 'ok', 'Filtered'],
      ],
    )
  })

  test('both records carry the rule and the digest of the canonical arguments', async () => {
    const command = testCommand(() => ({}), {
      effects: 'change',
      canonicalise: ({ value }) => ({ value: String(value).toLowerCase() }),
    })
    const { outcome, record } = createTestExecutor([command])
    await outcome(peer, callOf('test.run', { value: 'ABC' }))
    const digest = sha256(encodeCbor({ value: 'abc' }))
    assert.equal(record.taken.length, 2)
    for (const taken of record.taken) {
      assert.deepEqual(taken.argumentDigest, digest)
      assert.equal(taken.rule, TEST_GRANT.rule)
    }
  })

  test('a failure is recorded durably too', async () => {
    const command = testCommand(() => Promise.reject(new Error('x')), { effects: 'change' })
    const { outcome, record } = createTestExecutor([command])
    const answer = await outcome(peer, callOf('test.run', {}))
    assert.equal('code' in answer && answer.code, 'KOS_EXECUTION_FAILED')
    assert.deepEqual(
      record.taken.map(({ how, outcome: end, code }) => [how, end, code]),
      [
        ['intent', 'intent', undefined],
        ['outcome', 'failed', 'KOS_EXECUTION_FAILED'],
      ],
    )
  })

  test('is not started while the log takes no records', async () => {
    const { command, runs } = heldCommand({ effects: 'change' })
    const { outcome, record } = createTestExecutor([command, echoCommand])
    record.healthy = false
    const answer = await outcome(peer, callOf('test.run', {}))
    assert.deepEqual([answer.status, 'code' in answer && answer.code], ['refused', unavailable])
    assert.ok('retryAfterMs' in answer && Number(answer.retryAfterMs) > 0)
    assert.equal(runs.length, 0)
    assert.equal((await outcome(peer, callOf('echo', { value: 'x' }))).status, 'ok')
  })

  test('is not started when its intent fails, and can be called again', async () => {
    const { command, runs } = heldCommand({ effects: 'change' })
    const { executor, outcome, record } = createTestExecutor([command])
    record.failNext('intent')
    const call = callOf('test.run', {})
    const answer = await outcome(peer, call)
    assert.deepEqual([answer.status, 'code' in answer && answer.code], ['refused', unavailable])
    assert.equal(runs.length, 0)
    assert.equal(executor.runningCalls, 0)
    const again = outcome(peer, call)
    await settle()
    runs[0]?.resolve({ value: 1 })
    assert.deepEqual(await again, { status: 'ok', value: { value: 1 } })
  })

  test('withholds a result whose outcome could not be recorded; a duplicate runs nothing', async () => {
    let count = 0
    const command = testCommand(() => ({ value: ++count }), { effects: 'change' })
    const { outcome, record } = createTestExecutor([command])
    record.failNext('outcome')
    const call = callOf('test.run', {})
    for (let attempt = 0; attempt < 2; attempt++) {
      const answer = await outcome(peer, call)
      assert.deepEqual([answer.status, 'code' in answer && answer.code], ['failed', unavailable])
    }
    assert.equal(count, 1)
  })

  test('cancelled before its intent is durable, it never starts; the intent gets its outcome', async () => {
    const { command, runs } = heldCommand({ effects: 'change' })
    const { outcome, record, executor } = createTestExecutor([command])
    const release = record.hold()
    const controller = new AbortController()
    const answer = outcome(peer, callOf('test.run', {}, { signal: controller.signal }))
    controller.abort()
    assert.equal('code' in (await answer) && (await answer).status, 'failed')
    release()
    await settle()
    assert.equal(runs.length, 0)
    assert.equal(executor.runningCalls, 0)
    assert.deepEqual(
      record.taken.map(({ how, code }) => [how, code]),
      [
        ['intent', undefined],
        ['outcome', 'KOS_EXECUTION_CANCELLED'],
      ],
    )
  })

  test('a canonical form that cannot be recorded stops the call', async () => {
    const command = testCommand(() => assert.fail('ran'), {
      effects: 'change',
      canonicalise: () => ({ value: new Date(0) }),
    })
    const { outcome, executor } = createTestExecutor([command])
    const answer = await outcome(peer, callOf('test.run', {}))
    assert.equal('code' in answer && answer.code, 'KOS_EXECUTION_FAILED')
    assert.equal(executor.runningCalls, 0)
  })
})

describe('the profile decides for commands that only read', () => {
  const hows = async (device: ProfileName, caller: ProfileName): Promise<readonly string[]> => {
    const { outcome, record } = createTestExecutor([echoCommand], { profile: device })
    const answer = await outcome(authenticatedPeer('bob', caller), callOf('echo', { value: 'x' }))
    assert.equal(answer.status, 'ok')
    return record.taken.map(({ how }) => how)
  }

  test('SEC-1 and SEC-2 record within 50 ms, SEC-3 and SEC-4 before every step', async () => {
    const levels = ['SEC-1', 'SEC-2', 'SEC-3', 'SEC-4'] as const
    for (const device of levels) {
      for (const caller of levels) {
        const strict = [device, caller].some((name) => name === 'SEC-3' || name === 'SEC-4')
        assert.deepEqual(await hows(device, caller), strict ? ['intent', 'outcome'] : ['soon'])
      }
    }
  })

  test('and refuses them while the log takes no records', async () => {
    const { outcome, record } = createTestExecutor([echoCommand], { profile: 'SEC-3' })
    record.healthy = false
    const answer = await outcome(peer, callOf('echo', { value: 'x' }))
    assert.equal('code' in answer && answer.code, unavailable)
  })
})
