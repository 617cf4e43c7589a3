/** A peer opens calls as fast as it can. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CborWriter } from '../../src/foundation/codec/index.ts'
import { writeOpenHead } from '../../src/network/session/call-codec.ts'
import { FRAME } from '../../src/network/session/frames.ts'
import { type Adversary, adversary } from '../kit/session-pair.ts'

/** Opens so many calls at once and counts what came of them. */
function flood(enemy: Adversary, first: number, count: number): { ok: number; refused: number } {
  for (let index = 0; index < count; index += 1) enemy.open(first + index * 2)
  enemy.send()
  const results = enemy.answers().filter(({ type }) => type === FRAME.RESULT)
  const ok = results.filter(({ payload }) => payload[1] === 0).length
  return { ok, refused: results.length - ok }
}

function answering(limits: object = {}): Adversary {
  const enemy = adversary('listener', { limits })
  enemy.victim.onCall = (call) => enemy.victim.machine.respond(call, { status: 'ok', value: null })
  return enemy
}

test('above 50/s with a burst of 100 calls are refused, not run', () => {
  const enemy = answering()
  assert.deepEqual(flood(enemy, 1, 300), { ok: 100, refused: 200 })
  assert.equal(enemy.victim.calls.length, 100)
  enemy.clock.advance(1000)
  assert.deepEqual(flood(enemy, 1001, 100), { ok: 50, refused: 50 })
  assert.equal(enemy.victim.machine.closed, false)
})

test('who goes on in spite of the refusals is cut off', () => {
  const enemy = answering()
  flood(enemy, 1, 100 + 500)
  assert.equal(enemy.victim.machine.closed, false)
  flood(enemy, 2001, 1)
  assert.deepEqual(
    [enemy.victim.closed?.code, enemy.victim.closed?.rule],
    ['KOS_SESSION_FLOOD', 'opens'],
  )
})

test('the call that was too many leaves no answer and no trace behind GOAWAY', () => {
  const enemy = answering()
  flood(enemy, 1, 100 + 500)
  const writer = new CborWriter()
  const timeMs = enemy.clock.wallMs()
  writeOpenHead(writer, { ids: new Uint8Array(32), command: 'echo', deadlineMs: 1000, timeMs })
  writer.bytes(new Uint8Array(32))
  enemy.frame(FRAME.OPEN, 2001, writer.take())
  enemy.send()
  assert.equal(enemy.victim.closed?.rule, 'opens')
  assert.deepEqual(
    enemy.answers().map(({ type }) => type),
    [FRAME.GOAWAY, FRAME.SEAL],
  )
  assert.equal(enemy.victim.machine.stats.callsOpen, 0)
  assert.equal(enemy.victim.machine.busy, false)
})

test('calls that stay open are bounded by number', () => {
  const enemy = adversary()
  assert.deepEqual(flood(enemy, 1, 90), { ok: 0, refused: 26 })
  assert.equal(enemy.victim.calls.length, 64)
})

test('a grant of more is a matter of configuration', () => {
  const enemy = answering({ opens: { perSecond: 1_000_000, burst: 100_000 } })
  assert.deepEqual(flood(enemy, 1, 1000), { ok: 1000, refused: 0 })
})
