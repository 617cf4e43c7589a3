/** The session on a channel: handshake, flushes, back-pressure, timers, the ends of everything. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, type Refusal, refuse } from '../../../../src/foundation/base/index.ts'
import { Authenticated } from '../../../../src/foundation/pipeline/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import {
  createPeerSession,
  type PeerSession,
  SESSION_LIMITS,
  sessionErrors,
} from '../../../../src/network/session/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { channelPair } from '../../../kit/memory-channel.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { testAuthenticator, testPeer } from '../../../kit/session-pair.ts'
import { start, ready, type Role } from '../../../kit/memory-sessions.ts'

const code = (result: {
  readonly status: string
  readonly code?: string
  readonly rule?: string
}): string => `${result.status} ${result.code} ${result.rule}`

describe('a session', () => {
  test('becomes ready on both sides and carries calls both ways', async () => {
    const sessions = await ready()
    const { dialler, listener, peers } = sessions
    const [left, right] = [await dialler.ready, await listener.ready]
    assert.ok(Authenticated.is(left) && Authenticated.is(right))
    assert.equal((left as Authenticated).peer, peers.listener.facts)
    assert.equal((left as Authenticated).sessionId, (right as Authenticated).sessionId)
    assert.equal((left as Authenticated).connected, sessions.channels.dialler.connected)
    assert.equal(dialler.peerHello?.updateCounter, 4)
    assert.ok(dialler.receivedToken && listener.issuedToken)
    assert.ok(dialler.receivedToken.secret.equals(listener.issuedToken.secret))
    const calls = [dialler.call('echo', 'a'), listener.call('echo', 'b')]
    await sessions.channels.pump()
    assert.deepEqual(await Promise.all(calls), [
      { status: 'ok', value: 'a', origin: 'peer' },
      { status: 'ok', value: 'b', origin: 'peer' },
    ])
    assert.ok((dialler.stats?.bytesSent ?? 0) > 500)
    assert.equal(dialler.stats?.bytesWaiting, 0)
    assert.deepEqual(
      sessions.events.map(({ name }) => name),
      ['session.ready', 'session.ready'],
    )
  })

  test('gives its first call the whole deadline, however long after READY', async () => {
    for (const role of ['dialler', 'listener'] as const) {
      const sessions = await ready()
      sessions.clock.advance(12_000)
      const call = sessions[role].call('echo', 'a')
      // A tick comes before the answer.
      sessions.clock.advance(20)
      await sessions.channels.pump()
      assert.equal((await call).status, 'ok')
    }
  })

  test('joins what one turn produces into one write', async () => {
    const { dialler, channels } = await ready()
    const before = dialler.stats?.sealsSent ?? 0
    const calls = Array.from({ length: 50 }, (_, index) => dialler.call('echo', index))
    await channels.pump()
    assert.equal((await Promise.all(calls)).length, 50)
    assert.equal(dialler.stats?.sealsSent, before + 1)
    assert.equal(dialler.stats?.sealsReceived, before + 1)
  })

  test('has nothing to tell before it is ready', async () => {
    const { dialler } = start()
    assert.equal(dialler.stats ?? dialler.peerHello ?? dialler.receivedToken, undefined)
    assert.equal(dialler.issuedToken, undefined)
    assert.equal(code(await dialler.call('a', null)), 'failed KOS_SESSION_NOT_READY handshake')
    dialler.busy('node', 1)
    dialler.rekey()
    dialler.goaway('shutdown')
    assert.equal((await dialler.closed).rule, 'shutdown')
    assert.equal((await dialler.ready) as Refusal, await dialler.closed)
    assert.equal(code(await dialler.call('a', null)), 'failed KOS_SESSION_CLOSED shutdown')
  })

  test('uses its own budget when none is shared', async () => {
    const clock = createTestClock()
    const peers = { dialler: testPeer('dialler'), listener: testPeer('listener') }
    const channels = channelPair(peers)
    const log = { event: () => undefined }
    const make = (role: Role): PeerSession =>
      createPeerSession(
        {
          clock,
          random: createTestRandom(role),
          log,
          authenticator: testAuthenticator(peers[role], Object.values(peers)),
        },
        {
          role,
          channel: channels[role],
          limits: SESSION_LIMITS,
          state: { updateCounter: 0 },
          onCall: () => ({ status: 'ok', value: 'x'.repeat(16_000).split('').slice(0, 4000) }),
        },
      )
    const [dialler] = [make('dialler'), make('listener')]
    await channels.pump()
    const call = dialler.call('a', null)
    await channels.pump()
    assert.equal((await call).status, 'ok')
  })
})

describe('misuse rejects', () => {
  for (const [title, command, args, options, expected] of [
    ['no command', '', null, {}, 'KOS_SESSION_MISUSE'],
    ['a long command', 'é'.repeat(128), null, {}, 'KOS_SESSION_MISUSE'],
    ['a short call id', 'a', null, { callId: 'ab' }, 'KOS_SESSION_MISUSE'],
    [
      'a trace id that is not hexadecimal',
      'a',
      null,
      { traceId: 'x'.repeat(32) },
      'KOS_SESSION_MISUSE',
    ],
    ['arguments without encoding', 'a', new Date() as unknown as null, {}, 'KOS_CODEC_CBOR'],
  ] as const) {
    test(title, async () => {
      const { dialler } = await ready()
      await assert.rejects(dialler.call(command, args, options), { code: expected })
    })
  }
})

describe('a handler', () => {
  test('may answer later', async () => {
    const onCall = async (): Promise<{ status: 'ok'; value: string }> => {
      await new Promise((resolve) => setImmediate(resolve))
      return { status: 'ok', value: 'late' }
    }
    const { dialler, channels } = await ready({ side: { listener: { onCall } } })
    const call = dialler.call('a', null, { callId: '0'.repeat(32), traceId: '1'.repeat(32) })
    await channels.pump()
    assert.deepEqual(await call, { status: 'ok', value: 'late', origin: 'peer' })
  })

  for (const [title, error, logged] of [
    ['an error', new TypeError('secret text'), ['KOS_SESSION_INTERNAL', 'TypeError']],
    [
      'an error of kOS',
      sessionErrors.error('KOS_SESSION_MISUSE'),
      ['KOS_SESSION_MISUSE', 'KosError'],
    ],
    ['something else', 'text', ['KOS_SESSION_INTERNAL', 'string']],
  ] as const) {
    for (const late of [false, true]) {
      test(`that throws ${title}${late ? ' later' : ''} fails the call; the peer learns no text`, async () => {
        const onCall = (): never | Promise<never> => {
          if (late) return Promise.reject(error as Error)
          throw error as Error
        }
        const { dialler, channels, events } = await ready({ side: { listener: { onCall } } })
        const call = dialler.call('a', null)
        await channels.pump()
        assert.equal(code((await call) as never), 'failed KOS_SESSION_INTERNAL handler')
        const event = events.find(({ name }) => name === 'session.call')
        assert.deepEqual([event?.fields?.code, event?.fields?.error], logged)
      })
    }
  }
})

describe('a signal', () => {
  test('cancels the call and the handler', async () => {
    let seen: AbortSignal | undefined
    const onCall = (call: { readonly signal: AbortSignal }): Promise<never> => {
      seen = call.signal
      return new Promise(() => undefined)
    }
    const { dialler, channels } = await ready({ side: { listener: { onCall } } })
    const controller = new AbortController()
    const call = dialler.call('a', null, { signal: controller.signal })
    await channels.pump()
    controller.abort()
    assert.equal(code((await call) as never), 'failed KOS_SESSION_CANCELLED signal')
    await channels.pump()
    assert.equal(seen?.aborted, true)
  })

  test('aborted before refuses; a call refused here leaves no listener behind', async () => {
    const { dialler } = await ready()
    const aborted = await dialler.call('a', null, { signal: AbortSignal.abort() })
    assert.equal(code(aborted as never), 'failed KOS_SESSION_CANCELLED signal')
    const { signal } = new AbortController()
    const refused = await dialler.call('a', null, { signal, deadlineMs: 0 })
    assert.equal(refused.status, 'refused')
  })

  test('after the result does nothing', async () => {
    const { dialler, channels } = await ready()
    const controller = new AbortController()
    const call = dialler.call('a', null, { signal: controller.signal })
    await channels.pump()
    assert.equal((await call).status, 'ok')
    controller.abort()
    await channels.pump()
    assert.equal(dialler.stats?.callsOpen, 0)
  })
})

describe('the handshake', () => {
  test('that is refused closes the channel and says why to the log only', async () => {
    const admit = (): Refusal => refuse('KOS_ADMISSION_DEVICE', 'connections')
    const { dialler, listener, channels, events } = await ready({ side: { listener: { admit } } })
    assert.equal(((await listener.ready) as Refusal).code, 'KOS_ADMISSION_DEVICE')
    assert.equal(channels.listener.destroyedBy, 'connections')
    assert.equal((await listener.closed).rule, 'connections')
    assert.deepEqual(
      events.map(({ name, fields }) => [name, fields?.code, fields?.source]),
      [['session.refused', 'KOS_ADMISSION_DEVICE', '127.0.0.1']],
    )
    channels.dialler.close({ by: 'peer', reason: 'ended' })
    assert.equal(((await dialler.ready) as Refusal).rule, 'channel: peer, ended')
    channels.dialler.deliver(Buffer.of(1))
  })

  test('that stalls ends in time', async () => {
    const { dialler, clock, channels } = start()
    clock.advance(SESSION_LIMITS.handshakeTimeoutMs)
    assert.equal(((await dialler.ready) as Refusal).code, 'KOS_SESSION_TIMEOUT')
    assert.equal(channels.dialler.destroyedBy, 'handshake: hello')
    assert.equal(clock.pendingTimers, 0)
  })

  test('data after its end is not looked at', async () => {
    const { dialler, channels, clock } = start()
    dialler.close('no')
    await channels.pump()
    clock.advance(SESSION_LIMITS.handshakeTimeoutMs)
    assert.equal((await dialler.closed).rule, 'no')
  })
})

describe('back-pressure', () => {
  test('nothing is written while the channel is full; then everything at once', async () => {
    const { dialler, channels } = await ready()
    channels.dialler.isFull = true
    const first = dialler.call('echo', 1)
    await channels.pump()
    const seals = dialler.stats?.sealsSent
    const rest = [dialler.call('echo', 2), dialler.call('echo', 3)]
    await channels.pump()
    assert.equal(dialler.stats?.sealsSent, seals)
    channels.dialler.drain()
    await channels.pump()
    await Promise.all([first, ...rest])
    assert.equal(dialler.stats?.sealsSent, (seals ?? 0) + 1)
  })

  test('a peer that sends but does not read is not read either', async () => {
    const limits = { maxOutputBytes: 20_000 }
    const { dialler, channels } = await ready({ limits })
    channels.listener.isFull = true
    const calls: ReturnType<PeerSession['call']>[] = []
    for (const isPaused of [false, false, true]) {
      for (let n = 0; n < 20; n += 1) calls.push(dialler.call('echo', 'x'.repeat(800)))
      await channels.pump()
      assert.equal(channels.listener.isPaused, isPaused)
    }
    channels.listener.drain()
    assert.equal(channels.listener.isPaused, false)
    await channels.pump()
    assert.ok((await Promise.all(calls)).every((result) => result.status === 'ok'))
  })

  test('a drain that fills the channel again keeps the reading stopped', async () => {
    const { dialler, channels } = await ready({ limits: { maxOutputBytes: 1000 } })
    channels.listener.isFull = true
    void dialler.call('echo', 'x'.repeat(900))
    await channels.pump()
    void dialler.call('echo', 'x'.repeat(900))
    await channels.pump()
    void dialler.call('echo', 'x'.repeat(900))
    await channels.pump()
    assert.equal(channels.listener.isPaused, true)
    channels.listener.write = (): boolean => false
    channels.listener.drain()
    assert.equal(channels.listener.isPaused, true)
  })
})

describe('time', () => {
  test('a refused call does not freeze the clock of the next', async () => {
    const { dialler, channels, clock } = await ready({
      limits: { opens: { perSecond: 1, burst: 1 } },
    })
    void dialler.call('a', 1)
    await channels.pump()
    assert.equal((await dialler.call('b', 1)).status, 'refused')
    clock.advance(1000)
    const third = dialler.call('c', 1)
    await channels.pump()
    assert.equal((await third).status, 'ok')
  })

  test('nor does a channel that is full', async () => {
    const { dialler, channels, clock } = await ready()
    channels.dialler.isFull = true
    void dialler.call('a', 1)
    await channels.pump()
    void dialler.call('b', 1)
    await channels.pump()
    clock.advance(9000)
    const late = dialler.call('c', 1)
    clock.advance(2000)
    assert.equal(await Promise.race([late, Promise.resolve('open')]), 'open')
    channels.dialler.drain()
    await channels.pump()
    assert.equal((await late).status, 'ok')
  })

  test('a silent peer is asked, and given up', async () => {
    const { dialler, listener, channels, clock } = await ready()
    const { pingIntervalMs, deadPeerMs } = PROFILES['SEC-2']
    clock.advance(pingIntervalMs)
    await channels.pump()
    assert.equal(dialler.stats?.roundTripMs, 0)
    clock.advance(pingIntervalMs)
    // From here on nothing is carried.
    clock.advance(deadPeerMs)
    assert.equal((await dialler.closed).code, 'KOS_SESSION_DEAD_PEER')
    assert.equal((await listener.closed).code, 'KOS_SESSION_DEAD_PEER')
  })

  test('one end that beats is enough; the other asks when no beat comes', async () => {
    const { dialler, listener, channels, clock } = await ready()
    for (let round = 0; round < 5; round += 1) {
      clock.advance(round === 0 ? 20_000 : 20_250)
      await channels.pump()
    }
    assert.equal(dialler.stats?.roundTripMs, 0)
    assert.equal(listener.stats?.roundTripMs, undefined)
    // READY and five PINGs.
    assert.equal(listener.stats?.sealsReceived, 6)
    // Nothing is carried until both asked.
    clock.advance(50_000)
    await channels.pump()
    assert.equal(listener.stats?.roundTripMs, 0)
  })

  test('a busy session sends no PING', async () => {
    const { dialler, channels, clock } = await ready()
    const { pingIntervalMs } = PROFILES['SEC-2']
    for (let round = 0; round < 4; round += 1) {
      clock.advance(pingIntervalMs / 2)
      void dialler.call('echo', 1)
      await channels.pump()
    }
    assert.equal(dialler.stats?.roundTripMs, undefined)
  })

  test('the profile decides how often: SEC-4 asks after 5 s', async () => {
    const { dialler, clock, channels } = await ready({
      listener: testPeer('critical', PROFILES['SEC-4']),
    })
    clock.advance(5000)
    await channels.pump()
    assert.equal(dialler.stats?.roundTripMs, 0)
    clock.advance(15_000)
    assert.equal((await dialler.closed).code, 'KOS_SESSION_DEAD_PEER')
  })

  test('the MAC key is replaced by age, when it was used', async () => {
    const { dialler, listener, channels, clock } = await ready({
      limits: { rekeyIntervalMs: 30_000 },
    })
    for (let round = 0; round < 10; round += 1) {
      clock.advance(20_000)
      await channels.pump()
    }
    assert.ok((dialler.stats?.sendEpoch ?? 0) >= 2)
    assert.equal(listener.stats?.receiveEpoch, dialler.stats?.sendEpoch)
    dialler.rekey()
    await channels.pump()
    assert.equal(listener.stats?.receiveEpoch, dialler.stats?.sendEpoch)
  })

  test('deadlines are kept by a coarse tick that runs only while calls are open', async () => {
    const onCall = (): Promise<never> => new Promise(() => undefined)
    const { dialler, channels, clock } = await ready({ side: { listener: { onCall } } })
    const timers = clock.pendingTimers
    const call = dialler.call('a', null, { deadlineMs: 50 })
    await channels.pump()
    assert.equal(clock.pendingTimers, timers + 2)
    clock.advance(60)
    assert.equal(code((await call) as never), 'failed KOS_SESSION_DEADLINE deadline')
    await channels.pump()
    clock.advance(20)
    assert.equal(clock.pendingTimers, timers)
  })

  test('the session ends with its life: GOAWAY first, then the end', async () => {
    const onCall = (): Promise<never> => new Promise(() => undefined)
    const reasons: string[] = []
    const onGoaway = (reason: string): void => void reasons.push(reason)
    const limits = { sessionLifeMs: 100_000, drainMs: 30_000 }
    const side = { listener: { onCall }, dialler: { onGoaway } }
    const { dialler, channels, clock } = await ready({ limits, side })
    for (let passed = 0; passed < 60_000; passed += 10_000) {
      clock.advance(10_000)
      await channels.pump()
    }
    const call = dialler.call('a', null, { deadlineMs: 200_000 })
    await channels.pump()
    clock.advance(10_000)
    await channels.pump()
    assert.deepEqual(reasons, ['recycle'])
    clock.advance(20_000)
    await channels.pump()
    clock.advance(10_000)
    assert.ok(['KOS_SESSION_EXPIRED', 'KOS_SESSION_GOAWAY'].includes((await dialler.closed).code))
    assert.equal((await call).status, 'failed')
  })

  test('the dialler is told once that its connection should be replaced, by age', async () => {
    const told: string[] = []
    const onRecycleDue = (why: string): void => void told.push(why)
    const limits = { recycleMs: 15_000 }
    const side = { dialler: { onRecycleDue }, listener: { onRecycleDue } }
    const { clock, channels } = await ready({ limits, side })
    clock.advance(13_400)
    await channels.pump()
    assert.deepEqual(told, [])
    clock.advance(3200)
    assert.deepEqual(told, ['age'])
    clock.advance(15_000)
    assert.deepEqual(told, ['age'])
  })

  test('by a near expiry, and goes on until then', async () => {
    const told: string[] = []
    const limits = { sessionLifeMs: 20_000, drainMs: 1000 }
    const side = { dialler: { onRecycleDue: (why: string): void => void told.push(why) } }
    const { clock, dialler, channels } = await ready({ limits, side })
    clock.advance(16_999)
    assert.deepEqual(told, [])
    clock.advance(1)
    assert.deepEqual(told, ['expiry'])
    const call = dialler.call('echo', 'a')
    await channels.pump()
    assert.equal((await call).status, 'ok')
    clock.advance(2000)
    assert.equal((await dialler.closed).rule, 'drained')
  })

  test('by its bytes; twice as many end the session', async () => {
    const told: string[] = []
    const reasons: string[] = []
    const limits = { recycleBytes: 20_000 }
    const side = {
      dialler: {
        onRecycleDue: (why: string): void => void told.push(why),
        onGoaway: (reason: string): void => void reasons.push(reason),
      },
    }
    const { dialler, channels } = await ready({ limits, side })
    const move = async (): Promise<string> => {
      const call = dialler.call('echo', 'x'.repeat(6000))
      await channels.pump()
      return (await call).status
    }
    assert.deepEqual([await move(), told], ['ok', []])
    assert.deepEqual([await move(), told], ['ok', ['bytes']])
    assert.equal(await move(), 'ok')
    await move()
    assert.deepEqual([told, (await dialler.closed).code], [['bytes'], 'KOS_SESSION_GOAWAY'])
  })

  test('whoever closes the session as soon as it is ready sends nothing more on it', async () => {
    const held: { session?: PeerSession } = {}
    const onReady = (): void => held.session?.close('not wanted')
    const sessions = start({ side: { dialler: { onReady } } })
    held.session = sessions.dialler
    await sessions.channels.pump()
    const outcome = await sessions.dialler.ready
    assert.ok(isRefusal(outcome))
    assert.equal(outcome.rule, 'not wanted')
    await sessions.listener.closed
  })

  test('an idle session at the end of its life just closes; a clock set back prolongs it', async () => {
    const limits = { sessionLifeMs: 10_000 }
    const { dialler, channels, clock } = await ready({ limits })
    clock.setWall(clock.wallMs() - 60_000)
    clock.advance(5000)
    await channels.pump()
    assert.ok(dialler.stats)
    assert.equal(await Promise.race([dialler.closed, Promise.resolve('open')]), 'open')
    const later = await ready({ limits })
    later.clock.advance(5000)
    assert.equal((await later.dialler.closed).rule, 'drained')
  })

  test('a session that is over before it began closes at once', async () => {
    const short = testPeer('short')
    const notAfter = short.facts.notAfter - 86_400_000 - 1
    const listener = { ...short, facts: { ...short.facts, notAfter: notAfter as never } }
    const { dialler, clock, channels, events } = await ready({ listener })
    assert.equal((await dialler.closed).code, 'KOS_SESSION_EXPIRED')
    assert.equal(await dialler.ready, await dialler.closed)
    assert.ok(events.every(({ name }) => name !== 'session.ready'))
    for (const side of [channels.dialler, channels.listener]) {
      side.close({ by: 'local', reason: 'ended' })
    }
    assert.equal(clock.pendingTimers, 0)
  })
})

describe('the end', () => {
  test('close fails running calls, tells the peer, and leaves no timer', async () => {
    const onCall = (): Promise<never> => new Promise(() => undefined)
    const { dialler, listener, channels, clock, events } = await ready({
      side: { listener: { onCall } },
    })
    const call = dialler.call('a', null)
    await channels.pump()
    listener.close('locked')
    assert.equal(channels.listener.ended, true)
    assert.deepEqual(await listener.closed, refuse('KOS_SESSION_CLOSED', 'locked'))
    await channels.pump()
    channels.listener.close({ by: 'local', reason: 'ended' })
    channels.dialler.close({ by: 'peer', reason: 'ended' })
    assert.ok(isRefusal(await dialler.closed))
    assert.equal((await call).status, 'failed')
    assert.equal(clock.pendingTimers, 0)
    assert.equal(events.filter(({ name }) => name === 'session.closed').length, 2)
    listener.close('again')
    assert.equal((await listener.closed).rule, 'locked')
  })

  test('a channel that does not take the last bytes is cut', async () => {
    const { listener, channels, clock } = await ready()
    listener.close('bye')
    assert.equal(channels.listener.destroyedBy, undefined)
    clock.advance(1000)
    assert.equal(channels.listener.destroyedBy, 'linger')
  })

  test('a broken channel ends the session with who broke it', async () => {
    const { dialler, channels } = await ready()
    channels.dialler.close({ by: 'network', reason: 'ECONNRESET' })
    assert.deepEqual(
      await dialler.closed,
      refuse('KOS_SESSION_CLOSED', 'channel: network, ECONNRESET'),
    )
  })

  test('goaway and busy reach the other side', async () => {
    const told: string[] = []
    const dialler = {
      onGoaway: (reason: string, retryAfterMs: number) =>
        void told.push(`${reason} ${retryAfterMs}`),
      onBusy: (scope: string, retryAfterMs: number) => void told.push(`${scope} ${retryAfterMs}`),
    }
    const { listener, channels } = await ready({ side: { dialler } })
    listener.busy('node', 100)
    await channels.pump()
    listener.goaway('quarantine', 7)
    await channels.pump()
    assert.deepEqual(told, ['node 100', 'quarantine 7'])
    assert.equal((await listener.closed).rule, 'drained')
  })

  test('nobody has to listen to goaway and busy', async () => {
    const { dialler, listener, channels } = await ready()
    listener.busy('session', 100)
    listener.goaway('recycle')
    await channels.pump()
    assert.equal((await dialler.closed).rule, 'drained')
  })
})
