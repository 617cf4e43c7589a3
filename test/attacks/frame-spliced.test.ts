/** Frames of two batches, or of two connections, are put together anew. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Adversary, adversary } from '../kit/session-pair.ts'

/** A batch taken apart: its frames, and its SEAL frame. */
function batch(
  enemy: Adversary,
  stream: number,
): { readonly frames: Buffer; readonly seal: Buffer } {
  enemy.open(stream)
  const bytes = enemy.sealed()
  return { frames: bytes.subarray(0, -49), seal: bytes.subarray(-49) }
}

test('no batch fits the SEAL of another', () => {
  const enemy = adversary()
  const [first, second] = [batch(enemy, 1), batch(enemy, 3)]
  enemy.victim.machine.receive(Buffer.concat([second.frames, first.seal]))
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
  assert.equal(enemy.victim.calls.length, 0)
})

test('two batches do not become one, and one does not become two', () => {
  const joined = adversary()
  const [first, second] = [batch(joined, 1), batch(joined, 3)]
  joined.victim.machine.receive(Buffer.concat([first.frames, second.frames, second.seal]))
  assert.equal(joined.victim.closed?.code, 'KOS_SESSION_SEAL')
  const cut = adversary()
  cut.open(1)
  cut.open(3)
  const bytes = cut.sealed()
  const half = (bytes.length - 49) / 2
  cut.victim.machine.receive(Buffer.concat([bytes.subarray(0, half), bytes.subarray(-49)]))
  assert.equal(cut.victim.closed?.code, 'KOS_SESSION_SEAL')
  for (const enemy of [joined, cut]) assert.equal(enemy.victim.calls.length, 0)
})

test('a frame in front of, between or behind sealed frames is found', () => {
  for (const at of [0, 0.5, 1]) {
    const enemy = adversary()
    enemy.open(1)
    enemy.open(5)
    const bytes = enemy.sealed()
    const end = bytes.length - 49
    const stranger = adversary()
    stranger.open(3)
    const forged = stranger.sealed().subarray(0, -49)
    const place = end * at
    enemy.victim.machine.receive(
      Buffer.concat([bytes.subarray(0, place), forged, bytes.subarray(place)]),
    )
    assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
    assert.equal(enemy.victim.calls.length, 0)
  }
})

test('a batch left out is missed at the next', () => {
  const enemy = adversary()
  enemy.open(1)
  enemy.sealed()
  enemy.open(3)
  enemy.send()
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
  assert.equal(enemy.victim.calls.length, 0)
})
