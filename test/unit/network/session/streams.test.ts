/** Large arguments, large results and streamed results: DATA, credits, digests, back-pressure. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sha256 } from '../../../../src/foundation/base/index.ts'
import { CborWriter, encodeCbor } from '../../../../src/foundation/codec/index.ts'
import { writeOpenHead, writeStreamResult } from '../../../../src/network/session/call-codec.ts'
import { FLAG_END, FLAG_VALUE, FRAME } from '../../../../src/network/session/frames.ts'
import type { CallResult } from '../../../../src/network/session/index.ts'
import { type Adversary, adversary, sessionPair, type TestCall } from '../../../kit/session-pair.ts'

const KIB = 1024
const VALUE = FRAME.DATA | (FLAG_VALUE << 8)
const VALUE_END = FRAME.DATA | ((FLAG_VALUE | FLAG_END) << 8)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const text = (kib: number): readonly string[] =>
  Array.from({ length: kib / 8 }, (_, index) => String(index % 10).repeat(8 * KIB))
const shown = (result: CallResult | undefined): string =>
  !result
    ? 'open'
    : result.status === 'ok'
      ? 'ok'
      : `${result.origin} ${result.status} ${result.code} ${result.rule}`

describe('a value above 16 KiB travels as DATA', () => {
  for (const kib of [16, 64, 640, 1008]) {
    test(`arguments and result of ${kib} KiB`, () => {
      const pair = sessionPair()
      pair.listener.onCall = (seen) =>
        pair.listener.machine.respond(seen, {
          status: 'ok',
          value: seen.arguments as readonly string[],
        })
      const call = pair.dialler.call('echo', text(kib))
      const other = pair.dialler.call('echo', 'small')
      pair.pump(10_000)
      assert.ok(call.result?.status === 'ok' && other.result?.status === 'ok')
      assert.deepEqual(call.result.value, text(kib))
      assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
    })
  }

  test('several at once share the connection and its credit', () => {
    const pair = sessionPair()
    pair.listener.onCall = (seen) =>
      pair.listener.machine.respond(seen, { status: 'ok', value: seen.arguments as string[] })
    const calls = Array.from({ length: 8 }, () => pair.dialler.call('echo', text(512)))
    pair.pump(30_000)
    assert.deepEqual(
      calls.map((call) => shown(call.result)),
      Array.from({ length: 8 }, () => 'ok'),
    )
  })

  test('a result above the limit fails, at the sender', () => {
    const pair = sessionPair({ limits: { maxValueBytes: 100 * KIB } })
    pair.listener.onCall = (seen) =>
      pair.listener.machine.respond(seen, { status: 'ok', value: text(128) })
    const call = pair.dialler.call('a')
    pair.pump()
    assert.equal(shown(call.result), 'peer failed KOS_SESSION_TOO_LARGE result: bytes')
  })
})

describe('arguments as DATA', () => {
  /** An OPEN whose arguments follow, by digest. */
  const openLarge = (enemy: Adversary, stream: number, encoded: Uint8Array): void => {
    const writer = new CborWriter()
    const timeMs = enemy.clock.wallMs()
    writeOpenHead(writer, { ids: new Uint8Array(32), command: 'a', deadlineMs: 10_000, timeMs })
    writer.bytes(sha256(encoded))
    enemy.frame(FRAME.OPEN, stream, writer.take())
  }
  const codes = (enemy: Adversary): string[] =>
    enemy
      .answers()
      .filter(({ type }) => type === FRAME.RESULT)
      .map(({ payload }) => /KOS_[A-Z_]+/.exec(payload.toString('latin1'))?.[0] ?? 'ok')

  test('reach the handler whole, with their END', () => {
    const enemy = adversary()
    const encoded = encodeCbor({ a: 1 })
    openLarge(enemy, 1, encoded)
    enemy.frame(VALUE, 1, encoded.subarray(0, 2))
    enemy.send()
    assert.equal(enemy.victim.calls.length, 0)
    enemy.frame(VALUE_END, 1, encoded.subarray(2))
    enemy.send()
    assert.deepEqual({ ...(enemy.victim.calls[0]?.arguments as object) }, { a: 1 })
  })

  test('must have their digest and be CBOR', () => {
    for (const [encoded, sent, rule] of [
      [encodeCbor(1), encodeCbor(2), 'open: digest'],
      [Uint8Array.of(0xff), Uint8Array.of(0xff), 'open: simple: unknown value'],
      [Uint8Array.of(1, 1), Uint8Array.of(1, 1), 'open: trailing bytes'],
    ] as const) {
      const enemy = adversary()
      openLarge(enemy, 1, encoded)
      enemy.frame(VALUE_END, 1, sent)
      enemy.send()
      assert.equal(enemy.victim.closed?.rule, rule)
    }
  })

  test('must be announced by a digest of 32 bytes', () => {
    const enemy = adversary()
    const writer = new CborWriter()
    const timeMs = enemy.clock.wallMs()
    writeOpenHead(writer, { ids: new Uint8Array(32), command: 'a', deadlineMs: 10_000, timeMs })
    writer.null()
    enemy.frame(FRAME.OPEN, 1, writer.take())
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'open: expected: bytes')
  })

  test('above the limit refuse the call, then the rest is swallowed', () => {
    const enemy = adversary('listener', { limits: { maxValueBytes: 10 } })
    openLarge(enemy, 1, encodeCbor('x'.repeat(100)))
    enemy.frame(VALUE, 1, new Uint8Array(11))
    enemy.frame(VALUE, 1, new Uint8Array(11))
    enemy.send()
    assert.deepEqual(codes(enemy), ['KOS_SESSION_TOO_LARGE'])
    assert.equal(enemy.victim.machine.busy, true)
    enemy.frame(VALUE_END, 1)
    enemy.send()
    assert.equal(enemy.victim.machine.busy, false)
    assert.equal(enemy.victim.closed, undefined)
  })

  test('beyond the credit of their stream close the session', () => {
    const enemy = adversary('listener', { limits: { streamWindowBytes: 10 } })
    openLarge(enemy, 1, encodeCbor('x'.repeat(100)))
    enemy.frame(VALUE, 1, new Uint8Array(11))
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'credit: stream')
  })

  test('of a refused call are swallowed until END or RESET', () => {
    const enemy = adversary('listener', { limits: { opens: { perSecond: 50, burst: 1 } } })
    for (const stream of [1, 3, 5]) openLarge(enemy, stream, encodeCbor(1))
    enemy.send()
    assert.deepEqual(codes(enemy), ['KOS_SESSION_RATE', 'KOS_SESSION_RATE'])
    enemy.frame(VALUE_END, 3, encodeCbor(1))
    enemy.frame(FRAME.RESET, 5, Uint8Array.of(0, 2))
    enemy.frame(FRAME.RESET, 1, Uint8Array.of(0, 1))
    enemy.send()
    assert.deepEqual(codes(enemy), ['KOS_SESSION_CANCELLED'])
    assert.equal(enemy.victim.machine.busy, false)
  })

  test('that never end are bounded in number', () => {
    const enemy = adversary('listener', { limits: { maxStreams: 2 } })
    for (let stream = 1; stream <= 11; stream += 2) openLarge(enemy, stream, encodeCbor(1))
    enemy.send()
    assert.equal(enemy.victim.closed?.rule, 'streams')
  })

  test('miss their deadline like any call', () => {
    const enemy = adversary()
    openLarge(enemy, 1, encodeCbor(1))
    enemy.send()
    enemy.clock.advance(10_000)
    enemy.victim.machine.tick()
    assert.deepEqual(codes(enemy), ['KOS_SESSION_DEADLINE'])
  })

  for (const [title, kind, payload, rule] of [
    ['bytes that are no value', FRAME.DATA, 1, 'data: stream'],
    ['an empty piece', VALUE, 0, 'data: empty'],
  ] as const) {
    test(`${title} close the session`, () => {
      const enemy = adversary()
      openLarge(enemy, 1, encodeCbor(1))
      enemy.frame(kind, 1, new Uint8Array(payload))
      enemy.send()
      assert.equal(enemy.victim.closed?.rule, rule)
    })
  }

  test('answered before their end: the opener stops and says that it is done', () => {
    const enemy = adversary('dialler', { limits: { streamWindowBytes: 32 * KIB } })
    const call = enemy.victim.call('a', text(128))
    const sent = enemy.answers().filter(({ type }) => type === FRAME.DATA)
    assert.equal(
      sent.reduce((sum, { payload }) => sum + payload.length, 0),
      32 * KIB,
    )
    enemy.frame(FRAME.RESULT, 1, encodeCbor([1, 'KOS_SESSION_TOO_LARGE', null, null, null]))
    enemy.send()
    assert.equal(shown(call.result), 'peer refused KOS_SESSION_TOO_LARGE undefined')
    const [reset] = enemy.answers()
    assert.deepEqual([reset?.type, reset?.payload.readUInt16BE(0)], [FRAME.RESET, 2])
    assert.equal(enemy.victim.machine.busy, false)
  })

  test('cancelled by the caller before their end are given up at both ends', () => {
    const pair = sessionPair({ limits: { streamWindowBytes: 32 * KIB } })
    const call = pair.dialler.call('a', text(128))
    // One flush only: the window of the stream holds the rest back.
    pair.listener.machine.receive(pair.dialler.machine.take() ?? Buffer.alloc(0))
    assert.ok(call.call)
    pair.dialler.machine.cancel(call.call)
    pair.pump()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_CANCELLED signal')
    assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
    assert.equal(pair.dialler.closed ?? pair.listener.closed, undefined)
  })

  test('past the deadline before their end are given up with a RESET', () => {
    const pair = sessionPair({ limits: { streamWindowBytes: 32 * KIB } })
    const call = pair.dialler.call('a', text(128), { deadlineMs: 100 })
    pair.listener.machine.receive(pair.dialler.machine.take() ?? Buffer.alloc(0))
    pair.clock.advance(100)
    pair.dialler.machine.tick()
    pair.pump()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_DEADLINE deadline')
    assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
  })
})

