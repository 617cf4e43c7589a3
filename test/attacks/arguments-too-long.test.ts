/** Attack: arguments as large as the attacker likes cost memory and time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticatedPeer, callOf, createTestExecutor } from '../kit/calls.ts'
import { builtin } from '../kit/commands.ts'

const NAMES = ['calc', 'echo', 'files.list', 'files.read', 'system.status']
const { outcome, record } = createTestExecutor(NAMES.map((name) => builtin(name)))
const peer = authenticatedPeer()

test('arguments-too-long', async () => {
  const mega = 'x'.repeat(4 * 1024 * 1024)
  const large: readonly (readonly [string, object])[] = [
    ['calc', { expression: '1'.repeat(1025) }],
    ['calc', { expression: mega }],
    ['echo', { value: 'x'.repeat(8193) }],
    ['echo', { value: new Uint8Array(8193) }],
    // Short in characters, long in bytes.
    ['echo', { value: '😀'.repeat(4000) }],
    ['files.read', { path: 'a/'.repeat(513) }],
    ['files.read', { path: mega }],
    ['files.list', { path: `share/${'x'.repeat(1024)}` }],
    ['system.status', { [mega]: 1 }],
    ['system.status', { a: mega }],
    ['echo', { value: Array.from({ length: 100_000 }, () => 0) }],
    ['echo', Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, 0]))],
  ]
  for (const [command, args] of large) {
    const answer = await outcome(peer, callOf(command, args))
    assert.equal(answer.status, 'refused', command)
    assert.equal('code' in answer && answer.code, 'KOS_CATALOG_ARGUMENTS')
    assert.ok(JSON.stringify(answer).length < 300)
  }
})

test('a long command name, call id or trace id is refused and not recorded as it is', async () => {
  const long = 'a'.repeat(100_000)
  const answers = [
    await outcome(peer, callOf(long, {})),
    await outcome(peer, callOf('echo', { value: 'x' }, { callId: long })),
    await outcome(peer, callOf('echo', { value: 'x' }, { traceId: long })),
  ]
  assert.deepEqual(
    answers.map((answer) => 'code' in answer && answer.code),
    ['KOS_CATALOG_UNKNOWN', 'KOS_EXECUTION_CALL', 'KOS_EXECUTION_CALL'],
  )
  assert.ok(JSON.stringify(record.taken).length < 20_000)
})
