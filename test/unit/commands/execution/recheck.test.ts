/** Rights that became narrower end what runs by them; what is still permitted goes on. */
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'node:test'
import type { Refusal } from '../../../../src/foundation/base/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import {
  createAuthorisePort,
  type Rule,
  type SubjectFacts,
  subjectFacts,
} from '../../../../src/trust/policy/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { testCommand } from '../../../kit/commands.ts'
import { CAMERA, engineWith, manifestOf, ruleOf, verified } from '../../../kit/policy.ts'

const LIMITS = { maxArgumentBytes: 64, maxResultBytes: 1000, timeoutMs: 60_000, concurrency: 8 }

/** Streams until nobody takes any more. */
const streamer = testCommand(
  async ({ emit, signal }) => {
    while (!signal.aborted) {
      await emit?.(new Uint8Array(8))
      await nextTurn()
    }
    return {}
  },
  { streams: true, limits: LIMITS },
)

const allowed = (id: string, value: number): Rule =>
  ruleOf({
    id,
    actions: ['test.run'],
    from: ['role:operator'],
    when: [{ argument: 'value', equals: value }],
  })

test('a running stream ends when manifest or directory take its permission away, and only then', async () => {
  const engine = engineWith([manifestOf([allowed('one', 1), allowed('two', 2)])])
  const peer = authenticatedPeer()
  const factsOf = (roles: readonly string[]): SubjectFacts =>
    subjectFacts(peer.peer.principal, profileOf('SEC-2'), { roles })
  let from: SubjectFacts | Refusal = factsOf(['operator'])
  const { executor, record } = createTestExecutor([streamer], {
    authorise: createAuthorisePort(engine, { selfFacts: () => CAMERA, peerFacts: () => from }),
  })
  let taken = 0
  const emit = (): Promise<boolean> => {
    taken += 1
    return Promise.resolve(true)
  }
  const start = (value: number): Promise<unknown> =>
    Promise.resolve(executor.execute(peer, callOf('test.run', { value }, { emit })))
  const [first, second] = [start(1), start(2)]
  while (taken < 10) await nextTurn()
  assert.equal(executor.recheck(), 0)

  // Wider rights, other rules: nothing is disturbed.
  const wider = manifestOf([allowed('one', 1), allowed('two', 2), allowed('three', 3)])
  assert.ok(engine.load(verified(wider, { number: 2 })).allow)
  assert.equal(executor.recheck(), 0)

  // The rule looks at the argument: one of the two calls loses its permission.
  assert.ok(engine.load(verified(manifestOf([allowed('two', 2)]), { number: 3 })).allow)
  assert.equal(executor.recheck(), 1)
  const stopped = { status: 'failed', code: 'KOS_POLICY_NOT_ALLOWED', rule: 'default-deny' }
  const { status, code, rule } = (await first) as typeof stopped
  assert.deepEqual({ status, code, rule }, stopped)
  while (executor.runningCalls > 1) await nextTurn()
  assert.equal(executor.recheck(), 0)

  // The directory says that the caller has the role no longer.
  from = factsOf([])
  assert.equal(executor.recheck(), 1)
  assert.equal(((await second) as typeof stopped).rule, 'default-deny')
  const ends = record.taken.filter(({ outcome }) => outcome === 'failed')
  assert.deepEqual(
    ends.map((end) => [end.code, end.rule]),
    [
      ['KOS_POLICY_NOT_ALLOWED', 'default-deny'],
      ['KOS_POLICY_NOT_ALLOWED', 'default-deny'],
    ],
  )
  await executor.close()
})

test('facts that are not to be had any more end it too', async () => {
  const engine = engineWith([manifestOf([allowed('one', 1)])])
  const peer = authenticatedPeer()
  const refusal: Refusal = { allow: false, code: 'KOS_PKI_LOCKED', rule: 'device' }
  let from: SubjectFacts | Refusal = subjectFacts(peer.peer.principal, profileOf('SEC-2'), {
    roles: ['operator'],
  })
  const { executor } = createTestExecutor([streamer], {
    authorise: createAuthorisePort(engine, { selfFacts: () => CAMERA, peerFacts: () => from }),
  })
  const emit = (): Promise<boolean> => Promise.resolve(true)
  const answer = executor.execute(peer, callOf('test.run', { value: 1 }, { emit }))
  await nextTurn()
  from = refusal
  assert.equal(executor.recheck(), 1)
  assert.equal(((await answer) as { code: string }).code, 'KOS_PKI_LOCKED')
  await executor.close()
})
