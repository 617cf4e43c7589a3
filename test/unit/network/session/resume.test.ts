/** Calls that go on on another connection: once, whatever was lost, or with one clear end. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { IncomingCall } from '../../../../src/network/session/incoming-call.ts'
import { createResumption, type CallResult } from '../../../../src/network/session/index.ts'
import { resumePair, type ResumePair } from '../../../kit/resume-pair.ts'
import { type PairOptions, testPeer } from '../../../kit/session-pair.ts'

const KIB = 1024
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const shown = (result: CallResult | undefined): string =>
  !result
    ? 'open'
    : result.status === 'ok'
      ? `ok ${JSON.stringify(result.value)}`
      : `${result.origin} ${result.status} ${result.code} ${result.rule}`
const text = (kib: number): readonly string[] =>
  Array.from({ length: kib / 8 }, (_, index) => String(index % 10).repeat(8 * KIB))
const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) % 251)
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Every call the handlers of one side saw. */
function seenBy(ends: ResumePair, role: 'dialler' | 'listener' = 'listener'): IncomingCall[] {
  const seen: IncomingCall[] = []
  ends.pair[role].onCall = (call) => void seen.push(call)
  return seen
}

/** Ends a call wherever it lives. */
const answer = (call: IncomingCall | undefined, value: string = 'done'): void => {
  call?.home.respond(call, { status: 'ok', value })
}

