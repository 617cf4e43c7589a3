/** PING, CREDIT, RESET, GOAWAY, BUSY, REKEY, and what closes a session. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { FLAG_END, FRAME, writeU32 } from '../../../../src/network/session/frames.ts'
import { goawayReason } from '../../../../src/network/session/wire-codes.ts'
import { type Adversary, adversary, sessionPair } from '../../../kit/session-pair.ts'

const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => writeU32(bytes, index * 4, value))
  return bytes
}
const goaway = (last: number, code: number, retry: number): Buffer =>
  Buffer.concat([u32(last), Buffer.of(code >>> 8, code & 255), u32(retry)])
const closedBy = (enemy: Adversary): string =>
  `${enemy.victim.closed?.code} ${enemy.victim.closed?.rule}`

describe('PING', () => {
  test('is answered by its PONG, and the round trip is known', () => {
    const pair = sessionPair()
    pair.dialler.machine.ping(pair.clock.monotonicMs())
    pair.dialler.machine.ping(pair.clock.monotonicMs())
    const before = pair.dialler.machine.lastReceivedMs
    pair.clock.advance(7)
    pair.pump()
    assert.equal(pair.dialler.machine.stats.roundTripMs, 7)
    assert.equal(pair.dialler.machine.lastReceivedMs, before + 7)
    assert.equal(pair.listener.machine.stats.framesReceived, 1)
  })

  test('a PONG that nobody asked for closes', () => {
    for (const ping of [false, true]) {
      const enemy = adversary()
      if (ping) enemy.victim.machine.ping(enemy.clock.monotonicMs())
      enemy.frame(FRAME.PONG, 0, new Uint8Array(8))
      enemy.send()
      assert.equal(closedBy(enemy), 'KOS_SESSION_PROTOCOL pong: no such ping')
    }
  })
})

describe('REKEY', () => {
  test('moves one direction to its next key, again and again', () => {
    const pair = sessionPair()
    pair.listener.onCall = (seen) => pair.listener.machine.respond(seen, { status: 'ok', value: 1 })
    for (let epoch = 1; epoch <= 3; epoch += 1) {
      pair.dialler.machine.rekey()
      const call = pair.dialler.call('a')
      pair.pump()
      assert.equal(call.result?.status, 'ok')
      assert.equal(pair.dialler.machine.stats.sendEpoch, epoch)
      assert.equal(pair.listener.machine.stats.receiveEpoch, epoch)
      assert.equal(pair.listener.machine.stats.sendEpoch, 0)
    }
  })

  test('to another epoch than the next, or not as the last of its batch, closes', () => {
    for (const epoch of [0, 2]) {
      const enemy = adversary()
      enemy.frame(FRAME.REKEY, 0, u32(epoch))
      enemy.send()
      assert.equal(closedBy(enemy), 'KOS_SESSION_PROTOCOL rekey: epoch')
    }
    const enemy = adversary()
    enemy.frame(FRAME.REKEY, 0, u32(1))
    enemy.frame(FRAME.PING, 0, new Uint8Array(8))
    enemy.send()
    assert.equal(closedBy(enemy), 'KOS_SESSION_PROTOCOL rekey: not last')
  })
})

describe('GOAWAY', () => {
  test('lets running calls end, refuses new ones, then closes both ends', () => {
    const pair = sessionPair()
    const running = pair.dialler.call('a')
    pair.pump()
    pair.listener.machine.goaway('recycle', 5000.2)
    pair.pump()
    assert.deepEqual(pair.dialler.told, ['goaway recycle 5001'])
    const { result } = pair.dialler.call('b')
    assert.ok(result?.status === 'refused')
    assert.deepEqual([result.code, result.retryAfterMs], ['KOS_SESSION_GOAWAY', 5001])
    assert.equal(pair.listener.closed, undefined)
    const [seen] = pair.listener.calls
    assert.ok(seen)
    pair.listener.machine.respond(seen, { status: 'ok', value: 1 })
    pair.pump()
    assert.equal(running.result?.status, 'ok')
    assert.deepEqual(pair.listener.closed, refuse('KOS_SESSION_GOAWAY', 'drained'))
    assert.deepEqual(pair.dialler.closed, refuse('KOS_SESSION_GOAWAY', 'drained'))
    pair.listener.machine.goaway('recycle', 0)
  })

  test('calls that crossed it were never looked at and fail at once', () => {
    const pair = sessionPair()
    pair.dialler.call('early')
    pair.pump()
    const small = pair.dialler.call('late')
    const large = pair.dialler.call(
      'late',
      Array.from({ length: 9 }, () => 'x'.repeat(10_000)),
    )
    pair.listener.machine.goaway('shutdown', 0)
    pair.pump()
    for (const { result } of [small, large]) {
      assert.ok(result?.status === 'refused')
      assert.equal(result.code, 'KOS_SESSION_GOAWAY')
    }
    assert.deepEqual(
      pair.listener.calls.map((call) => call.command),
      ['early'],
    )
    assert.equal(pair.listener.closed, undefined)
  })

  test('an idle session closes at once; a call that never ends is cut after the drain time', () => {
    const idle = sessionPair()
    idle.dialler.machine.goaway('shutdown', 0)
    assert.equal(idle.dialler.closed?.rule, 'drained')
    idle.pump()
    assert.equal(idle.listener.closed?.rule, 'drained')
    const pair = sessionPair()
    const call = pair.dialler.call('a', null, { deadlineMs: 300_000 })
    pair.pump()
    pair.listener.machine.goaway('shutdown', 0)
    pair.pump()
    pair.clock.advance(pair.limits.drainMs - 1)
    pair.listener.machine.tick()
    assert.equal(pair.listener.machine.closed, false)
    pair.clock.advance(1)
    pair.listener.machine.tick()
    assert.equal(pair.listener.closed?.rule, 'drain: time')
    assert.equal(pair.listener.calls[0]?.signal.reason, 'KOS_SESSION_CLOSED')
    pair.dialler.machine.tick()
    assert.ok(call.result?.status === 'failed' && call.result.code === 'KOS_SESSION_CLOSED')
  })

  test('with an unknown code closes', () => {
    const enemy = adversary()
    enemy.frame(FRAME.GOAWAY, 0, goaway(0, 99, 0))
    enemy.send()
    assert.equal(closedBy(enemy), 'KOS_SESSION_PROTOCOL goaway: code')
    assert.equal(goawayReason(3), 'quarantine')
  })
})

describe('BUSY', () => {
  test('holds new calls back for its time', () => {
    const pair = sessionPair()
    pair.listener.machine.sendBusy('node', 2000)
    pair.pump()
    assert.deepEqual(pair.dialler.told, ['busy node 2000'])
    const { result } = pair.dialler.call('a')
    assert.ok(result?.status === 'refused' && result.code === 'KOS_SESSION_BUSY')
    assert.equal(result.retryAfterMs, 2000)
    pair.clock.advance(2000)
    pair.dialler.machine.take()
    assert.equal(pair.dialler.call('a').result, undefined)
  })

  test('for ever means 5 minutes; of an unknown scope closes', () => {
    const pair = sessionPair()
    pair.listener.machine.sendBusy('session', 2 ** 40)
    pair.pump()
    assert.deepEqual(pair.dialler.told, ['busy session 4294967295'])
    const { result } = pair.dialler.call('a')
    assert.ok(result?.status === 'refused' && result.retryAfterMs === 300_000)
    const enemy = adversary()
    enemy.frame(FRAME.BUSY, 0, Buffer.from([2, 0, 0, 0, 1]))
    enemy.send()
    assert.equal(closedBy(enemy), 'KOS_SESSION_PROTOCOL busy: scope')
  })
})

describe('what breaks a rule closes the session', () => {
  const cases: readonly (readonly [string, (enemy: Adversary) => void, string])[] = [
    ['OPEN on a stream of this end', (enemy) => enemy.open(2), 'open: parity'],
    [
      'a RESULT nobody waits for',
      (enemy) => enemy.frame(FRAME.RESULT, 2, Buffer.of(1)),
      'result: stream',
    ],
    [
      'a RESULT on the own stream',
      (enemy) => enemy.frame(FRAME.RESULT, 1, Buffer.of(1)),
      'result: stream',
    ],
    [
      'DATA on a stream that never was',
      (enemy) => enemy.frame(FRAME.DATA, 1, Buffer.of(1)),
      'data: stream',
    ],
    [
      'DATA on a stream of this end',
      (enemy) => enemy.frame(FRAME.DATA, 2, Buffer.of(1)),
      'data: stream',
    ],
    ['CREDIT of 0', (enemy) => enemy.frame(FRAME.CREDIT, 0, u32(0)), 'credit: overflow'],
    [
      'CREDIT on a stream that never was',
      (enemy) => enemy.frame(FRAME.CREDIT, 1, u32(1)),
      'credit: stream',
    ],
    [
      'CREDIT on a stream of this end',
      (enemy) => enemy.frame(FRAME.CREDIT, 2, u32(1)),
      'credit: stream',
    ],
    [
      'RESET of a stream that never was',
      (enemy) => enemy.frame(FRAME.RESET, 1, Buffer.of(0, 1)),
      'reset: stream',
    ],
    [
      'RESET of a stream of this end',
      (enemy) => enemy.frame(FRAME.RESET, 2, Buffer.of(0, 1)),
      'reset: stream',
    ],
    [
      'OPEN that is no CBOR',
      (enemy) => enemy.frame(FRAME.OPEN | (FLAG_END << 8), 1, Buffer.of(0xff)),
      'open: expected: array',
    ],
    ['a second HELLO', (enemy) => enemy.frame(FRAME.HELLO, 0, Buffer.of(1)), 'handshake: again'],
    ['a SEAL over nothing', () => undefined, 'seal: number of frames'],
  ]
  for (const [title, act, rule] of cases) {
    test(title, () => {
      const enemy = adversary()
      act(enemy)
      enemy.send()
      assert.equal(closedBy(enemy), `KOS_SESSION_PROTOCOL ${rule}`)
      // The peer is told once, by code only, and nothing further is read.
      const [last] = enemy.answers().filter(({ type }) => type === FRAME.GOAWAY)
      assert.equal(last?.payload.readUInt16BE(4), 5)
      enemy.open(1)
      enemy.send()
      assert.equal(enemy.victim.calls.length, 0)
    })
  }

  test('arguments with trailing bytes', () => {
    const enemy = adversary()
    enemy.open(1)
    const [open] = [enemy.sealed()]
    assert.ok(open)
    const other = adversary()
    const payload = Buffer.concat([open.subarray(9, open.length - 49), Buffer.of(0xf6)])
    other.frame(FRAME.OPEN | (FLAG_END << 8), 1, payload)
    other.send()
    assert.equal(closedBy(other), 'KOS_SESSION_PROTOCOL open: trailing bytes')
  })

  test('a RESULT that is no CBOR fails the call it answers', () => {
    const enemy = adversary('dialler')
    const call = enemy.victim.call('a')
    enemy.frame(FRAME.RESULT, 1, Buffer.of(0xff))
    enemy.send()
    assert.equal(closedBy(enemy), 'KOS_SESSION_PROTOCOL result: expected: array')
    assert.ok(call.result?.status === 'failed' && call.result.code === 'KOS_SESSION_CLOSED')
  })

  test('a SEAL of another time', () => {
    for (const skewMs of [-30_001, 30_001]) {
      const enemy = adversary()
      enemy.open(1)
      enemy.send(enemy.clock.wallMs() + skewMs)
      assert.equal(closedBy(enemy), 'KOS_SESSION_CLOCK seal: time')
      assert.equal(enemy.victim.calls.length, 0)
    }
  })

  test('more bytes or frames before a SEAL than allowed', () => {
    const bytes = adversary('listener', { limits: { maxPendingBytes: 1000 } })
    for (let stream = 1; stream < 100; stream += 2) bytes.open(stream)
    bytes.send()
    assert.equal(closedBy(bytes), 'KOS_SESSION_PROTOCOL seal: too many bytes before it')
    const piece = adversary('listener', { limits: { maxPendingBytes: 1000 } })
    piece.frame(FRAME.DATA, 1, new Uint8Array(2000))
    piece.victim.machine.receive(piece.sealed().subarray(0, 1001))
    assert.equal(closedBy(piece), 'KOS_SESSION_PROTOCOL seal: too many bytes before it')
    const frames = adversary('listener', { limits: { maxPendingFrames: 2 } })
    for (const stream of [1, 3, 5]) frames.open(stream)
    frames.send()
    assert.equal(closedBy(frames), 'KOS_SESSION_PROTOCOL seal: too many frames before it')
  })
})

test('CREDIT that crossed the end of a stream is harmless but counts as a control frame', () => {
  const enemy = adversary('listener', { limits: { controls: { perSecond: 1, burst: 3 } } })
  enemy.open(1)
  enemy.send()
  const [seen] = enemy.victim.calls
  assert.ok(seen)
  enemy.victim.machine.respond(seen, { status: 'ok', value: 1 })
  for (let index = 0; index < 3; index += 1) enemy.frame(FRAME.CREDIT, 1, u32(200_000))
  enemy.send()
  assert.equal(enemy.victim.closed, undefined)
  enemy.frame(FRAME.CREDIT, 1, u32(200_000))
  enemy.send()
  assert.equal(closedBy(enemy), 'KOS_SESSION_FLOOD controls')
  const [goodbye] = enemy.answers().filter(({ type }) => type === FRAME.GOAWAY)
  assert.equal(goodbye?.payload.readUInt16BE(4), 6)
})

test('bytes that wait for their SEAL count against the budget of the process', () => {
  const limits = { maxReceiveBytes: 5000 }
  const enemy = adversary('listener', { limits })
  enemy.frame(FRAME.DATA, 1, new Uint8Array(20_000))
  const bytes = enemy.sealed()
  enemy.victim.machine.receive(bytes.subarray(0, 5000))
  assert.equal(enemy.victim.machine.closed, false)
  enemy.victim.machine.receive(bytes.subarray(5000, 5001))
  assert.equal(closedBy(enemy), 'KOS_SESSION_BUSY receive budget')
  // What was verified gives its share back: many batches in pieces fit.
  const other = adversary('listener', { limits })
  for (let stream = 1; stream < 100; stream += 2) {
    other.open(stream, { arguments: 'x'.repeat(3000) })
    const call = other.sealed()
    other.victim.machine.receive(call.subarray(0, 2000))
    other.victim.machine.receive(call.subarray(2000))
  }
  assert.equal(other.victim.calls.length, 50)
})

test('a closed machine does nothing more', () => {
  const pair = sessionPair()
  const call = pair.dialler.call('a')
  pair.pump()
  const [seen] = pair.listener.calls
  const { machine } = pair.listener
  machine.close(refuse('KOS_SESSION_CLOSED', 'test'))
  machine.close(refuse('KOS_SESSION_CLOSED', 'again'))
  assert.equal(pair.listener.closed?.rule, 'test')
  assert.ok(seen)
  machine.respond(seen, { status: 'ok', value: 1 })
  machine.ping(pair.clock.monotonicMs())
  machine.rekey()
  machine.sendBusy('node', 1)
  machine.tick()
  machine.receive(Buffer.of(1))
  assert.equal(machine.take(), undefined)
  assert.equal(machine.closed, true)
  machine.trim()
  machine.dispose()
  assert.equal(call.result, undefined)
})

test('a machine disposed with DATA on its way tells the handler', async () => {
  const pair = sessionPair()
  let sent: Promise<boolean> | undefined
  pair.listener.onCall = (seen) => {
    sent = seen.respondBytes(new Uint8Array(10))
  }
  pair.dialler.call('a')
  pair.listener.machine.receive(pair.dialler.machine.take() ?? Buffer.alloc(0))
  pair.listener.machine.dispose()
  assert.equal(await sent, false)
})
