/** Manifests are exchanged while calls are decided: each call sees the old one or the new one. */
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'node:test'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import { z } from '../../../../src/foundation/base/index.ts'
import { type Command, defineCommand, echoCommand } from '../../../../src/commands/catalog/index.ts'
import { createAuthorisePort, subjectFacts } from '../../../../src/trust/policy/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { CAMERA, engineWith, manifestOf, ruleOf, verified } from '../../../kit/policy.ts'

const RELOADS = 60
const LANES = 8
const IN_FLIGHT = 64

/** Allows `echo x` by a rule that looks at the argument: such a call is decided in two steps. */
const manifest = (id: string): Record<string, unknown> =>
  manifestOf([
    ruleOf({ id, actions: ['echo'], when: [{ argument: 'value', equals: 'x' }] }),
    ruleOf({ id: `${id}-open`, actions: ['echo'], from: ['role:nobody'] }),
  ])

test('no call finds the place between two manifests', async () => {
  const engine = engineWith([manifest('odd')])
  const peer = authenticatedPeer()
  const from = subjectFacts(peer.peer.principal, profileOf('SEC-2'))
  const { outcome, record } = createTestExecutor([echoCommand], {
    authorise: createAuthorisePort(engine, { selfFacts: () => CAMERA, peerFacts: () => from }),
  })
  let isDone = false
  let calls = 0
  const lane = async (): Promise<void> => {
    while (!isDone) {
      const [yes, no] = await Promise.all([
        outcome(peer, callOf('echo', { value: 'x' })),
        outcome(peer, callOf('echo', { value: 'y' })),
      ])
      assert.equal(yes.status, 'ok', JSON.stringify(yes))
      assert.equal(no.status, 'refused')
      calls += 2
      await nextTurn()
    }
  }
  const lanes = Array.from({ length: LANES }, lane)
  for (let reload = 0; reload < RELOADS; reload += 1) {
    const id = reload % 2 === 0 ? 'even' : 'odd'
    assert.ok(engine.load(verified(manifest(id), { number: reload + 2 })).allow)
    // One that is refused changes nothing, in the middle of calls too.
    assert.equal(engine.load(verified(manifestOf([]), { number: 1 })).allow, false)
    const before = calls
    while (calls < before + LANES) await nextTurn()
  }
  isDone = true
  await Promise.all(lanes)
  assert.equal(engine.revision, RELOADS + 1)
  const rules = record.taken.filter(({ outcome: how }) => how === 'ok').map(({ rule }) => rule)
  assert.deepEqual(new Set(rules), new Set(['fleet/odd', 'fleet/even']))
  const refused = record.taken.filter(({ outcome: how }) => how === 'refused')
  assert.deepEqual(new Set(refused.map(({ rule }) => rule)), new Set(['default-deny']))
})

/** Allows one value and denies the other: half of each of two such manifests would decide otherwise. */
const oneSided = (number: number): Record<string, unknown> => {
  const [own, other] = number % 2 === 0 ? ['even', 'odd'] : ['odd', 'even']
  return manifestOf([
    ruleOf({ id: own, actions: ['set'], when: [{ argument: 'value', equals: own }] }),
    ruleOf({
      id: `not-${other}`,
      effect: 'deny',
      actions: ['set'],
      when: [{ argument: 'value', equals: other }],
    }),
  ])
}

/** A change that ends when the test says so. */
function waitingCommand(waiting: (() => void)[]): Command {
  return defineCommand<{ value: string }, Record<string, never>>({
    name: 'set',
    domain: 'rpc',
    summary: 'Sets a value',
    description: 'Sets a value, later.',
    argumentSchema: z.strictObject({ value: z.string().max(8) }),
    resultSchema: z.strictObject({}),
    positional: ['value'],
    permission: 'set',
    effects: 'change',
    limits: {
      maxArgumentBytes: 64,
      maxResultBytes: 64,
      timeoutMs: 10_000,
      concurrency: IN_FLIGHT,
    },
    examples: [{ purpose: 'Set it.', arguments: { value: 'odd' } }],
    run: () => new Promise((resolve) => waiting.push(() => resolve({}))),
  })
}

test('64 calls in flight: each is decided by one manifest, and recorded by it to its end', async () => {
  const engine = engineWith([oneSided(1)])
  const peer = authenticatedPeer()
  const from = subjectFacts(peer.peer.principal, profileOf('SEC-2'))
  const waiting: (() => void)[] = []
  const { outcome, record } = createTestExecutor([waitingCommand(waiting)], {
    authorise: createAuthorisePort(engine, { selfFacts: () => CAMERA, peerFacts: () => from }),
  })
  const expected = new Map<string, string>()
  const ends: Promise<void>[] = []
  /** Calls with both values; what each must get is what the manifest in force says now. */
  const callBoth = (): void => {
    const inForce = (engine.current()[0]?.number ?? 0) % 2 === 0 ? 'even' : 'odd'
    for (const value of ['odd', 'even']) {
      const call = callOf('set', { value })
      expected.set(call.callId, value === inForce ? `fleet/${value}` : `fleet/not-${value}`)
      ends.push(
        outcome(peer, call).then(({ status }) => {
          assert.equal(status, value === inForce ? 'ok' : 'refused')
        }),
      )
    }
  }
  for (let number = 2; number <= RELOADS + 1; number += 1) {
    callBoth()
    assert.ok(engine.load(verified(oneSided(number), { number })).allow)
    callBoth()
    await nextTurn()
    // Those that began first end first, three manifests later than they began.
    while (waiting.length > IN_FLIGHT - 4) waiting.shift()?.()
    await nextTurn()
  }
  assert.ok(waiting.length >= IN_FLIGHT / 2, `${waiting.length} are still in flight`)
  for (const end of waiting) end()
  await Promise.all(ends)
  const rules = Map.groupBy(record.taken, ({ callId }) => callId)
  assert.equal(rules.size, RELOADS * 4)
  for (const [callId, records] of rules) {
    const rule = expected.get(callId)
    const isAllowed = rule === 'fleet/odd' || rule === 'fleet/even'
    assert.deepEqual(
      records.map((one) => [one.outcome, one.rule]),
      isAllowed
        ? [
            ['intent', rule],
            ['ok', rule],
          ]
        : [['refused', rule]],
    )
  }
})

test('a call that comes again is asked about anew: who lost the right gets no stored result', async () => {
  const engine = engineWith([oneSided(1)])
  const peer = authenticatedPeer()
  const from = subjectFacts(peer.peer.principal, profileOf('SEC-2'))
  const waiting: (() => void)[] = []
  const { outcome } = createTestExecutor([waitingCommand(waiting)], {
    authorise: createAuthorisePort(engine, { selfFacts: () => CAMERA, peerFacts: () => from }),
  })
  const call = callOf('set', { value: 'odd' })
  const first = outcome(peer, call)
  await nextTurn()
  assert.ok(engine.load(verified(oneSided(2), { number: 2 })).allow)
  assert.equal((await outcome(peer, call)).status, 'refused')
  waiting[0]?.()
  assert.equal((await first).status, 'ok')
  assert.equal((await outcome(peer, call)).status, 'refused')
  assert.ok(engine.load(verified(oneSided(3), { number: 3 })).allow)
  assert.equal((await outcome(peer, call)).status, 'ok')
  assert.equal(waiting.length, 1, 'it ran once')
})
