/** Bytes are handed to a peer before anybody vouched for them, or pile up unvouched. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FLAG_VALUE, FRAME } from '../../src/network/session/frames.ts'
import { type Adversary, adversary } from '../kit/session-pair.ts'

const KIB = 1024

/** A caller that takes a stream on stream 1. */
function caller(): { readonly enemy: Adversary; readonly got: number[] } {
  const enemy = adversary('dialler')
  const got: number[] = []
  enemy.victim.call('read', null, { sink: (bytes) => void got.push(bytes.length) })
  enemy.victim.machine.take()
  return { enemy, got }
}

test('DATA reaches the sink only after its SEAL', () => {
  const { enemy, got } = caller()
  enemy.frame(FRAME.DATA, 1, new Uint8Array(1000))
  const bytes = enemy.sealed()
  enemy.victim.machine.receive(bytes.subarray(0, -1))
  assert.deepEqual(got, [])
  enemy.victim.machine.receive(bytes.subarray(-1))
  assert.deepEqual(got, [1000])
})

test('forged DATA never does', () => {
  const { enemy, got } = caller()
  enemy.frame(FRAME.DATA, 1, new Uint8Array(1000))
  const bytes = enemy.sealed()
  bytes.writeUInt8(1, 500)
  enemy.victim.machine.receive(bytes)
  assert.deepEqual(got, [])
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
})

test('more than 64 KiB of one stream before a SEAL close the session', () => {
  const { enemy, got } = caller()
  for (let part = 0; part < 4; part += 1) enemy.frame(FRAME.DATA, 1, new Uint8Array(16 * KIB))
  enemy.send()
  assert.equal(got.length, 4)
  enemy.frame(FRAME.DATA, 1, new Uint8Array(64 * KIB))
  enemy.frame(FRAME.DATA, 1, new Uint8Array(1))
  enemy.victim.machine.receive(enemy.sealed().subarray(0, 64 * KIB + 19))
  assert.equal(enemy.victim.closed?.rule, 'seal: too much data before it')
  assert.equal(got.length, 4)
})

test('many streams together are bounded as well', () => {
  const enemy = adversary()
  for (let stream = 1; stream < 11; stream += 2) {
    enemy.frame(FRAME.DATA | (FLAG_VALUE << 8), stream, new Uint8Array(60 * KIB))
  }
  enemy.victim.machine.receive(enemy.sealed())
  assert.equal(enemy.victim.closed?.rule, 'seal: too many bytes before it')
})
