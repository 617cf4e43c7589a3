/** A peer grants itself more credit than the window, to make this end buffer or wrap a counter. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME, writeU32 } from '../../src/network/session/frames.ts'
import { encodeResume } from '../../src/network/session/resume-codec.ts'
import { nameOf, resumePair } from '../kit/resume-pair.ts'
import { type Adversary, adversary } from '../kit/session-pair.ts'

const credit = (bytes: number): Buffer => {
  const payload = Buffer.alloc(4)
  writeU32(payload, 0, bytes)
  return payload
}

/** A victim that streams to the adversary as far as credit goes. */
function streaming(): Adversary {
  const enemy = adversary()
  enemy.victim.onCall = (call) => void call.respondBytes(new Uint8Array(10_000_000))
  enemy.open(1)
  enemy.send()
  enemy.victim.machine.take()
  return enemy
}

for (const [title, stream, used] of [
  ['the connection', 0, 262_144],
  ['a stream', 1, 262_144],
] as const) {
  test(`credit of ${title} above what was granted closes`, () => {
    for (const bytes of [used + 1, 2 ** 31, 2 ** 32 - 1]) {
      const enemy = streaming()
      enemy.frame(FRAME.CREDIT, stream, credit(bytes))
      enemy.send()
      assert.equal(enemy.victim.closed?.rule, 'credit: overflow')
    }
  })

  test(`credit of ${title} twice closes`, () => {
    const enemy = streaming()
    enemy.frame(FRAME.CREDIT, stream, credit(used))
    enemy.frame(FRAME.CREDIT, stream, credit(used))
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'credit: overflow')
  })
}

test('never more is sent than the windows allow', () => {
  const enemy = streaming()
  enemy.frame(FRAME.CREDIT, 1, credit(262_144))
  enemy.send()
  const sent = enemy.answers().filter(({ type }) => type === FRAME.DATA)
  assert.equal(
    sent.reduce((sum, { payload }) => sum + payload.length, 0),
    262_144,
  )
  assert.equal(enemy.victim.machine.take(), undefined)
})

test('credit for arguments above the window closes as well', () => {
  const enemy = adversary('dialler')
  enemy.victim.call(
    'a',
    Array.from({ length: 60 }, () => 'x'.repeat(10_000)),
  )
  enemy.victim.machine.take()
  enemy.frame(FRAME.CREDIT, 1, credit(262_145))
  enemy.send()
  assert.equal(enemy.victim.closed?.rule, 'credit: overflow')
})

test('credit for a stream nobody opened closes', () => {
  const enemy = adversary('dialler')
  enemy.frame(FRAME.CREDIT, 1, credit(1))
  enemy.send()
  assert.equal(enemy.victim.closed?.rule, 'credit: stream')
})

test('a stream that goes on has the credit of CREDIT frames only, and no more than a window of it', () => {
  const ends = resumePair()
  ends.pair.dialler.call('a')
  ends.pair.pump()
  ends.cut()
  const [running] = ends.pair.listener.calls
  assert.ok(running)
  void running.respondBytes(new Uint8Array(10_000_000))
  const { clock, stores } = ends
  const enemy = adversary('listener', { clock, resumption: stores, seed: 'next' })
  enemy.frame(FRAME.RESUME, 0, encodeResume({ ...nameOf(running), stream: 0, offset: 0 }))
  enemy.frame(FRAME.RESUME, 1, encodeResume({ ...nameOf(running), offset: 0 }))
  enemy.send()
  assert.deepEqual(enemy.answers(), [])
  enemy.frame(FRAME.CREDIT, 1, credit(1000))
  enemy.send()
  const [first] = enemy.answers()
  assert.deepEqual([first?.type, first?.payload.length], [FRAME.DATA, 1000])
  enemy.frame(FRAME.CREDIT, 1, credit(262_145))
  enemy.send()
  assert.equal(enemy.victim.closed?.rule, 'credit: overflow')
})
