/** What was said once is said again: on the same connection, on the next, by bytes of another one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_SESSION, type ResumePoint } from '../../src/network/session/resume-codec.ts'
import {
  nameOf,
  type ResumeAdversary,
  resumeAdversary,
  resumePair,
  type ResumePair,
} from '../kit/resume-pair.ts'

const END: ResumePoint = { sessionId: NO_SESSION, stream: 0, offset: 0 }

interface Attack {
  readonly ends: ResumePair
  readonly enemy: ResumeAdversary
  readonly session: ResumePoint
  readonly point: ResumePoint
}

/** A lost session with one running call, and a connection that names it. */
function attack(): Attack {
  const ends = resumePair()
  ends.pair.dialler.call('a')
  ends.pair.pump()
  const [running] = ends.pair.listener.calls
  assert.ok(running)
  ends.cut()
  const name = nameOf(running)
  const session = { ...name, stream: 0, offset: 0 }
  return { ends, enemy: resumeAdversary(ends), session, point: { ...name, offset: 0 } }
}

test('a call that went on is not handed out a second time', () => {
  const { ends, enemy, session, point } = attack()
  enemy.resume([0, session], [1, point], [3, point])
  assert.deepEqual(enemy.shown(), ['3 failed KOS_SESSION_LOST resume: stream'])
  enemy.resume([0, END], [5, point])
  assert.deepEqual(enemy.shown(), ['22 0', '5 failed KOS_SESSION_LOST resume: session'])
  const [running] = ends.pair.listener.calls
  running?.home.respond(running, { status: 'ok', value: 'once' })
  assert.deepEqual(enemy.shown(), ['1 ok once'])
})

test('a session that was taken over is unknown to the next connection', () => {
  const { ends, enemy, session, point } = attack()
  enemy.resume([0, session], [0, session], [1, point], [0, END])
  enemy.shown()
  const next = resumeAdversary(ends, { seed: 'another' })
  next.resume([0, session], [1, point], [0, END])
  assert.deepEqual(next.shown(), ['1 failed KOS_SESSION_LOST resume: session', '22 0'])
  assert.equal(ends.pair.listener.calls[0]?.signal.aborted, false)
})

test('a session that is being taken over is nobody else’s, until that connection is lost', () => {
  const { ends, enemy, session, point } = attack()
  enemy.resume([0, session])
  const next = resumeAdversary(ends, { seed: 'another' })
  next.resume([0, session], [1, point])
  assert.deepEqual(next.shown(), ['1 failed KOS_SESSION_LOST resume: session'])
  enemy.victim.machine.lost({ allow: false, code: 'KOS_SESSION_CLOSED', rule: 'channel' })
  next.resume([0, session], [3, point])
  assert.deepEqual(next.shown(), [])
  const [running] = ends.pair.listener.calls
  running?.home.respond(running, { status: 'ok', value: 'once' })
  assert.deepEqual(next.shown(), ['3 ok once'])
})

test('sealed bytes of one connection mean nothing on another', () => {
  const { ends, enemy, session, point } = attack()
  const other = resumeAdversary(ends, { seed: 'another' })
  other.frame(0x16, 0, new Uint8Array(28))
  const recorded = other.sealed()
  enemy.victim.machine.receive(recorded)
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_SEAL')
  assert.ok(session && point)
})

test('a list that ends twice, or begins again, closes', () => {
  for (const again of ['end', 'begin'] as const) {
    const { enemy, session } = attack()
    enemy.resume([0, session], [0, END])
    enemy.resume([0, again === 'end' ? END : session])
    assert.equal(enemy.victim.closed?.rule, 'resume: order')
  }
})