describe('a streamed result', () => {
  /** A call whose handler streams these pieces, then ends with a value. */
  function streamed(
    pieces: readonly Uint8Array[],
    sink?: (bytes: Uint8Array) => void | Promise<void>,
    value: string = 'done',
  ): { readonly pair: ReturnType<typeof sessionPair>; readonly call: TestCall; sent: boolean[] } {
    const pair = sessionPair()
    const sent: boolean[] = []
    pair.listener.onCall = (seen) => {
      void (async () => {
        for (const piece of pieces) sent.push(await seen.respondBytes(piece))
        pair.listener.machine.respond(seen, { status: 'ok', value })
        sent.push(await seen.respondBytes(Uint8Array.of(1)))
      })()
    }
    const call = pair.dialler.call('a', null, { sink })
    return { pair, call, sent }
  }
  const settle = async (pair: ReturnType<typeof sessionPair>): Promise<void> => {
    for (let round = 0; round < 30; round += 1) {
      pair.pump(20_000)
      await turn()
    }
  }

  test('reaches the sink in order; the handler waits for credit; the value comes last', async () => {
    const got: Buffer[] = []
    const pieces = [1, 2, 3].map((byte) => new Uint8Array(300 * KIB).fill(byte))
    const { pair, call, sent } = streamed(pieces, (bytes) => void got.push(Buffer.from(bytes)))
    await settle(pair)
    assert.deepEqual(sent, [true, true, true, false])
    assert.deepEqual(call.result, { status: 'ok', value: 'done', origin: 'peer' })
    assert.ok(Buffer.concat(got).equals(Buffer.concat(pieces)))
    assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
  })

  test('a sink that returns a promise holds the sender back, and the result', async () => {
    const waiting: (() => void)[] = []
    let got = 0
    const sink = (bytes: Uint8Array): Promise<void> => {
      got += bytes.length
      return new Promise((resolve) => {
        waiting.push(resolve)
      })
    }
    const { pair, call } = streamed([new Uint8Array(400 * KIB)], sink)
    await settle(pair)
    assert.equal(got, 256 * KIB)
    while (waiting.length > 0) {
      waiting.splice(0).forEach((resolve) => resolve())
      await settle(pair)
    }
    assert.equal(got, 400 * KIB)
    assert.equal(shown(call.result), 'ok')
  })

  test('the result waits for the sink', async () => {
    let release: (() => void) | undefined
    const sink = (): Promise<void> =>
      new Promise((resolve) => {
        release = resolve
      })
    const { pair, call } = streamed([Uint8Array.of(1)], sink)
    await settle(pair)
    assert.equal(shown(call.result), 'open')
    release?.()
    await settle(pair)
    assert.equal(shown(call.result), 'ok')
  })

  for (const [title, sink] of [
    ['throws', () => assert.fail('full')],
    ['rejects', () => Promise.reject(new Error('full'))],
  ] as const) {
    test(`a sink that ${title} ends the call, not the session`, async () => {
      const { pair, call, sent } = streamed([new Uint8Array(600 * KIB)], sink)
      await settle(pair)
      assert.equal(shown(call.result), 'local failed KOS_SESSION_RESULT result: sink')
      assert.deepEqual(sent, [false, false])
      assert.equal(pair.dialler.closed ?? pair.listener.closed, undefined)
      assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
    })
  }

  test('a sink that settles after the session is over is harmless', async () => {
    let release: (() => void) | undefined
    const sink = (): Promise<void> =>
      new Promise((resolve) => {
        release = resolve
      })
    const { pair, call } = streamed([Uint8Array.of(1)], sink)
    pair.pump()
    pair.dialler.machine.close({ allow: false, code: 'KOS_SESSION_CLOSED', rule: 'test' })
    release?.()
    await turn()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_CLOSED test')
  })

  test('without a sink ends the call', async () => {
    const { pair, call } = streamed([Uint8Array.of(1)])
    await settle(pair)
    assert.equal(shown(call.result), 'local failed KOS_SESSION_RESULT result: unexpected stream')
    assert.equal(pair.dialler.closed ?? pair.listener.closed, undefined)
  })

  test('followed by a value too large for RESULT fails', async () => {
    const { pair, call } = streamed([Uint8Array.of(1)], () => undefined, 'x'.repeat(16_340))
    await settle(pair)
    assert.equal(shown(call.result), 'peer failed KOS_SESSION_TOO_LARGE result: bytes')
  })

  test('is stopped by its deadline while DATA flows', () => {
    const pair = sessionPair({ limits: { streamWindowBytes: 16 * KIB } })
    pair.listener.onCall = (seen) =>
      pair.listener.machine.respond(seen, { status: 'ok', value: text(64) })
    const call = pair.dialler.call('a', null, { deadlineMs: 100 })
    pair.listener.machine.receive(pair.dialler.machine.take() ?? Buffer.alloc(0))
    pair.dialler.machine.receive(pair.listener.machine.take() ?? Buffer.alloc(0))
    pair.clock.advance(100)
    pair.listener.machine.tick()
    pair.pump()
    assert.equal(shown(call.result), 'peer failed KOS_SESSION_DEADLINE deadline')
    assert.equal(pair.listener.machine.busy, false)
  })

  test('is stopped by a RESET while DATA flows', () => {
    const pair = sessionPair({ limits: { streamWindowBytes: 16 * KIB } })
    pair.listener.onCall = (seen) =>
      pair.listener.machine.respond(seen, { status: 'ok', value: text(64) })
    const call = pair.dialler.call('a')
    pair.listener.machine.receive(pair.dialler.machine.take() ?? Buffer.alloc(0))
    assert.ok(call.call)
    pair.dialler.machine.cancel(call.call)
    pair.pump()
    assert.equal(pair.dialler.machine.busy || pair.listener.machine.busy, false)
    assert.equal(pair.dialler.closed ?? pair.listener.closed, undefined)
  })
})

