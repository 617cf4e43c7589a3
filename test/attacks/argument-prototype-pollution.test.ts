/**
 * Attack: arguments with keys that reach a prototype change objects that the daemon has in common
 * with every other call.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineCommand } from '../../src/commands/catalog/index.ts'
import { z } from '../../src/foundation/base/index.ts'
import { cborToPlain } from '../../src/foundation/codec/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../kit/calls.ts'
import { builtin } from '../kit/commands.ts'

const labels = defineCommand({
  name: 'demo.labels',
  domain: 'rpc',
  summary: 'Takes labels',
  description: 'Takes any labels.',
  argumentSchema: z.strictObject({ labels: z.record(z.string(), z.unknown()) }),
  resultSchema: z.strictObject({ count: z.int() }),
  positional: ['labels'],
  permission: 'demo',
  effects: 'read',
  limits: { maxArgumentBytes: 1024, maxResultBytes: 64, timeoutMs: 1000, concurrency: 1 },
  examples: [{ purpose: 'Take none.', arguments: { labels: {} }, result: { count: 0 } }],
  run: (_context, args) => ({ count: Object.keys(Object.assign({}, args.labels)).length }),
})
const { outcome } = createTestExecutor([labels, builtin('files.list')])
const peer = authenticatedPeer()

const POISON: readonly unknown[] = [
  '{"__proto__": {"admin": true}}',
  '{"a": {"__proto__": {"admin": true}}}',
  '{"constructor": {"prototype": {"admin": true}}}',
  '{"a": [{"prototype": {"admin": true}}]}',
].map((text) => JSON.parse(text) as unknown)

test('argument-prototype-pollution', async () => {
  for (const poison of POISON) {
    for (const args of [{ labels: poison }, poison]) {
      const answer = await outcome(peer, callOf('demo.labels', args))
      assert.equal(answer.status, 'refused')
      assert.equal('rule' in answer && answer.rule, 'arguments: forbidden-key')
    }
  }
  assert.equal(({} as { admin?: boolean }).admin, undefined)
  assert.deepEqual(await outcome(peer, callOf('demo.labels', { labels: { admin: true } })), {
    status: 'ok',
    value: { count: 1 },
  })
})

test('the decoder refuses the key on the wire already', () => {
  assert.throws(() => cborToPlain(new Map([['__proto__', 1]])), { code: 'KOS_CODEC_CBOR' })
})

test('names that every object inherits are unknown arguments, not values', async () => {
  for (const key of ['toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']) {
    const answer = await outcome(peer, callOf('files.list', { [key]: 'x' }))
    assert.equal('rule' in answer && answer.rule, 'arguments.value: unrecognized_keys')
  }
})
