/** A peer comes back too late: its calls ended, each once, and nothing of them is handed out. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_SESSION } from '../../src/network/session/resume-codec.ts'
import { nameOf, resumeAdversary, resumePair } from '../kit/resume-pair.ts'

test('neither a running call nor an answer that was kept outlives the time', () => {
  const ends = resumePair()
  for (const name of ['running', 'answered']) {
    ends.pair.dialler.call(name, null, { deadlineMs: 300_000 })
  }
  ends.pair.pump()
  const [running, answered] = ends.pair.listener.calls
  assert.ok(running && answered)
  answered.home.respond(answered, { status: 'ok', value: 'secret' })
  ends.cut()
  ends.clock.advance(ends.pair.limits.resumeMs)
  assert.equal(running.signal.reason, 'KOS_SESSION_LOST')
  const enemy = resumeAdversary(ends)
  const end = { sessionId: NO_SESSION, stream: 0, offset: 0 }
  enemy.resume(
    [0, { ...nameOf(running), stream: 0, offset: 0 }],
    [1, { ...nameOf(running), offset: 0 }],
    [3, { ...nameOf(answered), offset: 0 }],
    [0, end],
  )
  assert.deepEqual(enemy.shown(), [
    '1 failed KOS_SESSION_LOST resume: session',
    '3 failed KOS_SESSION_LOST resume: session',
    '22 0',
  ])
})

test('a peer that asks for the whole time and never comes costs one entry, for that time', () => {
  const ends = resumePair()
  for (let round = 0; round < 20; round += 1) {
    ends.pair.dialler.call('a', null, { deadlineMs: 300_000 })
    ends.pair.pump()
    ends.cut('listener')
    ends.stores.dialler.close()
    ends.connect()
    ends.pair.pump()
    assert.ok(ends.stores.listener.size <= 4)
  }
  ends.clock.advance(ends.pair.limits.resumeMs)
  assert.equal(ends.stores.listener.size, 0)
})
