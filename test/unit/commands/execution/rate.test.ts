/** How fast a peer may call, and how such refusals are recorded. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echoCommand } from '../../../../src/commands/catalog/index.ts'
import { DEFAULT_EXECUTOR_LIMITS } from '../../../../src/commands/execution/index.ts'
import {
  authenticatedPeer,
  callOf,
  createTestExecutor,
  type TestExecutor,
} from '../../../kit/calls.ts'

const { callRate } = DEFAULT_EXECUTOR_LIMITS
const peer = authenticatedPeer()
const hello = (): ReturnType<typeof callOf> => callOf('echo', { value: 'x' })

/** Calls until the first refusal for excess rate. */
async function burst({ outcome }: TestExecutor, caller = peer): Promise<number> {
  for (let count = 0; ; count++) {
    const answer = await outcome(caller, hello())
    if (answer.status === 'ok') continue
    assert.equal(answer.code, 'KOS_EXECUTION_RATE')
    assert.ok(Number(answer.retryAfterMs) >= 1)
    return count
  }
}

describe('the rate of a peer', () => {
  test('allows the burst, then the sustained rate', async () => {
    const made = createTestExecutor([echoCommand], { limits: { callRate } })
    assert.equal(await burst(made), callRate.burst)
    made.clock.advance(1000)
    assert.equal(await burst(made), callRate.perSecond)
  })

  test('retry-after is honest', async () => {
    const made = createTestExecutor([echoCommand], { limits: { callRate } })
    await burst(made)
    const refused = await made.outcome(peer, hello())
    made.clock.advance('retryAfterMs' in refused ? Number(refused.retryAfterMs) : 0)
    assert.equal((await made.outcome(peer, hello())).status, 'ok')
  })

  test('is its own, over all its sessions', async () => {
    const made = createTestExecutor([echoCommand], { limits: { callRate } })
    assert.equal(await burst(made), callRate.burst)
    assert.equal(await burst(made, authenticatedPeer('alice')), 0)
    assert.equal(await burst(made, authenticatedPeer('bob')), callRate.burst)
  })

  test('counts refused calls and repetitions too', async () => {
    const made = createTestExecutor([echoCommand], {
      limits: { callRate: { perSecond: 1, burst: 3 } },
    })
    const call = hello()
    await made.outcome(peer, call)
    await made.outcome(peer, call)
    await made.outcome(peer, callOf('unknown', {}))
    assert.equal(await burst(made), 0)
  })

  test('can be granted per peer', async () => {
    const made = createTestExecutor([echoCommand], {
      limits: { callRate },
      callRateOf: ({ principal }) =>
        principal.id === 'bob' ? { perSecond: 1000, burst: 250 } : undefined,
    })
    assert.equal(await burst(made), callRate.burst)
    assert.equal(await burst(made, authenticatedPeer('bob')), 250)
  })
})

describe('a flood of calls is no flood of records', () => {
  const rateRecords = ({ record }: TestExecutor): { count: number; calls: number } => {
    const taken = record.taken.filter(({ code }) => code === 'KOS_EXECUTION_RATE')
    const calls = taken.reduce((sum, { suppressed = 0 }) => sum + 1 + suppressed, 0)
    return { count: taken.length, calls }
  }

  test('ten refusals have records of their own, then one a second for all', async () => {
    const made = createTestExecutor([echoCommand], {
      limits: { callRate: { perSecond: 0.001, burst: 1 } },
    })
    await made.outcome(peer, hello())
    for (let index = 0; index < 500; index++) await made.outcome(peer, hello())
    assert.deepEqual(rateRecords(made), { count: 10, calls: 10 })
    made.clock.advance(1000)
    await made.outcome(peer, hello())
    assert.deepEqual(rateRecords(made), { count: 11, calls: 501 })
  })

  test('none is lost when the flood ends: the next sweep records the rest', async () => {
    const made = createTestExecutor([echoCommand], {
      limits: { callRate: { perSecond: 0.001, burst: 1 } },
    })
    for (let index = 0; index < 101; index++) await made.outcome(peer, hello())
    assert.deepEqual(rateRecords(made), { count: 10, calls: 10 })
    made.clock.advance(10_000)
    await made.outcome(authenticatedPeer('bob'), hello())
    assert.deepEqual(rateRecords(made), { count: 11, calls: 100 })
  })

  test('nor at shutdown', async () => {
    const made = createTestExecutor([echoCommand], {
      limits: { callRate: { perSecond: 0.001, burst: 1 } },
    })
    for (let index = 0; index < 101; index++) await made.outcome(peer, hello())
    await made.executor.close()
    assert.deepEqual(rateRecords(made).calls, 100)
  })
})

describe('peers in memory', () => {
  test('are bounded, and make room when they are idle', async () => {
    const made = createTestExecutor([echoCommand], { limits: { callRate, maxPeers: 2 } })
    const [a, b, c] = ['a1', 'b1', 'c1'].map((id) => authenticatedPeer(id))
    assert.ok(a && b && c)
    assert.equal((await made.outcome(a, hello())).status, 'ok')
    assert.equal((await made.outcome(b, hello())).status, 'ok')
    const refused = await made.outcome(c, hello())
    assert.equal('rule' in refused && refused.rule, 'execution/peers')
    assert.equal((await made.outcome(a, hello())).status, 'ok')
    for (let round = 0; round < 20; round++) {
      made.clock.advance(10_000)
      await made.outcome(a, hello())
    }
    assert.equal((await made.outcome(c, hello())).status, 'ok')
  })
})