describe('a call goes on', () => {
  test('while its handler runs; the handler sees it once', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a')
    ends.pair.pump()
    ends.cut()
    assert.equal(shown(call.result), 'open')
    assert.deepEqual([ends.stores.dialler.size, ends.stores.listener.size], [1, 1])
    assert.equal(ends.stores.dialler.waitingFor(testPeer('listener').principal.uri), 1)
    assert.equal(ends.stores.dialler.waitingFor('spiffe://kos.internal/device/other'), 0)
    ends.connect().pump()
    assert.equal(seen[0]?.signal.aborted, false)
    answer(seen[0])
    ends.pair.pump()
    assert.equal(shown(call.result), 'ok "done"')
    assert.equal(seen.length, 1)
    assert.deepEqual([ends.stores.dialler.size, ends.stores.listener.size], [0, 0])
    assert.equal(ends.pair.dialler.machine.busy || ends.pair.listener.machine.busy, false)
  })

  test('whose outcome came while there was no connection', () => {
    for (const value of ['ok', 'no', 'large'] as const) {
      const ends = resumePair()
      const seen = seenBy(ends)
      const call = ends.pair.dialler.call('a')
      ends.pair.pump()
      ends.cut()
      const [running] = seen
      assert.ok(running)
      running.home.respond(
        running,
        value === 'ok'
          ? { status: 'ok', value }
          : value === 'no'
            ? { status: 'failed', code: 'KOS_X_Y', rule: 'no' }
            : { status: 'ok', value: text(64) },
      )
      // Dropped: the outcome is decided.
      running.home.respond(running, { status: 'ok', value: 'second' })
      ends.connect().pump()
      const expected = { ok: 'ok "ok"', no: 'peer failed KOS_X_Y no' }
      if (value === 'large')
        assert.deepEqual(call.result?.status === 'ok' && call.result.value, text(64))
      else assert.equal(shown(call.result), expected[value])
    }
  })

  test('whose RESULT was lost: it is answered again, not executed again', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const calls = ['a', 'b', 'c'].map((name) => ends.pair.dialler.call(name))
    ends.pair.pump()
    answer(seen[0], 'first')
    ends.pair.pump()
    answer(seen[1], 'second')
    const [, , third] = seen
    third?.home.respond(third, { status: 'refused', code: 'KOS_X_NO', rule: 'rule' })
    ends.cut()
    ends.connect().pump()
    assert.deepEqual(
      calls.map(({ result }) => shown(result)),
      ['ok "first"', 'ok "second"', 'peer refused KOS_X_NO rule'],
    )
    assert.equal(seen.length, 3)
  })

  test('whose OPEN was lost: it is opened again, in what is left of its time', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const callId = Uint8Array.from({ length: 16 }, () => 0xab)
    const call = ends.pair.dialler.call('a', { n: 1 }, { callId })
    ends.cut()
    ends.clock.advance(3000)
    ends.connect().pump()
    assert.equal(seen.length, 1)
    assert.equal(seen[0]?.callId, 'ab'.repeat(16))
    assert.equal(seen[0]?.deadlineMs, 7000)
    answer(seen[0])
    ends.pair.pump()
    assert.equal(shown(call.result), 'ok "done"')
  })

  test('whose large arguments were cut: they are sent again', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a', text(640))
    const { machine } = ends.pair.listener
    machine.receive(ends.pair.dialler.machine.take() ?? assert.fail())
    ends.cut()
    ends.connect().pump()
    assert.deepEqual(seen[0]?.arguments, text(640))
    answer(seen[0])
    ends.pair.pump()
    assert.equal(shown(call.result), 'ok "done"')
    assert.equal(seen.length, 1)
  })

  test('whose large result was cut', () => {
    for (const frames of [1, 3, 6]) {
      const ends = resumePair()
      const seen = seenBy(ends)
      const call = ends.pair.dialler.call('a')
      ends.pair.pump()
      const [running] = seen
      running?.home.respond(running, { status: 'ok', value: text(640) })
      const { dialler, listener } = ends.pair
      for (let index = 0; index < frames; index += 1) {
        const bytes = listener.machine.take()
        if (bytes) dialler.machine.receive(bytes.subarray(0, index === 2 ? 100_000 : undefined))
        const back = dialler.machine.take()
        if (back && index !== frames - 1) listener.machine.receive(back)
      }
      ends.cut()
      ends.connect().pump()
      assert.deepEqual(call.result?.status === 'ok' && call.result.value, text(640))
    }
  })

  test('in both directions at once', () => {
    const ends = resumePair()
    const [atListener, atDialler] = [seenBy(ends), seenBy(ends, 'dialler')]
    const there = ends.pair.dialler.call('there')
    const back = ends.pair.listener.call('back')
    ends.pair.pump()
    const lost = ends.pair.listener.call('lost')
    ends.cut()
    ends.connect().pump()
    for (const call of [...atListener, ...atDialler]) answer(call, call.command)
    ends.pair.pump()
    assert.deepEqual(
      [there, back, lost].map(({ result }) => shown(result)),
      ['ok "there"', 'ok "back"', 'ok "lost"'],
    )
    assert.deepEqual([atListener.length, atDialler.length], [1, 2])
  })

  test('beside fresh calls of the new connection', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const old = ends.pair.dialler.call('old')
    ends.pair.pump()
    ends.cut()
    const { dialler, listener } = ends.connect()
    const fresh = [dialler.call('fresh'), listener.call('fresh')]
    ends.pair.dialler.onCall = (call) => answer(call)
    ends.pair.pump()
    for (const call of seen) answer(call)
    ends.pair.pump()
    assert.deepEqual(
      [old, ...fresh].map(({ result }) => shown(result)),
      ['ok "done"', 'ok "done"', 'ok "done"'],
    )
  })

  test('over several losses, whichever frames of RESUME were lost', () => {
    for (const carried of ['nothing', 'the names', 'the answer'] as const) {
      const ends = resumePair()
      const [atListener, atDialler] = [seenBy(ends), seenBy(ends, 'dialler')]
      const there = ends.pair.dialler.call('there')
      const back = ends.pair.listener.call('back')
      ends.pair.pump()
      ends.cut()
      const { dialler, listener } = ends.connect()
      const names = dialler.machine.take()
      if (names && carried !== 'nothing') listener.machine.receive(names)
      const answers = listener.machine.take()
      if (answers && carried === 'the answer') dialler.machine.receive(answers)
      ends.cut()
      ends.connect().pump()
      answer(atListener[0], 'there')
      answer(atDialler[0], 'back')
      ends.pair.pump()
      assert.deepEqual([shown(there.result), shown(back.result)], ['ok "there"', 'ok "back"'])
      assert.deepEqual([atListener.length, atDialler.length], [1, 1])
      assert.deepEqual([ends.stores.dialler.size, ends.stores.listener.size], [0, 0])
    }
  })

  test('when only the dialler noticed: what it names is lost at once', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a')
    ends.pair.pump()
    const half = ends.pair.listener
    ends.cut('dialler')
    ends.connect().pump()
    assert.equal(half.closed?.rule, 'resume: replaced')
    answer(seen[0])
    ends.pair.pump()
    assert.equal(shown(call.result), 'ok "done"')
  })

  test('after the end of life, silence and a drain whose time was over', () => {
    for (const end of ['expired', 'dead-peer', 'recycle'] as const) {
      const ends = resumePair()
      const seen = seenBy(ends)
      const call = ends.pair.dialler.call('a', null, { deadlineMs: 60_000 })
      ends.pair.pump()
      const { dialler, listener } = ends.pair
      if (end === 'recycle') {
        dialler.machine.goaway('recycle', 0)
        ends.pair.pump()
        ends.clock.advance(30_001)
        for (const { machine } of [dialler, listener]) machine.tick()
      } else {
        dialler.machine.close({ allow: false, code: 'KOS_SESSION_EXPIRED', rule: end }, end)
        ends.pair.pump()
        ends.cut('listener')
      }
      ends.connect().pump()
      answer(seen[0])
      ends.pair.pump()
      assert.equal(shown(call.result), 'ok "done"', end)
    }
  })
})

