/** A call id stands for one call: joined while it runs, answered from memory afterwards. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echoCommand } from '../../../../src/commands/catalog/index.ts'
import type { CallOutcome } from '../../../../src/commands/execution/index.ts'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { allowAll, authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { heldCommand, testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const ruleOf = (outcome: CallOutcome): string | undefined =>
  'rule' in outcome ? outcome.rule : outcome.status

/** A command that counts its runs. */
function counting(parts: Parameters<typeof testCommand>[1] = {}): ReturnType<typeof testCommand> {
  let count = 0
  return testCommand(() => ({ value: ++count }), parts)
}
const first = { status: 'ok', value: { value: 1 } }
const second = { status: 'ok', value: { value: 2 } }

describe('the same call again', () => {
  for (const effects of ['read', 'change'] as const) {
    test(`gets the stored result of a ${effects}, and is recorded as a repetition`, async () => {
      const { outcome, record } = createTestExecutor([counting({ effects })])
      const call = callOf('test.run', { value: ['x', { a: 1 }] })
      const again = { ...call, arguments: structuredClone(call.arguments), traceId: 'other' }
      assert.deepEqual(await outcome(peer, call), first)
      const before = record.taken.length
      assert.deepEqual(await outcome(peer, again), first)
      assert.deepEqual(
        record.taken.slice(before).map(({ how, outcome: end, rule }) => [how, end, rule]),
        [['soon', 'ok', 'execution/repeated']],
      )
    })
  }

  test('through another session of the same principal too', async () => {
    const { outcome } = createTestExecutor([counting()])
    const call = callOf('test.run', {})
    assert.deepEqual(await outcome(authenticatedPeer('alice'), call), first)
    assert.deepEqual(await outcome(authenticatedPeer('alice'), call), first)
  })

  test('of another principal is another call', async () => {
    const { outcome } = createTestExecutor([counting()])
    const call = callOf('test.run', {})
    assert.deepEqual(await outcome(peer, call), first)
    assert.deepEqual(await outcome(authenticatedPeer('mallory'), call), second)
  })

  test('with another spelling of the same canonical arguments is the same call', async () => {
    const canonicalise = ({ value }: { value?: unknown }): { value: string } => ({
      value: String(value).toLowerCase(),
    })
    const { outcome } = createTestExecutor([counting({ canonicalise })])
    const call = callOf('test.run', { value: 'A' })
    assert.deepEqual(await outcome(peer, call), first)
    assert.deepEqual(await outcome(peer, { ...call, arguments: { value: 'a' } }), first)
  })

  test('with other arguments or another command is refused', async () => {
    const other = testCommand(() => assert.fail('ran'), { name: 'test.other' })
    const { outcome } = createTestExecutor([counting(), other])
    const call = callOf('test.run', { value: 1 })
    assert.deepEqual(await outcome(peer, call), first)
    for (const change of [
      { arguments: { value: 2 } },
      { arguments: {} },
      { command: 'test.other' },
    ]) {
      const answer = await outcome(peer, { ...call, ...change })
      assert.deepEqual([answer.status, ruleOf(answer)], ['refused', 'execution/call-id'])
    }
    assert.deepEqual(await outcome(peer, call), first)
  })

  test('gets a stored failure too', async () => {
    let count = 0
    const command = testCommand(() => {
      count++
      return refuse('KOS_CATALOG_FILE_MISSING', 'files/missing')
    })
    const { outcome } = createTestExecutor([command])
    const call = callOf('test.run', {})
    assert.equal(ruleOf(await outcome(peer, call)), 'files/missing')
    assert.equal(ruleOf(await outcome(peer, call)), 'files/missing')
    assert.equal(count, 1)
  })

  test('after a refusal is decided anew: nothing was executed', async () => {
    let allowed = false
    const { outcome } = createTestExecutor([counting()], {
      authorise: {
        authorise: (authenticated, call, command) =>
          allowed
            ? allowAll().authorise(authenticated, call, command)
            : refuse('KOS_POLICY_DENIED', 'default-deny'),
      },
    })
    const call = callOf('test.run', {})
    assert.equal(ruleOf(await outcome(peer, call)), 'default-deny')
    allowed = true
    assert.deepEqual(await outcome(peer, call), first)
    allowed = false
    assert.equal(ruleOf(await outcome(peer, call)), 'default-deny', 'a right that was lost')
  })

  test('gets the result even when its network buffer was used again', async () => {
    const { outcome } = createTestExecutor([echoCommand])
    const buffer = Buffer.from('secret')
    const call = callOf('echo', { value: buffer })
    await outcome(peer, call)
    buffer.fill(0)
    const answer = await outcome(peer, { ...call, arguments: { value: Buffer.from('secret') } })
    assert.deepEqual(answer, {
      status: 'ok',
      value: { value: Uint8Array.from(Buffer.from('secret')) },
    })
  })

  test('whose repetition cannot be recorded gets no result', async () => {
    const { outcome, record } = createTestExecutor([counting()])
    const call = callOf('test.run', {})
    await outcome(peer, call)
    record.failNext('soon')
    assert.equal(ruleOf(await outcome(peer, call)), 'execution/audit')
  })
})

