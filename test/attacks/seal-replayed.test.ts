/** Sealed frames that were good once are sent again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adversary } from '../kit/session-pair.ts'

test('on the same connection, at once or later', () => {
  for (const between of [0, 1, 5]) {
    const enemy = adversary()
    enemy.open(1)
    const bytes = enemy.sealed()
    enemy.victim.machine.receive(bytes)
    for (let stream = 3; stream < 3 + between * 2; stream += 2) {
      enemy.open(stream)
      enemy.send()
    }
    enemy.victim.machine.receive(bytes)
    assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
    assert.equal(enemy.victim.calls.length, 1 + between)
  }
})

test('on another connection of the same peers', () => {
  const first = adversary()
  first.open(1)
  const bytes = first.sealed()
  const second = adversary('listener', {
    handshake: { dialler: { state: { updateCounter: 1 } } },
  })
  second.victim.machine.receive(bytes)
  assert.equal(second.victim.closed?.code, 'KOS_SESSION_SEAL')
  assert.equal(second.victim.calls.length, 0)
})

test('held back for longer than the clocks may differ', () => {
  const enemy = adversary()
  enemy.open(1)
  const bytes = enemy.sealed()
  enemy.clock.advance(30_001)
  enemy.victim.machine.receive(bytes)
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_CLOCK')
  assert.equal(enemy.victim.calls.length, 0)
})
