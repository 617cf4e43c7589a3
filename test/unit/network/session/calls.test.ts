/** Calls between two machines: opening, answering, cancelling, deadlines, limits of both sides. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CborTag } from '../../../../src/foundation/codec/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import type { CallResult } from '../../../../src/network/session/index.ts'
import { adversary, sessionPair, testPeer } from '../../../kit/session-pair.ts'
import { FRAME } from '../../../../src/network/session/frames.ts'

const ok = (result: CallResult | undefined): unknown => {
  assert.ok(result?.status === 'ok', JSON.stringify(result))
  return result.value
}
const no = (result: CallResult | undefined): string => {
  assert.ok(result && result.status !== 'ok', JSON.stringify(result))
  return `${result.origin} ${result.status} ${result.code} ${result.rule}`
}

describe('a call', () => {
  test('carries its request, and its result comes back, both ways', () => {
    const pair = sessionPair()
    const { dialler, listener } = pair
    const out = dialler.call('files.read', { path: '/a', n: 2 })
    const back = listener.call('status', null)
    pair.pump(5)
    const [seen] = listener.calls
    assert.ok(seen)
    assert.equal(seen.command, 'files.read')
    assert.deepEqual({ ...(seen.arguments as object) }, { path: '/a', n: 2 })
    assert.match(seen.callId, /^[0-9a-f]{32}$/)
    assert.equal(seen.traceId, seen.callId)
    assert.equal(seen.deadlineMs, 10_000)
    assert.equal(seen.stream, 1)
    assert.equal(dialler.calls[0]?.stream, 2)
    listener.machine.respond(seen, { status: 'ok', value: 'one' })
    dialler.machine.respond(dialler.calls[0], { status: 'refused', code: 'KOS_POLICY_DENIED' })
    pair.pump()
    assert.equal(ok(out.result), 'one')
    assert.equal(no(back.result), 'peer refused KOS_POLICY_DENIED undefined')
    assert.equal(dialler.machine.busy, false)
    assert.equal(listener.machine.busy, false)
    assert.equal(dialler.machine.stats.callsOpened, 1)
    assert.equal(dialler.machine.stats.callsReceived, 1)
  })

  test('keeps the ids it is given', () => {
    const pair = sessionPair()
    const callId = new Uint8Array(16).fill(0xab)
    const traceId = new Uint8Array(16).fill(0xcd)
    pair.dialler.call('a', null, { callId })
    pair.dialler.call('b', null, { callId, traceId })
    pair.dialler.call('c', null, { traceId })
    pair.pump()
    const ids = pair.listener.calls.map((call) => [call.callId, call.traceId])
    assert.deepEqual(ids[0], ['ab'.repeat(16), 'ab'.repeat(16)])
    assert.deepEqual(ids[1], ['ab'.repeat(16), 'cd'.repeat(16)])
    assert.equal(ids[2]?.[1], 'cd'.repeat(16))
    assert.notEqual(ids[2]?.[0], ids[2]?.[1])
  })

  test('is answered once; later outcomes are dropped', () => {
    const pair = sessionPair()
    const call = pair.dialler.call('a')
    pair.pump()
    const [seen] = pair.listener.calls
    assert.ok(seen)
    pair.listener.machine.respond(seen, { status: 'ok', value: 1 })
    pair.listener.machine.respond(seen, { status: 'ok', value: 2 })
    pair.pump()
    assert.equal(ok(call.result), 1)
    assert.equal(pair.dialler.closed, undefined)
  })

  test('with arguments without encoding throws and changes nothing', () => {
    const pair = sessionPair()
    const bad = { at: new Date() } as unknown as null
    assert.throws(() => pair.dialler.call('a', bad), { code: 'KOS_CODEC_CBOR' })
    pair.dialler.call('b')
    pair.pump()
    assert.deepEqual(
      pair.listener.calls.map((call) => [call.command, call.stream]),
      [['b', 1]],
    )
  })

  test('whose result has no encoding fails, and the log says why', () => {
    const told: unknown[] = []
    const log = { event: (...event: unknown[]) => void told.push(event) }
    const pair = sessionPair({ log })
    pair.listener.onCall = (seen) =>
      pair.listener.machine.respond(seen, { status: 'ok', value: new Date() as unknown as null })
    const call = pair.dialler.call('a')
    pair.pump()
    const rule = 'result: encode: not a plain object'
    assert.equal(no(call.result), `peer failed KOS_SESSION_INTERNAL ${rule}`)
    const { callId } = pair.listener.calls[0] ?? {}
    assert.deepEqual(told, [['session.result', { callId, rule }, 'error']])
  })

  test('whose arguments have no plain form is refused', () => {
    const pair = sessionPair()
    const call = pair.dialler.call('a', new Map([[1, 2]]))
    const tag = pair.dialler.call('a', new CborTag(1, 1))
    const many = pair.dialler.call(
      'a',
      Array.from({ length: 5000 }, () => 0),
    )
    pair.pump()
    const code = 'peer refused KOS_SESSION_ARGUMENTS'
    assert.equal(no(call.result), `${code} open: plain: key is not text`)
    assert.equal(no(tag.result), `${code} open: plain: tag`)
    assert.equal(no(many.result), `${code} open: limit: items`)
    assert.equal(pair.listener.calls.length, 0)
  })

  test('whose result has no plain form fails here', () => {
    const pair = sessionPair()
    pair.listener.onCall = (seen) =>
      pair.listener.machine.respond(seen, { status: 'ok', value: new Map([[1, 2]]) })
    const call = pair.dialler.call('a')
    pair.pump()
    assert.equal(no(call.result), 'local failed KOS_SESSION_RESULT result: plain: key is not text')
    assert.equal(pair.dialler.closed, undefined)
  })
})

describe('cancelling', () => {
  test('settles at once, tells the handler, and frees both ends', () => {
    const pair = sessionPair()
    const test = pair.dialler.call('a')
    pair.pump()
    const [seen] = pair.listener.calls
    assert.ok(seen && test.call)
    assert.equal(seen.signal.aborted, false)
    assert.equal(seen.signal, seen.signal)
    pair.dialler.machine.cancel(test.call)
    pair.dialler.machine.cancel(test.call)
    assert.equal(no(test.result), 'local failed KOS_SESSION_CANCELLED signal')
    pair.pump()
    assert.equal(seen.signal.aborted, true)
    assert.equal(seen.signal.reason, 'KOS_SESSION_CANCELLED')
    assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
    pair.listener.machine.respond(seen, { status: 'ok', value: 1 })
    pair.pump()
    assert.equal(pair.dialler.closed, undefined)
  })

  test('a RESET that crosses the RESULT is harmless; so is a signal asked for late', () => {
    const pair = sessionPair()
    const test = pair.dialler.call('a')
    pair.listener.onCall = (seen) => {
      assert.ok(test.call)
      pair.dialler.machine.cancel(test.call)
      pair.listener.machine.respond(seen, { status: 'ok', value: 1 })
    }
    pair.pump()
    assert.equal(pair.listener.closed ?? pair.dialler.closed, undefined)
    const [seen] = pair.listener.calls
    assert.ok(seen)
    seen.abort('KOS_X')
    seen.abort('KOS_Y')
    assert.equal(seen.signal.reason, 'KOS_X')
  })

  test('many at once stay below the limit of RESETs of the peer', () => {
    const limits = { maxStreams: 200, opens: { perSecond: 1000, burst: 1000 } }
    const pair = sessionPair({ limits })
    const calls = Array.from({ length: 150 }, () => pair.dialler.call('a'))
    pair.pump()
    for (const { call } of calls) if (call) pair.dialler.machine.cancel(call)
    pair.pump()
    assert.equal(pair.listener.closed, undefined)
    assert.equal(pair.dialler.machine.stats.callsOpen, 70)
    for (let second = 0; second < 9; second += 1) {
      pair.clock.advance(1000)
      pair.dialler.machine.tick()
      pair.pump()
    }
    assert.equal(pair.listener.closed ?? pair.dialler.closed, undefined)
    assert.equal(pair.dialler.machine.stats.callsOpen, 0)
  })
})

describe('a deadline', () => {
  test('ends the call at both ends, without a RESET', () => {
    const pair = sessionPair()
    const test = pair.dialler.call('a', null, { deadlineMs: 50 })
    pair.pump()
    const [seen] = pair.listener.calls
    pair.clock.advance(49)
    pair.dialler.machine.tick()
    pair.listener.machine.tick()
    assert.equal(test.result, undefined)
    pair.clock.advance(1)
    pair.dialler.machine.tick()
    pair.listener.machine.tick()
    assert.equal(no(test.result), 'local failed KOS_SESSION_DEADLINE deadline')
    assert.equal(seen?.signal.reason, 'KOS_SESSION_DEADLINE')
    assert.equal(pair.dialler.machine.stats.callsOpen, 1)
    pair.pump()
    assert.equal(pair.dialler.machine.stats.callsOpen, 0)
    assert.equal(pair.listener.machine.stats.framesReceived, 1)
  })

  test('at the peer first reaches the caller as a result', () => {
    const pair = sessionPair()
    const test = pair.dialler.call('a', null, { deadlineMs: 50 })
    pair.pump()
    pair.clock.advance(50)
    pair.listener.machine.tick()
    pair.pump()
    assert.equal(no(test.result), 'peer failed KOS_SESSION_DEADLINE deadline')
  })

  test('out of range is refused here, and by the peer', () => {
    const pair = sessionPair()
    for (const deadlineMs of [0, -1, Number.NaN, 300_001]) {
      const { result } = pair.dialler.call('a', null, { deadlineMs })
      assert.equal(no(result), 'local refused KOS_SESSION_DEADLINE open: deadline out of range')
    }
  })

  test('a peer that does not answer after it loses the session', () => {
    const pair = sessionPair()
    const test = pair.dialler.call('a', null, { deadlineMs: 50 })
    pair.pump()
    pair.clock.advance(50)
    pair.dialler.machine.tick()
    pair.clock.advance(pair.limits.answerGraceMs)
    pair.dialler.machine.tick()
    assert.equal(pair.dialler.closed?.code, 'KOS_SESSION_UNANSWERED')
    assert.equal(no(test.result), 'local failed KOS_SESSION_DEADLINE deadline')
    pair.dialler.machine.tick()
  })
})

describe('this end keeps the limits of the peer', () => {
  test('streams', () => {
    const pair = sessionPair({ limits: { maxStreams: 2 } })
    pair.dialler.call('a')
    pair.dialler.call('b')
    assert.equal(no(pair.dialler.call('c').result), 'local refused KOS_SESSION_STREAMS streams')
  })

  test('rate of calls', () => {
    const pair = sessionPair({ limits: { opens: { perSecond: 1, burst: 2 } } })
    pair.dialler.call('a')
    pair.dialler.call('b')
    const { result } = pair.dialler.call('c')
    assert.equal(no(result), 'local refused KOS_SESSION_RATE opens')
    assert.ok(result?.status === 'refused' && result.retryAfterMs === 1000)
    pair.dialler.machine.take()
    pair.clock.advance(1000)
    assert.equal(pair.dialler.call('d').result, undefined)
  })

  test('bytes that wait', () => {
    const pair = sessionPair({ limits: { maxOutputBytes: 100 } })
    pair.dialler.call('a', 'x'.repeat(100))
    assert.equal(no(pair.dialler.call('b').result), 'local refused KOS_SESSION_BUSY output')
    pair.dialler.machine.take()
    assert.equal(pair.dialler.call('c').result, undefined)
  })

  test('size of arguments', () => {
    const pair = sessionPair({ limits: { maxValueBytes: 20_000 } })
    const { result } = pair.dialler.call('a', 'x'.repeat(16_000).concat('y'.repeat(4000)))
    assert.equal(no(result), 'local refused KOS_SESSION_TOO_LARGE arguments: bytes')
  })
})

describe('the limits of this end are enforced', () => {
  const code = (payload: Buffer): string =>
    /KOS_[A-Z_]+/.exec(payload.toString('latin1'))?.[0] ?? ''

  test('a deadline above 5 minutes, a time off by more than 30 s', () => {
    const { open, send, answers, victim, clock } = adversary()
    open(1, { deadlineMs: 300_001 })
    open(3, { timeMs: clock.wallMs() - 30_001 })
    open(5, { deadlineMs: 300_000, timeMs: clock.wallMs() + 30_000 })
    send()
    assert.deepEqual(
      answers().map(({ type, payload }) => [type, code(payload)]),
      [
        [FRAME.RESULT, 'KOS_SESSION_DEADLINE'],
        [FRAME.RESULT, 'KOS_SESSION_CLOCK'],
        [FRAME.SEAL, ''],
      ],
    )
    assert.equal(victim.calls.length, 1)
  })

  test('streams and rate of calls refuse the call, not the session', () => {
    const limits = { maxStreams: 2, opens: { perSecond: 50, burst: 3 } }
    const { open, send, answers, victim } = adversary('listener', { limits })
    for (const stream of [1, 3, 5]) open(stream)
    send()
    assert.equal(victim.calls.length, 2)
    for (const call of victim.calls) victim.machine.respond(call, { status: 'ok', value: null })
    for (const stream of [7, 9]) open(stream)
    send()
    const codes = answers().map(({ stream, payload }) => `${stream} ${code(payload)}`)
    assert.deepEqual(codes, ['5 KOS_SESSION_STREAMS', '1 ', '3 ', '9 KOS_SESSION_RATE', '0 '])
    assert.equal(victim.closed, undefined)
  })
})

test('per-message sealing covers each message singly, both ways', () => {
  const critical = testPeer('critical', PROFILES['SEC-4'])
  const admit = { admit: () => undefined }
  const pair = sessionPair({
    listener: critical,
    authenticator: { dialler: admit, listener: admit },
  })
  pair.listener.onCall = (seen) => pair.listener.machine.respond(seen, { status: 'ok', value: 1 })
  const calls = [pair.dialler.call('a'), pair.dialler.call('b'), pair.dialler.call('c')]
  pair.pump()
  assert.deepEqual(
    calls.map((call) => ok(call.result)),
    [1, 1, 1],
  )
  // READY had the first SEAL.
  assert.equal(pair.dialler.machine.stats.sealsSent, 4)
  assert.equal(pair.dialler.machine.stats.sealsReceived, 4)
})
