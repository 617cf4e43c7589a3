/** Frames come in an order the protocol does not have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FLAG_END, FLAG_VALUE, FRAME } from '../../src/network/session/frames.ts'
import { adversary, handshakePair, rawFrame } from '../kit/session-pair.ts'

test('stream numbers may not fall or repeat', () => {
  for (const second of [1, 3]) {
    const enemy = adversary()
    enemy.open(3)
    enemy.open(second)
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'open: order')
    assert.equal(enemy.victim.calls.length, 1)
  }
})

test('DATA and RESET of a stream may not come before its OPEN', () => {
  for (const [kind, payload, rule] of [
    [FRAME.DATA | (FLAG_VALUE << 8), Buffer.of(1), 'data: stream'],
    [FRAME.RESET, Buffer.of(0, 1), 'reset: stream'],
    [FRAME.CREDIT, Buffer.of(0, 0, 0, 1), 'credit: stream'],
  ] as const) {
    const enemy = adversary()
    enemy.frame(kind, 1, payload)
    enemy.open(1)
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, rule)
    assert.equal(enemy.victim.calls.length, 0)
  }
})

test('DATA may not come after a complete OPEN', () => {
  const enemy = adversary()
  enemy.open(1)
  enemy.frame(FRAME.DATA | ((FLAG_VALUE | FLAG_END) << 8), 1, Buffer.of(1))
  enemy.send()
  assert.equal(enemy.victim.closed?.rule, 'data: stream')
})

test('batches that change places do not verify', () => {
  const enemy = adversary()
  enemy.open(1)
  const first = enemy.sealed()
  enemy.open(3)
  const second = enemy.sealed()
  enemy.victim.machine.receive(second)
  enemy.victim.machine.receive(first)
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
  assert.equal(enemy.victim.calls.length, 0)
})

test('in the handshake only HELLO, then AUTH, then READY is taken', () => {
  for (const type of [FRAME.AUTH, FRAME.READY, FRAME.SEAL]) {
    const { listener } = handshakePair()
    listener.start()
    const { end } = listener.receive(rawFrame(type, 0, new Uint8Array(40)))
    assert.ok(end && 'allow' in end)
    assert.equal(end.rule, `handshake: unexpected frame ${type}`)
  }
  for (const type of [FRAME.READY, FRAME.SEAL]) {
    const { dialler, listener } = handshakePair()
    listener.start()
    listener.receive(dialler.start())
    const { end } = listener.receive(rawFrame(type, 0, new Uint8Array(40)))
    assert.ok(end && 'allow' in end)
    assert.equal(end.rule, `handshake: unexpected frame ${type}`)
  }
})
