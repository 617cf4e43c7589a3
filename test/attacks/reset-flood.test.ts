/** A peer opens calls and cancels them at once, so that each costs this end a start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME } from '../../src/network/session/frames.ts'
import { adversary } from '../kit/session-pair.ts'

const limits = {
  opens: { perSecond: 10_000, burst: 10_000 },
  controls: { perSecond: 1000, burst: 1000 },
}

test('more than 100 resets before their result in 10 s close the session', () => {
  const enemy = adversary('listener', { limits })
  for (let count = 0; count < 100; count += 1) {
    enemy.open(count * 2 + 1)
    enemy.frame(FRAME.RESET, count * 2 + 1, Buffer.of(0, 1))
  }
  enemy.send()
  assert.equal(enemy.victim.machine.closed, false)
  assert.equal(enemy.victim.machine.busy, false)
  assert.ok(enemy.victim.calls.every((call) => call.signal.aborted))
  enemy.open(201)
  enemy.frame(FRAME.RESET, 201, Buffer.of(0, 1))
  enemy.send()
  assert.deepEqual(
    [enemy.victim.closed?.code, enemy.victim.closed?.rule],
    ['KOS_SESSION_FLOOD', 'resets'],
  )
})

test('resets after the result do not count as such', () => {
  const enemy = adversary('listener', { limits })
  enemy.victim.onCall = (call) => enemy.victim.machine.respond(call, { status: 'ok', value: null })
  for (let count = 0; count < 150; count += 1) {
    enemy.open(count * 2 + 1)
    enemy.frame(FRAME.RESET, count * 2 + 1, Buffer.of(0, 1))
  }
  enemy.send()
  assert.equal(enemy.victim.machine.closed, false)
})

test('the defaults stop it by the rate of control frames even earlier', () => {
  const enemy = adversary('listener', { limits: { opens: limits.opens } })
  for (let count = 0; count < 101; count += 1) {
    enemy.open(count * 2 + 1)
    enemy.frame(FRAME.RESET, count * 2 + 1, Buffer.of(0, 1))
  }
  enemy.send()
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_FLOOD')
})
