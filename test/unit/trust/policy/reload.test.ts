/** Manifests are exchanged while calls are decided: each call sees the old one or the new one. */
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'node:test'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import { echoCommand } from '../../../../src/commands/catalog/index.ts'
import { createAuthorisePort, subjectFacts } from '../../../../src/trust/policy/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { CAMERA, engineWith, manifestOf, ruleOf, verified } from '../../../kit/policy.ts'

const RELOADS = 60
const LANES = 8

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
