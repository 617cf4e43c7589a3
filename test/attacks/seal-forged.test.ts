/** Somebody without the keys of the session writes frames and a SEAL, or changes those of a peer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adversary } from '../kit/session-pair.ts'

test('any flipped bit of a sealed call closes the session, and the call is not seen', () => {
  const length = (() => {
    const enemy = adversary()
    enemy.open(1)
    return enemy.sealed().length
  })()
  for (let at = 0; at < length; at += 1) {
    const enemy = adversary()
    enemy.open(1)
    const bytes = enemy.sealed()
    const bit = 1 << (at % 8)
    bytes.writeUInt8(bytes.readUInt8(at) ^ bit, at)
    enemy.victim.machine.receive(bytes)
    // A greater length makes the machine wait for the rest: nothing is seen then either.
    enemy.victim.machine.receive(new Uint8Array(70_000))
    assert.ok(enemy.victim.closed, `byte ${at}`)
    assert.equal(enemy.victim.calls.length, 0)
  }
})

test('a SEAL made with the keys of the other direction does not fit', () => {
  const enemy = adversary()
  enemy.victim.call('echo')
  const own = enemy.victim.machine.take()
  assert.ok(own)
  enemy.victim.machine.receive(own)
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
})

test('a SEAL under the key before REKEY does not fit any more', () => {
  const enemy = adversary()
  enemy.frame(0x24, 0, Buffer.of(0, 0, 0, 1))
  enemy.send()
  enemy.open(1)
  enemy.send()
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
  assert.equal(enemy.victim.calls.length, 0)
})

test('the peer learns nothing of why', () => {
  const enemy = adversary()
  enemy.open(1)
  const bytes = enemy.sealed()
  bytes.fill(0, bytes.length - 32)
  enemy.victim.machine.receive(bytes)
  const [goaway] = enemy.answers()
  assert.equal(goaway?.type, 0x22)
  assert.equal(goaway?.payload.readUInt16BE(4), 5)
})
