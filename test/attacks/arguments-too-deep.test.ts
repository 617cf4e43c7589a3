/** Attack: deeply nested arguments exhaust the stack of whoever walks them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineCommand, echoCommand } from '../../src/commands/catalog/index.ts'
import { z } from '../../src/foundation/base/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../kit/calls.ts'

const anything = defineCommand({
  name: 'demo.anything',
  domain: 'rpc',
  summary: 'Takes anything',
  description: 'Takes any value.',
  argumentSchema: z.strictObject({ value: z.unknown() }),
  resultSchema: z.strictObject({}),
  positional: ['value'],
  permission: 'demo',
  effects: 'read',
  limits: { maxArgumentBytes: 16_384, maxResultBytes: 64, timeoutMs: 1000, concurrency: 1 },
  examples: [{ purpose: 'Take one.', arguments: { value: 1 } }],
  run: () => ({}),
})

const { outcome, record } = createTestExecutor([echoCommand, anything])
const peer = authenticatedPeer()

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 0
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

const WRAPS: readonly ((inner: unknown) => unknown)[] = [
  (inner) => [inner],
  (inner) => ({ a: inner }),
  (inner) => [{ a: inner }, inner],
]

test('arguments-too-deep', async () => {
  for (const [index, wrap] of WRAPS.entries()) {
    // The last form doubles with every level and would be too large to build.
    for (const depth of index === 2 ? [12, 16] : [12, 100, 100_000]) {
      for (const command of ['echo', 'demo.anything']) {
        const answer = await outcome(peer, callOf(command, { value: nested(depth, wrap) }))
        assert.equal(answer.status, 'refused')
        assert.match('rule' in answer ? (answer.rule ?? '') : '', /too-deep|too-many-items/)
      }
    }
  }
  const shallow = await outcome(peer, callOf('demo.anything', { value: nested(11, (x) => [x]) }))
  assert.deepEqual(shallow, { status: 'ok', value: {} })
  assert.ok(record.taken.every(({ outcome: end }) => end === 'refused' || end === 'ok'))
})

test('a cycle is refused like any other depth', async () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  const answer = await outcome(peer, callOf('demo.anything', { value: cycle }))
  assert.equal(answer.status, 'refused')
})