describe('while the first still runs', () => {
  test('it joins: one run, one result for all', async () => {
    for (const effects of ['read', 'change'] as const) {
      const { command, runs } = heldCommand({ effects })
      const { outcome } = createTestExecutor([command])
      const call = callOf('test.run', { value: 1 })
      const answers = [outcome(peer, call), outcome(peer, call), outcome(peer, call)]
      await settle()
      assert.equal(runs.length, 1)
      const differs = await outcome(peer, { ...call, arguments: { value: 2 } })
      assert.equal(ruleOf(differs), 'execution/call-id')
      runs[0]?.resolve({ value: 'x' })
      for (const answer of await Promise.all(answers)) {
        assert.deepEqual(answer, { status: 'ok', value: { value: 'x' } })
      }
    }
  })

  test('the run goes on when the first caller leaves and another waits', async () => {
    const { command, runs } = heldCommand()
    const { outcome } = createTestExecutor([command])
    const call = callOf('test.run', {})
    const [lost, alive] = [new AbortController(), new AbortController()]
    const dropped = outcome(peer, { ...call, signal: lost.signal })
    const resumed = outcome(peer, { ...call, signal: alive.signal })
    lost.abort()
    assert.equal(ruleOf(await dropped), 'execution/cancelled')
    assert.equal(runs[0]?.context.signal.aborted, false)
    runs[0]?.resolve({ value: 'x' })
    assert.deepEqual(await resumed, { status: 'ok', value: { value: 'x' } })
  })

  test('the run is stopped when the last one leaves', async () => {
    const { command, runs } = heldCommand()
    const { outcome } = createTestExecutor([command])
    const call = callOf('test.run', {})
    const controllers = [new AbortController(), new AbortController()]
    const answers = controllers.map(({ signal }) => outcome(peer, { ...call, signal }))
    for (const controller of controllers) controller.abort()
    for (const answer of await Promise.all(answers)) {
      assert.equal(ruleOf(answer), 'execution/cancelled')
    }
    assert.equal(runs[0]?.context.signal.aborted, true)
  })

  test('a caller that is gone already does not stop the others', async () => {
    const { command, runs } = heldCommand()
    const { outcome } = createTestExecutor([command])
    const call = callOf('test.run', {})
    const waiting = outcome(peer, call)
    const gone = await outcome(peer, { ...call, signal: AbortSignal.abort() })
    assert.equal(ruleOf(gone), 'execution/cancelled')
    runs[0]?.resolve({})
    assert.equal((await waiting).status, 'ok')
  })
})

