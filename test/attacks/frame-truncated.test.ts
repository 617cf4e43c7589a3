/** A frame announces more than it brings, and the connection ends in the middle of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adversary, handshakePair } from '../kit/session-pair.ts'

test('every prefix of a sealed call is waited for, and none is acted on', () => {
  const enemy = adversary()
  enemy.open(1)
  const bytes = enemy.sealed()
  for (let length = 1; length < bytes.length; length += 1) {
    const other = adversary()
    other.open(1)
    other.victim.machine.receive(other.sealed().subarray(0, length))
    assert.equal(other.victim.calls.length, 0)
    assert.equal(other.victim.closed, undefined)
    assert.equal(other.victim.machine.take(), undefined)
  }
  enemy.victim.machine.receive(bytes)
  assert.equal(enemy.victim.calls.length, 1)
})

test('a length that does not fit the payload breaks the frame behind it, and the SEAL', () => {
  for (const change of [-1, 1]) {
    const enemy = adversary()
    enemy.open(1)
    enemy.open(3)
    const bytes = enemy.sealed()
    bytes.writeUInt8(bytes.readUInt8(2) + change, 2)
    enemy.victim.machine.receive(bytes)
    assert.equal(enemy.victim.calls.length, 0)
    if (change < 0) assert.ok(enemy.victim.closed)
  }
})

test('every prefix of a HELLO is waited for until the time is over', () => {
  const hello = handshakePair().dialler.start()
  for (let length = 1; length < hello.length; length += 7) {
    const { listener, clock, limits } = handshakePair()
    listener.start()
    assert.deepEqual(listener.receive(hello.subarray(0, length)).end, undefined)
    clock.advance(limits.handshakeTimeoutMs)
    const { end } = listener.tick(clock.monotonicMs())
    assert.ok(end && 'allow' in end && end.code === 'KOS_SESSION_TIMEOUT')
  }
})