describe('a streamed result goes on', () => {
  /** A stream of 2 MiB that is cut after so many flushes of the sender. */
  async function cutAfter(flushes: number, partBytes: number): Promise<void> {
    const ends = resumePair()
    const bytes = pattern(2 * 1024 * KIB)
    let runs = 0
    ends.pair.listener.onCall = (call) => {
      runs += 1
      void (async () => {
        const emit = call.emit ?? assert.fail()
        const buffer = new Uint8Array(50_000)
        for (let at = 0; at < bytes.length; at += buffer.length) {
          const piece = bytes.subarray(at, at + buffer.length)
          // The same array again and again: what is kept must be a copy.
          buffer.set(piece)
          assert.equal(await emit(buffer.subarray(0, piece.length)), true)
        }
        answer(call)
      })()
    }
    const hash = createHash('sha256')
    let taken = 0
    const sink = async (piece: Uint8Array): Promise<void> => {
      hash.update(piece)
      taken += piece.length
      await turn()
    }
    const call = ends.pair.dialler.call('a', null, { sink })
    ends.pair.pump()
    const { dialler, listener } = ends.pair
    for (let index = 0; index < flushes; index += 1) {
      await turn()
      const out = listener.machine.take()
      if (out)
        dialler.machine.receive(out.subarray(0, index === flushes - 1 ? partBytes : undefined))
      await turn()
      const back = dialler.machine.take()
      if (back) listener.machine.receive(back)
    }
    assert.ok((listener.machine.stats.streamBytesKept ?? 0) <= 256 * KIB)
    ends.cut()
    await turn()
    ends.connect()
    for (let round = 0; round < 100 && !call.result; round += 1) {
      ends.pair.pump()
      await turn()
      await turn()
    }
    assert.equal(shown(call.result), 'ok "done"')
    assert.deepEqual([taken, hash.digest('hex'), runs], [bytes.length, sha(bytes), 1])
  }

  for (const flushes of [1, 2, 5, 9]) {
    test(`cut in flush ${flushes}`, async () => {
      for (const partBytes of [0, 70_000, 1_000_000]) await cutAfter(flushes, partBytes)
    })
  }

  test('when its RESULT was lost, and when bytes were sent without a connection', async () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const parts: number[] = []
    const sink = (piece: Uint8Array): void => void parts.push(piece.length)
    const calls = [0, 1].map(() => ends.pair.dialler.call('a', null, { sink }))
    ends.pair.pump()
    const first = seen[0]?.emit?.(new Uint8Array(10)) ?? assert.fail()
    ends.pair.listener.machine.take()
    assert.equal(await first, true)
    answer(seen[0])
    ends.pair.listener.machine.take()
    ends.cut()
    const sent = seen[1]?.emit?.(new Uint8Array(20)) ?? assert.fail()
    answer(seen[1])
    assert.equal(await seen[1]?.emit?.(new Uint8Array(30)), false)
    ends.connect().pump()
    assert.equal(await sent, true)
    assert.deepEqual(
      calls.map(({ result }) => shown(result)),
      ['ok "done"', 'ok "done"'],
    )
    assert.deepEqual(parts, [10, 20])
  })

  test('with the room that its reader has: what the reader holds is not given away again', async () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const gates: (() => void)[] = []
    let taken = 0
    const sink = (piece: Uint8Array): Promise<void> => {
      taken += piece.length
      return new Promise((resolve) => gates.push(resolve))
    }
    const call = ends.pair.dialler.call('a', null, { sink, deadlineMs: 60_000 })
    ends.pair.pump()
    void seen[0]?.emit?.(pattern(1024 * KIB)).then(() => answer(seen[0]))
    ends.pair.pump()
    assert.equal(taken, 256 * KIB)
    for (let round = 0; round < 3; round += 1) {
      ends.cut()
      ends.connect().pump()
      assert.equal(taken, 256 * KIB)
    }
    // Half of it while there is no connection.
    ends.cut()
    const half = gates.splice(0, gates.length / 2)
    for (const open of half) open()
    await turn()
    ends.connect().pump()
    assert.equal(taken, 384 * KIB)
    for (let round = 0; round < 60 && !call.result; round += 1) {
      for (const open of gates.splice(0)) open()
      await turn()
      ends.pair.pump()
    }
    assert.equal(shown(call.result), 'ok "done"')
    assert.equal(taken, 1024 * KIB)
  })

  test('of several at once, all of them framed and none of them arrived', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const calls = Array.from({ length: 6 }, () => ends.pair.dialler.call('a'))
    ends.pair.pump()
    const value = text(232)
    for (const call of seen) call.home.respond(call, { status: 'ok', value })
    const { machine } = ends.pair.listener
    while (machine.take()) continue
    // The window of the connection bounds what is on its way.
    const { streamBytesKept } = machine.stats
    assert.ok(streamBytesKept > 512 * KIB && streamBytesKept <= 1024 * KIB, String(streamBytesKept))
    ends.cut()
    ends.connect().pump()
    for (const { result } of calls) {
      assert.deepEqual(result?.status === 'ok' && result.value, value)
    }
    assert.equal(seen.length, 6)
  })
})

