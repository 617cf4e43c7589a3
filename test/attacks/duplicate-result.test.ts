/** A peer answers a call twice, or one that was never made, to overwrite or to confuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCbor } from '../../src/foundation/codec/index.ts'
import { FRAME } from '../../src/network/session/frames.ts'
import { adversary } from '../kit/session-pair.ts'

const result = (value: number): Uint8Array => encodeCbor([0, value, null])

test('the first result counts, the second closes the session', () => {
  const enemy = adversary('dialler')
  const call = enemy.victim.call('echo')
  enemy.frame(FRAME.RESULT, 1, result(1))
  enemy.frame(FRAME.RESULT, 1, result(2))
  enemy.send()
  assert.deepEqual(call.result, { status: 'ok', value: 1, origin: 'peer' })
  assert.equal(enemy.victim.closed?.rule, 'result: stream')
})

test('a result for a call that was never made closes', () => {
  for (const stream of [1, 2, 3, 2 ** 32 - 1]) {
    const enemy = adversary('dialler')
    enemy.frame(FRAME.RESULT, stream, result(1))
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'result: stream')
  }
})

test('a cancelled call takes one late result and keeps what it has', () => {
  const enemy = adversary('dialler')
  const call = enemy.victim.call('echo')
  assert.ok(call.call)
  enemy.victim.machine.cancel(call.call)
  enemy.frame(FRAME.RESULT, 1, result(1))
  enemy.send()
  assert.equal(call.result?.status, 'failed')
  assert.equal(enemy.victim.machine.closed, false)
  enemy.frame(FRAME.RESULT, 1, result(1))
  enemy.send()
  assert.equal(enemy.victim.closed?.rule, 'result: stream')
})
