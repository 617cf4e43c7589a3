/** Words of a command line become arguments of a call, by the definition of the command. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from '../../../../src/foundation/base/index.ts'
import { builtinCatalog, callArguments } from '../../../../src/apps/cli/call-arguments.ts'
import { type Command, defineCommand } from '../../../../src/commands/catalog/index.ts'

const typed: Command = defineCommand({
  name: 'typed',
  domain: 'rpc',
  summary: 'Takes every type',
  description: 'Takes every type.',
  argumentSchema: z.strictObject({
    text: z.string(),
    count: z.int(),
    share: z.number(),
    flag: z.boolean(),
  }),
  resultSchema: z.strictObject({}),
  positional: ['text', 'count', 'share', 'flag'],
  permission: 'typed',
  effects: 'read',
  limits: { maxArgumentBytes: 64, maxResultBytes: 64, timeoutMs: 10, concurrency: 1 },
  examples: [{ purpose: 'All.', arguments: { text: 'a', count: 1, share: 0.5, flag: true } }],
  run: () => ({}),
})

test('words take the types of the definition', () => {
  assert.deepEqual(callArguments(typed, ['1', '2', '2.5', 'false'], undefined), {
    text: '1',
    count: 2,
    share: 2.5,
    flag: false,
  })
  assert.deepEqual(callArguments(typed, [], undefined), {})
})

test('words that do not fit are named', () => {
  for (const [words, reason] of [
    [['a', 'b'], 'count is a number'],
    [['a', ' '], 'count is a number'],
    [['a', '1', '1', 'yes'], 'flag is true or false'],
    [['a', '1', '1', 'true', 'more'], 'typed takes text count share flag'],
  ] as const) {
    assert.throws(() => callArguments(typed, words, undefined), {
      code: 'KOS_CLI_USAGE',
      details: { reason },
    })
  }
})

test('a command that only the peer knows takes JSON or nothing', () => {
  assert.deepEqual(callArguments(undefined, [], undefined), {})
  assert.deepEqual(callArguments(undefined, [], '{"a":[1]}'), { a: [1] })
  assert.throws(() => callArguments(undefined, ['a'], undefined), { code: 'KOS_CLI_USAGE' })
  for (const json of ['', '[1]', 'null', '"a"', '{"a":1,"a":2', '{']) {
    assert.throws(() => callArguments(undefined, [], json), { code: 'KOS_CLI_USAGE' }, json)
  }
  assert.throws(() => callArguments(typed, ['a'], '{}'), {
    details: { reason: 'give either words or --args' },
  })
})

test('the built-in definitions are known, and not run here', () => {
  const catalog = builtinCatalog()
  assert.deepEqual(callArguments(catalog.get('calc'), ['1+2'], undefined), { expression: '1+2' })
})