describe('nothing goes on', () => {
  const both = (result: CallResult | undefined, call: IncomingCall | undefined): string =>
    `${shown(result)}; ${call?.signal.aborted ? String(call.signal.reason) : 'runs'}`

  test('after its time: the caller fails once, the handler is told to stop', async () => {
    const ends = resumePair()
    const [atListener, atDialler] = [seenBy(ends), seenBy(ends, 'dialler')]
    const there = ends.pair.dialler.call('a', null, { deadlineMs: 60_000 })
    const back = ends.pair.listener.call('a', null, { deadlineMs: 60_000 })
    ends.pair.pump()
    ends.cut()
    const sent = atListener[0]?.respondBytes(new Uint8Array(1))
    ends.clock.advance(29_999)
    assert.equal(both(there.result, atListener[0]), 'open; runs')
    ends.clock.advance(1)
    const lost = 'local failed KOS_SESSION_LOST resume: time; KOS_SESSION_LOST'
    assert.equal(both(there.result, atListener[0]), lost)
    assert.equal(both(back.result, atDialler[0]), lost)
    assert.equal(await sent, false)
    answer(atListener[0])
    ends.connect().pump()
    assert.equal(both(there.result, atListener[0]), lost)
    assert.equal(ends.stores.listener.size + ends.stores.dialler.size, 0)
  })

  test('when the caller cancelled meanwhile: the handler is told to stop', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a')
    ends.pair.pump()
    ends.cut()
    assert.ok(call.call)
    ends.pair.dialler.machine.cancel(call.call)
    assert.equal(both(call.result, seen[0]), 'local failed KOS_SESSION_CANCELLED signal; runs')
    ends.connect().pump()
    assert.equal(seen[0]?.signal.reason, 'KOS_SESSION_CANCELLED')
  })

  test('when RESET was lost with the connection', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a')
    ends.pair.pump()
    ends.pair.dialler.machine.cancel(call.call ?? assert.fail())
    ends.cut()
    assert.equal(seen[0]?.signal.aborted, false)
    ends.connect().pump()
    assert.equal(seen[0]?.signal.reason, 'KOS_SESSION_CANCELLED')
  })

  test('beyond its deadline, on either end', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a', null, { deadlineMs: 5000 })
    ends.pair.dialler.call('b', null, { deadlineMs: 20_000 })
    ends.pair.pump()
    ends.cut()
    ends.clock.advance(5000)
    assert.equal(
      both(call.result, seen[0]),
      'local failed KOS_SESSION_DEADLINE deadline; KOS_SESSION_DEADLINE',
    )
    assert.equal(seen[1]?.signal.aborted, false)
  })

  test('of a call whose deadline the handler passed: its outcome is the deadline', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a', null, { sink: () => undefined, deadlineMs: 5000 })
    ends.pair.pump()
    ends.clock.advance(4000)
    const sent = seen[0]?.respondBytes(new Uint8Array(1))
    ends.pair.pump()
    ends.cut()
    // Bytes moved the deadline on both ends.
    ends.clock.advance(4000)
    assert.equal(both(call.result, seen[0]), 'open; runs')
    ends.clock.advance(1000)
    assert.match(both(call.result, seen[0]), /KOS_SESSION_DEADLINE deadline; KOS_SESSION_DEADLINE/)
    assert.ok(sent)
  })

  test('after a goodbye, a broken rule, or when one end does not wait', () => {
    const cases: readonly (readonly [string, PairOptions, (ends: ResumePair) => void])[] = [
      ['shutdown', {}, (ends) => ends.pair.dialler.machine.goaway('shutdown', 0)],
      ['quarantine', {}, (ends) => ends.pair.listener.machine.goaway('quarantine', 0)],
      [
        'the dialler does not',
        { resumption: { listener: createResumption({ clock: resumePair().clock }) } },
        () => undefined,
      ],
    ]
    for (const [name, options, before] of cases) {
      const ends = resumePair(options)
      const seen = seenBy(ends)
      const call = ends.pair.dialler.call('a')
      ends.pair.pump()
      before(ends)
      ends.pair.pump()
      ends.cut()
      assert.match(shown(call.result), /^local failed KOS_SESSION_CLOSED /, name)
      assert.equal(seen[0]?.signal.reason, 'KOS_SESSION_CLOSED', name)
      assert.equal(ends.stores.listener.size + ends.stores.dialler.size, 0, name)
    }
  })

  test('beyond the limits of OPEN', () => {
    const ends = resumePair({ limits: { opens: { perSecond: 1, burst: 3 } } })
    const seen = seenBy(ends)
    const calls = [0, 1, 2].map(() => ends.pair.dialler.call('a'))
    ends.pair.pump()
    ends.cut()
    ends.connect({ limits: { opens: { perSecond: 1, burst: 2 } } }).pump()
    for (const call of seen) answer(call)
    ends.pair.pump()
    assert.deepEqual(
      calls.map(({ result }) => shown(result)),
      ['ok "done"', 'ok "done"', 'local failed KOS_SESSION_LOST resume: limits'],
    )
    assert.equal(seen[2]?.signal.reason, 'KOS_SESSION_CANCELLED')
  })

  test('on a connection that takes no more calls', () => {
    const ends = resumePair()
    seenBy(ends)
    const call = ends.pair.dialler.call('a')
    ends.pair.pump()
    ends.cut()
    const { dialler, listener } = ends.connect()
    listener.machine.goaway('shutdown', 0)
    const goodbye = listener.machine.take()
    assert.ok(goodbye)
    dialler.machine.receive(goodbye)
    assert.equal(shown(call.result), 'local failed KOS_SESSION_LOST resume: goaway')
  })

  test('whose arguments were changed, or whose time is over, when OPEN was lost', () => {
    const ends = resumePair()
    const args: { n: unknown } = { n: 1 }
    const changed = ends.pair.dialler.call('a', args as { n: number })
    ends.cut()
    args.n = Symbol('not data')
    ends.connect().pump()
    assert.equal(shown(changed.result), 'local refused KOS_SESSION_LOST resume: arguments changed')

    const late = resumePair()
    const call = late.pair.dialler.call('a')
    late.cut()
    late.connect()
    late.clock.advance(10_000)
    late.pair.pump()
    assert.equal(
      shown(call.result),
      'local refused KOS_SESSION_DEADLINE open: deadline out of range',
    )
  })

  test('that was settled after it was named', () => {
    const ends = resumePair()
    const call = ends.pair.dialler.call('a')
    ends.cut()
    ends.connect()
    ends.pair.dialler.machine.cancel(call.call ?? assert.fail())
    ends.pair.pump()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_CANCELLED signal')
    assert.equal(ends.pair.listener.calls.length, 0)
  })

  test('of a sink that fails without a connection', async () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const { promise, reject } = Promise.withResolvers<void>()
    const call = ends.pair.dialler.call('a', null, { sink: () => promise })
    ends.pair.pump()
    void seen[0]?.respondBytes(new Uint8Array(1))
    ends.pair.pump()
    ends.cut()
    reject(new Error('full'))
    await turn()
    assert.equal(shown(call.result), 'local failed KOS_SESSION_RESULT result: sink')
    ends.connect().pump()
    assert.equal(seen[0]?.signal.reason, 'KOS_SESSION_CANCELLED')
  })
})
