/** A catalog is exchanged as a whole, while calls run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLiveCatalog } from '../../../../src/commands/catalog/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { heldCommand, testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()

test('a set that contradicts itself leaves the one in force', () => {
  const [one, two] = ['one', 'two'].map((name) => testCommand(() => ({}), { name }))
  assert.ok(one && two)
  const catalog = createLiveCatalog([one])
  assert.throws(() => catalog.replace([two, two]), { code: 'KOS_CATALOG_DUPLICATE' })
  assert.deepEqual(catalog.list(), [one])
  catalog.replace([two])
  assert.deepEqual([catalog.get('one'), catalog.get('two')], [undefined, two])
})

test('a running call ends with its definition, and counts for the next one of its name', async () => {
  const limits = {
    maxArgumentBytes: 64,
    maxResultBytes: 64,
    timeoutMs: 60_000,
    concurrency: 1,
  }
  const old = heldCommand({ limits })
  const catalog = createLiveCatalog([old.command])
  const { outcome } = createTestExecutor([], { catalog })
  const first = outcome(peer, callOf('test.run', { value: 1 }))
  catalog.replace([testCommand(() => ({ value: 'new' }), { limits })])
  const second = await outcome(peer, callOf('test.run', { value: 2 }))
  assert.ok(second.status === 'refused')
  assert.equal(second.rule, 'execution/command-concurrency')
  old.runs[0]?.resolve({ value: 'old' })
  assert.deepEqual(await first, { status: 'ok', value: { value: 'old' } })
  const third = await outcome(peer, callOf('test.run', { value: 3 }))
  assert.deepEqual(third, { status: 'ok', value: { value: 'new' } })
})