describe('time and memory', () => {
  test('a result is kept until the deadline and 60 s have passed', async () => {
    for (const effects of ['read', 'change'] as const) {
      const { outcome, clock } = createTestExecutor([counting({ effects })])
      const call = callOf('test.run', {}, { deadlineMs: 10_000 })
      assert.deepEqual(await outcome(peer, call), first)
      clock.advance(69_999)
      assert.deepEqual(await outcome(peer, call), first)
      clock.advance(1)
      assert.deepEqual(await outcome(peer, call), second)
      assert.deepEqual(await outcome(peer, call), second)
    }
  })

  test('sweeps in between lose nothing that is not due', async () => {
    const { outcome, clock } = createTestExecutor([counting()])
    const call = callOf('test.run', {}, { deadlineMs: 1_000_000 })
    assert.deepEqual(await outcome(peer, call), first)
    for (let second = 0; second < 359; second += 10) {
      clock.advance(10_000)
      if (second < 340) assert.deepEqual(await outcome(peer, call), first)
    }
    clock.advance(10_000)
    assert.deepEqual(await outcome(peer, call), second)
  })

  test('a slow peer keeps a full generation, and no more', async () => {
    const { outcome, executor, clock } = createTestExecutor([counting(), echoCommand])
    const call = callOf('test.run', {}, { deadlineMs: 300_000 })
    await outcome(peer, call)
    const fill = (count: number): void => {
      for (let index = 0; index < count; index++) {
        if (index % 100 === 0) clock.advance(1000)
        void executor.execute(peer, callOf('echo', { value: 'x' }, { deadlineMs: 300_000 }))
      }
    }
    fill(4000)
    assert.deepEqual(await outcome(peer, call), first)
    fill(8200)
    assert.deepEqual(await outcome(peer, call), second)
  })

  test('at the default rate and deadline no read is given up before its time', async () => {
    const { outcome, executor, clock } = createTestExecutor([counting(), echoCommand])
    const calls: ReturnType<typeof callOf>[] = []
    for (let second = 0; second < 400; second++) {
      for (let index = 0; index < 50; index++) {
        void executor.execute(peer, callOf('echo', { value: 'x' }))
      }
      const call = callOf('test.run', {})
      calls.push(call)
      const expected = await outcome(peer, call)
      const older = calls[second - 69]
      if (older) {
        const again = await outcome(peer, older)
        assert.deepEqual(again, { status: 'ok', value: { value: second - 68 } })
      }
      assert.deepEqual(expected, { status: 'ok', value: { value: second + 1 } })
      clock.advance(1000)
    }
  })

  test('of a fast peer the last few hundred are kept', async () => {
    const { outcome, executor } = createTestExecutor([counting(), echoCommand])
    const call = callOf('test.run', {})
    await outcome(peer, call)
    for (let index = 0; index < 255; index++) {
      void executor.execute(peer, callOf('echo', { value: 'x' }))
    }
    assert.deepEqual(await outcome(peer, call), first)
    for (let index = 0; index < 512; index++) {
      void executor.execute(peer, callOf('echo', { value: 'x' }))
    }
    assert.deepEqual(await outcome(peer, call), second)
  })

  test('reads are given up oldest first, changes never', async () => {
    const changing = counting({ name: 'test.change', effects: 'change' })
    const { outcome, executor } = createTestExecutor([counting(), changing])
    const change = callOf('test.change', {})
    const oldest = callOf('test.run', {})
    await outcome(peer, change)
    assert.deepEqual(await outcome(peer, oldest), first)
    let youngest = oldest
    for (let index = 0; index < 900; index++) {
      youngest = callOf('test.run', {})
      void executor.execute(peer, youngest)
    }
    assert.deepEqual(await outcome(peer, youngest), { status: 'ok', value: { value: 901 } })
    assert.deepEqual(await outcome(peer, change), first)
    assert.deepEqual(await outcome(peer, oldest), { status: 'ok', value: { value: 902 } })
  })

  test('a running call is found again whatever passes by', async () => {
    const { command, runs } = heldCommand({ name: 'test.held' })
    const { outcome, executor } = createTestExecutor([counting(), command])
    const held = callOf('test.held', {})
    const answers = [outcome(peer, held)]
    for (let index = 0; index < 1500; index++) void executor.execute(peer, callOf('test.run', {}))
    answers.push(outcome(peer, held))
    assert.equal(runs.length, 1)
    runs[0]?.resolve({ value: 'x' })
    for (const answer of await Promise.all(answers)) {
      assert.deepEqual(answer, { status: 'ok', value: { value: 'x' } })
    }
  })

  test('without memory reads are answered but not kept', async () => {
    const { outcome } = createTestExecutor([counting()], { limits: { maxStoredCalls: 1 } })
    const [kept, lost] = [callOf('test.run', {}), callOf('test.run', {})]
    assert.deepEqual(await outcome(peer, kept), first)
    assert.deepEqual(await outcome(peer, lost), second)
    assert.deepEqual(await outcome(peer, kept), first)
    assert.deepEqual(await outcome(peer, lost), { status: 'ok', value: { value: 3 } })
  })

  test('a read that runs when memory fills up is not kept', async () => {
    const { command, runs } = heldCommand()
    const { outcome } = createTestExecutor([command], { limits: { maxStoredBytes: 1 } })
    const call = callOf('test.run', {})
    const answer = outcome(peer, call)
    runs[0]?.resolve({ value: 'x' })
    assert.equal((await answer).status, 'ok')
    const again = outcome(peer, call)
    assert.equal(runs.length, 2)
    runs[1]?.resolve({ value: 'y' })
    assert.deepEqual(await again, { status: 'ok', value: { value: 'y' } })
  })

  test('without room for its result, a change stays known as executed', async () => {
    const { command, runs } = heldCommand({ effects: 'change' })
    const { outcome } = createTestExecutor([command, echoCommand], {
      limits: { maxStoredBytes: 1000 },
    })
    const call = callOf('test.run', {})
    const answer = outcome(peer, call)
    await settle()
    await outcome(peer, callOf('echo', { value: 'x'.repeat(5000) }))
    runs[0]?.resolve({ value: 'x' })
    assert.deepEqual(await answer, { status: 'ok', value: { value: 'x' } })
    const again = await outcome(peer, call)
    assert.deepEqual([again.status, ruleOf(again)], ['failed', 'execution/stored-result'])
    assert.equal(runs.length, 1)
  })

  test('without room for the call, a change is not started', async () => {
    const changing = counting({ effects: 'change' })
    const full = createTestExecutor([changing], { limits: { maxStoredCalls: 1 } })
    const call = callOf('test.run', {})
    assert.deepEqual(await full.outcome(peer, call), first)
    const refused = await full.outcome(peer, callOf('test.run', {}))
    assert.deepEqual([refused.status, ruleOf(refused)], ['refused', 'execution/stored-calls'])
    assert.deepEqual(await full.outcome(peer, call), first)
    full.clock.advance(200_000)
    await full.outcome(authenticatedPeer('bob'), callOf('test.run', {}))
    full.clock.advance(200_000)
    assert.equal((await full.outcome(peer, callOf('test.run', {}))).status, 'ok')
  })

  test('changes of one peer are bounded without harm to others', async () => {
    const changing = counting({ effects: 'change' })
    const { outcome } = createTestExecutor([changing], { limits: { maxStoredChangesPerPeer: 2 } })
    await outcome(peer, callOf('test.run', {}))
    await outcome(peer, callOf('test.run', {}))
    const refused = await outcome(peer, callOf('test.run', {}))
    assert.equal(ruleOf(refused), 'execution/stored-changes')
    assert.equal((await outcome(authenticatedPeer('bob'), callOf('test.run', {}))).status, 'ok')
  })

  test('reads of everybody make room for a change', async () => {
    const changing = counting({ name: 'test.change', effects: 'change' })
    const { outcome, executor } = createTestExecutor([changing, counting()], {
      limits: { maxStoredCalls: 300 },
    })
    for (let index = 0; index < 300; index++) {
      void executor.execute(authenticatedPeer('bob'), callOf('test.run', {}))
    }
    const change = callOf('test.change', {})
    assert.deepEqual(await outcome(peer, change), first)
    assert.deepEqual(await outcome(peer, change), first)
  })
})