describe('DATA of a result', () => {
  /** A victim with one open call on stream 1, and the adversary that answers. */
  function caller(
    sink?: (bytes: Uint8Array) => void,
    limits: object = {},
  ): { readonly enemy: Adversary; readonly call: TestCall } {
    const enemy = adversary('dialler', { limits })
    const call = enemy.victim.call('a', null, { sink })
    enemy.victim.machine.take()
    return { enemy, call }
  }
  const result = (encoded: Uint8Array, digest: Uint8Array): Uint8Array => {
    const writer = new CborWriter()
    writeStreamResult(writer, encoded, digest)
    return writer.take()
  }
  const NULL = Uint8Array.of(0xf6)
  const one = encodeCbor(1)

  const faults: readonly (readonly [
    string,
    readonly (readonly [kind: number, payload: Uint8Array])[],
    string,
  ])[] = [
    ['with END', [[FRAME.DATA | (FLAG_END << 8), one]], 'data: end or empty'],
    ['that is empty', [[VALUE, new Uint8Array(0)]], 'data: end or empty'],
    [
      'that mixes a value with bytes',
      [
        [VALUE, one],
        [FRAME.DATA, one],
      ],
      'data: kind',
    ],
    [
      'whose digest is another',
      [
        [VALUE, one],
        [FRAME.RESULT, result(NULL, sha256(NULL))],
      ],
      'result: digest',
    ],
    ['that never came', [[FRAME.RESULT, result(NULL, sha256(NULL))]], 'result: digest'],
    [
      'without a digest',
      [
        [VALUE, one],
        [FRAME.RESULT, Uint8Array.of(0x83, 0, 0xf6, 0xf6)],
      ],
      'result: digest',
    ],
    [
      'beside a value in RESULT',
      [
        [VALUE, one],
        [FRAME.RESULT, result(one, sha256(one))],
      ],
      'result: value',
    ],
    [
      'that is no CBOR',
      [
        [VALUE, Uint8Array.of(0xff)],
        [FRAME.RESULT, result(NULL, sha256(Uint8Array.of(0xff)))],
      ],
      'result: simple: unknown value',
    ],
  ]
  for (const [title, frames, rule] of faults) {
    test(`${title} closes the session and fails the call`, () => {
      const { enemy, call } = caller()
      for (const [kind, payload] of frames) enemy.frame(kind, 1, payload)
      enemy.send()
      assert.equal(enemy.victim.closed?.rule, rule)
      assert.equal(shown(call.result), `local failed KOS_SESSION_CLOSED ${rule}`)
    })
  }

  test('above the limit of a value ends the call', () => {
    const { enemy, call } = caller(undefined, { maxValueBytes: 10 })
    enemy.frame(VALUE, 1, new Uint8Array(11))
    enemy.frame(VALUE, 1, new Uint8Array(11))
    enemy.send()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_TOO_LARGE result: bytes')
    const [reset] = enemy.answers()
    assert.equal(reset?.type, FRAME.RESET)
    enemy.frame(FRAME.RESULT, 1, result(NULL, sha256(NULL)))
    enemy.send()
    assert.equal(enemy.victim.closed, undefined)
    assert.equal(enemy.victim.machine.busy, false)
  })

  test('above the limit of items fails the call only', () => {
    const { enemy, call } = caller()
    const many = encodeCbor(Array.from({ length: 5000 }, () => 0))
    enemy.frame(VALUE, 1, many)
    enemy.frame(FRAME.RESULT, 1, result(NULL, sha256(many)))
    enemy.send()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_RESULT result: limit: items')
    assert.equal(enemy.victim.closed, undefined)
  })

  test('beyond the credit of the stream or of the connection closes', () => {
    for (const [limits, rule] of [
      [{ streamWindowBytes: 1000 }, 'credit: stream'],
      [{ connectionWindowBytes: 1000 }, 'credit: connection'],
    ] as const) {
      const { enemy } = caller(() => undefined, limits)
      enemy.frame(FRAME.DATA, 1, new Uint8Array(1001))
      enemy.send()
      assert.equal(enemy.victim.closed?.rule, rule)
    }
  })

  test('of a call that failed is read and forgotten', () => {
    const { enemy, call } = caller()
    enemy.frame(FRAME.DATA, 1, one)
    enemy.frame(FRAME.DATA, 1, one)
    const writer = new CborWriter()
    enemy.send()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_RESULT result: unexpected stream')
    writer.value([2, 'KOS_SESSION_CANCELLED', null, null, null])
    enemy.frame(FRAME.RESULT, 1, writer.take())
    enemy.send()
    assert.equal(enemy.victim.machine.busy, false)
    assert.equal(enemy.victim.closed, undefined)
  })
})
