/** What was answered last is answered again after a loss; large streams of it have a bound together. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IncomingCall } from '../../../../src/network/session/incoming-call.ts'
import { nameOf, resumeAdversary, resumePair } from '../../../kit/resume-pair.ts'

const KIB = 1024

test('a mebibyte of sent streams is kept: the oldest are given up, small answers stay', () => {
  const ends = resumePair()
  const { dialler, listener } = ends.pair
  const answered: IncomingCall[] = []
  // A little below the window of a stream: its reader gives no credit before all of it was sent.
  const large = Array.from({ length: 29 }, () => '*'.repeat(8 * KIB))
  listener.onCall = (call) => {
    answered.push(call)
    const value = call.command === 'small' ? call.command : large
    listener.machine.respond(call, { status: 'ok', value })
  }
  const kept: number[] = []
  for (const command of ['small', 'large', 'large', 'large', 'large', 'large', 'large']) {
    const call = dialler.call(command)
    ends.pair.pump()
    assert.equal(call.result?.status, 'ok')
    kept.push(Math.floor(listener.machine.stats.streamBytesKept / (232 * KIB)))
  }
  // The first two large ones made room for the last two.
  assert.deepEqual(kept, [0, 1, 2, 3, 4, 4, 4])

  ends.cut()
  const enemy = resumeAdversary(ends)
  const points = answered.map((call) => ({ ...nameOf(call), offset: 0 }))
  const [first] = points
  assert.ok(first)
  enemy.resume([0, { ...first, stream: 0 }])
  const shown = points.map((point, index) => {
    enemy.resume([index * 2 + 1, point])
    return enemy.shown()
  })
  assert.deepEqual(shown.slice(0, 3), [
    ['1 ok small'],
    ['3 failed KOS_SESSION_LOST resume: stream'],
    ['5 failed KOS_SESSION_LOST resume: stream'],
  ])
  // Their bytes wait for the credit of the new connection: they are not lost.
  assert.deepEqual(shown.slice(3), [[], [], [], []])
  assert.equal(enemy.victim.machine.stats.callsOpen, 4)
})
