/** RESUME of what never was, and RESUME that is no RESUME: refused, bounded, and nothing is executed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME } from '../../src/network/session/frames.ts'
import { encodeResume, NO_SESSION } from '../../src/network/session/resume-codec.ts'
import { nameOf, resumeAdversary, resumePair } from '../kit/resume-pair.ts'
import { adversary } from '../kit/session-pair.ts'

const END = { sessionId: NO_SESSION, stream: 0, offset: 0 }
const UNKNOWN = { sessionId: 'ab'.repeat(16), stream: 0, offset: 0 }

test('a session that never was is passed over; its calls fail', () => {
  const enemy = resumeAdversary(resumePair())
  enemy.resume([0, UNKNOWN], [1, { ...UNKNOWN, stream: 7 }], [0, END])
  assert.deepEqual(enemy.shown(), ['1 failed KOS_SESSION_LOST resume: session', '22 0'])
  assert.deepEqual(enemy.victim.calls, [])
  assert.equal(enemy.victim.closed, undefined)
})

test('so is every session where none waits', () => {
  const ends = resumePair()
  const enemy = resumeAdversary(ends, { resumption: {} })
  enemy.resume([0, UNKNOWN], [1, { ...UNKNOWN, stream: 7 }], [0, END])
  assert.deepEqual(enemy.shown(), ['1 failed KOS_SESSION_LOST resume: session', '22 0'])
})

test('the session that names itself is lost, as it said', () => {
  const ends = resumePair()
  const enemy = resumeAdversary(ends)
  const { sessionId } = enemy.established
  enemy.resume([0, { sessionId, stream: 0, offset: 0 }])
  assert.equal(enemy.victim.closed?.rule, 'resume: replaced')
})

test('an offset beyond what was sent, or before what is kept, fails the call and stops it', () => {
  for (const offset of [11, Number.MAX_SAFE_INTEGER, 2 ** 60]) {
    const ends = resumePair()
    ends.pair.dialler.call('a', null, { sink: () => undefined })
    ends.pair.pump()
    const [running] = ends.pair.listener.calls
    assert.ok(running)
    void running.respondBytes(new Uint8Array(10))
    ends.pair.pump()
    ends.cut()
    const enemy = resumeAdversary(ends)
    const payload = Buffer.from(encodeResume({ ...nameOf(running), offset: 0 }))
    payload.writeBigUInt64BE(BigInt(offset), 20)
    enemy.frame(FRAME.RESUME, 0, encodeResume({ ...nameOf(running), stream: 0, offset: 0 }))
    enemy.frame(FRAME.RESUME, 1, payload)
    enemy.send()
    assert.deepEqual(enemy.shown(), ['1 failed KOS_SESSION_LOST resume: offset'])
    assert.equal(running.signal.reason, 'KOS_SESSION_LOST')
  }
})

test('an offset into a call without DATA fails it as well', () => {
  const ends = resumePair()
  ends.pair.dialler.call('a')
  ends.pair.pump()
  const [running] = ends.pair.listener.calls
  assert.ok(running)
  ends.cut()
  const enemy = resumeAdversary(ends)
  const name = nameOf(running)
  enemy.resume([0, { ...name, stream: 0, offset: 0 }], [1, { ...name, offset: 1 }])
  assert.deepEqual(enemy.shown(), ['1 failed KOS_SESSION_LOST resume: offset'])
})

test('a stream or an offset on stream 0 closes, and so does a wrong parity or order', () => {
  for (const [stream, point, rule] of [
    [0, { ...UNKNOWN, stream: 1 }, 'resume: form'],
    [0, { ...UNKNOWN, offset: 1 }, 'resume: form'],
    [2, { ...UNKNOWN, stream: 1 }, 'open: parity'],
  ] as const) {
    const enemy = resumeAdversary(resumePair())
    enemy.resume([stream, point])
    assert.equal(enemy.victim.closed?.rule, rule)
  }
  const enemy = resumeAdversary(resumePair())
  enemy.resume([3, { ...UNKNOWN, stream: 1 }], [1, { ...UNKNOWN, stream: 1 }])
  assert.equal(enemy.victim.closed?.rule, 'open: order')
})

test('a listener may not name sessions, nor end a list that nobody began', () => {
  for (const point of [UNKNOWN, END]) {
    const enemy = adversary('dialler')
    enemy.frame(FRAME.RESUME, 0, encodeResume(point))
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'resume: order')
  }
})

test('guessing is bounded as OPENs are', () => {
  const enemy = resumeAdversary(resumePair(), {
    limits: { opens: { perSecond: 1, burst: 5 }, refusedOpens: { perSecond: 1, burst: 5 } },
  })
  for (let stream = 1; stream < 60 && !enemy.victim.closed; stream += 2) {
    enemy.resume([stream, { ...UNKNOWN, stream }])
  }
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_FLOOD')
  const named = resumeAdversary(resumePair())
  for (let count = 0; count < 200 && !named.victim.closed; count += 1) named.resume([0, UNKNOWN])
  assert.equal(named.victim.closed?.code, 'KOS_SESSION_FLOOD')
})
