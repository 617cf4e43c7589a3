import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, type Refusal, refuse, unixMs } from '../../../../src/foundation/base/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { FRAME, FrameWriter, HEADER_BYTES } from '../../../../src/network/session/frames.ts'
import type { Established } from '../../../../src/network/session/handshake-machine.ts'
import { encodeHello } from '../../../../src/network/session/hello.ts'
import { DirectionKeys, transcriptHash } from '../../../../src/network/session/key-schedule.ts'
import { SESSION_LIMITS } from '../../../../src/network/session/limits.ts'
import { SealWriter } from '../../../../src/network/session/seal.ts'
import {
  establish,
  handshakePair,
  type PairOptions,
  pumpHandshake,
  rawFrame,
  testExporter,
  testPeer,
} from '../../../kit/session-pair.ts'

/** How the listener refuses when the dialler is as the options say. */
function refusal(options: PairOptions, side: 'dialler' | 'listener' = 'listener'): string {
  const end = pumpHandshake(handshakePair(options))[side]
  assert.ok(end && isRefusal(end), JSON.stringify(end))
  return `${end.code} ${end.rule}`
}

describe('two peers agree', () => {
  for (const chunkBytes of [1, 7, 65_536]) {
    test(`over chunks of ${chunkBytes} bytes`, () => {
      const pair = handshakePair()
      const ends = pumpHandshake(pair, chunkBytes)
      const { dialler, listener } = ends as Record<'dialler' | 'listener', Established>
      assert.equal(dialler.sessionId, listener.sessionId)
      assert.match(dialler.sessionId, /^[0-9a-f]{32}$/)
      assert.equal(dialler.peer, pair.peers.listener.facts)
      assert.equal(listener.peer, pair.peers.dialler.facts)
      assert.deepEqual(Buffer.from(dialler.received.handle), Buffer.from(listener.issued.handle))
      assert.ok(dialler.received.secret.equals(listener.issued.secret))
      assert.ok(!dialler.issued.secret.equals(listener.issued.secret))
      assert.equal(dialler.granted.maxStreams, 64)
      assert.equal(dialler.peerHello.role, 'listener')
      assert.equal(dialler.expiresAt, pair.clock.wallMs() + SESSION_LIMITS.sessionLifeMs)
      assert.equal(dialler.profile, PROFILES['SEC-2'])
      assert.equal(dialler.sealReader.count, 1)
      assert.equal(dialler.rest.length, 0)
    })
  }

  test('the first leaf to end, or the shorter life, ends the session', () => {
    const short = testPeer('short')
    const notAfter = unixMs(short.facts.notAfter - 86_400_000 + 1000)
    const dialler = { ...short, facts: { ...short.facts, notAfter } }
    const ends = establish(handshakePair({ dialler }))
    assert.equal(ends.dialler.expiresAt, notAfter)
    assert.equal(ends.listener.expiresAt, notAfter)
  })

  test('a fractional rate is granted as a whole number', () => {
    const limits = { opens: { perSecond: 0.5, burst: 2 } }
    assert.equal(establish(handshakePair({ limits })).dialler.granted.opensPerSecond, 1)
  })

  test('what follows READY in the same chunk is handed on', () => {
    const pair = handshakePair()
    const hello = pair.dialler.start()
    const toDialler = pair.listener.start()
    const auth = pair.dialler.receive(toDialler).send
    const answer = pair.listener.receive(Buffer.concat([hello, auth])).send
    const ready = pair.dialler.receive(answer)
    assert.ok(ready.end && !isRefusal(ready.end))
    const end = pair.listener.receive(Buffer.concat([ready.send, Buffer.of(1, 2, 3)])).end
    assert.ok(end && !isRefusal(end))
    assert.deepEqual([...end.rest], [1, 2, 3])
  })

  test('evidence goes to the check that wants it', () => {
    const seen: unknown[] = []
    const sensitive = testPeer('sensitive', PROFILES['SEC-4'])
    const ends = establish(
      handshakePair({
        listener: sensitive,
        authenticator: {
          dialler: {
            evidence: (binding) => ({ secondFactor: binding.subarray(0, 4) }),
            admit: () => undefined,
          },
          listener: {
            admit: (peer, evidence, binding) => {
              seen.push(peer.principal.id, evidence.secondFactor, binding.subarray(0, 4))
              return undefined
            },
          },
        },
      }),
    )
    assert.equal(seen[0], 'dialler')
    assert.deepEqual(Buffer.from(seen[1] as Uint8Array), Buffer.from(seen[2] as Uint8Array))
    assert.equal(ends.dialler.profile.messages.seal, 'per-message')
  })
})

describe('the handshake is refused', () => {
  test('a leaf the authenticator does not accept', () => {
    const authenticator = { listener: { verifyPeer: () => refuse('KOS_PKI_LEAF', 'expired') } }
    assert.equal(refusal({ authenticator }), 'KOS_PKI_LEAF expired')
  })

  test('a channel without a leaf at a certificate listener', () => {
    const handshake = { listener: { peerLeafDer: undefined } }
    assert.equal(refusal({ handshake }), 'KOS_SESSION_IDENTITY channel: credentials')
  })

  test('another principal than the leaf says', () => {
    const peer = testPeer('dialler')
    const dialler = { ...peer, own: { ...peer.own, principal: testPeer('other').principal } }
    assert.equal(refusal({ dialler }), 'KOS_SESSION_IDENTITY hello: principal')
  })

  test('another profile than the leaf says', () => {
    const peer = testPeer('dialler')
    const dialler = { ...peer, own: { ...peer.own, floor: PROFILES['SEC-3'] } }
    const transport = PROFILES['SEC-3']
    assert.equal(refusal({ dialler, transport }), 'KOS_SESSION_PROFILE hello: profile')
  })

  test('a profile that has no session', () => {
    const dialler = testPeer('unmanaged', PROFILES['SEC-0'])
    assert.equal(refusal({ dialler }), 'KOS_SESSION_PROFILE matrix: no-session')
  })

  test('a transport weaker than the stricter floor', () => {
    const dialler = testPeer('strict', PROFILES['SEC-3'])
    const transport = PROFILES['SEC-2']
    const rule = 'KOS_SESSION_LISTENER listener: SEC-2 for SEC-3'
    assert.equal(refusal({ dialler, transport }), rule)
    assert.equal(refusal({ dialler, transport }, 'dialler'), rule)
  })

  test('a transport stricter than needed', () => {
    const rule = 'KOS_SESSION_LISTENER listener: SEC-3 for SEC-2'
    assert.equal(refusal({ transport: PROFILES['SEC-3'] }), rule)
  })

  test('a SEC-4 end that dials one below it, which has no listener for it', () => {
    const dialler = testPeer('critical', PROFILES['SEC-4'])
    const rule = 'KOS_SESSION_PROFILE matrix: no-listener'
    assert.equal(refusal({ dialler }), rule)
    assert.equal(refusal({ dialler }, 'dialler'), rule)
  })

  test('a profile whose demands nobody can check', () => {
    const dialler = testPeer('critical', PROFILES['SEC-4'])
    const listener = testPeer('critical-2', PROFILES['SEC-4'])
    const rule = 'KOS_SESSION_EVIDENCE profile: no way to check what it demands'
    assert.equal(refusal({ dialler, listener }), rule)
    assert.equal(refusal({ dialler, listener }, 'dialler'), rule)
  })

  test('evidence that nobody looks at', () => {
    const evidence = { attestation: Uint8Array.of(1) }
    const authenticator = { dialler: { evidence: () => evidence } }
    const rule = 'KOS_SESSION_EVIDENCE auth: evidence without a check'
    assert.equal(refusal({ authenticator }), rule)
    const second = { dialler: { evidence: () => ({ secondFactor: Uint8Array.of(1) }) } }
    assert.equal(refusal({ authenticator: second }), rule)
  })

  test('what the own last word does not welcome', () => {
    const handshake = { listener: { admit: () => refuse('KOS_ADMISSION_FULL', 'device') } }
    assert.equal(refusal({ handshake }), 'KOS_ADMISSION_FULL device')
  })

  test('no common version', () => {
    const pair = handshakePair()
    pair.listener.start()
    const { principal, floor } = pair.peers.dialler.own
    const hello = encodeHello({
      versions: [2],
      role: 'dialler',
      principal,
      profile: floor,
      nonce: new Uint8Array(32),
      time: pair.clock.wallMs(),
      maxControlBytes: 16_384,
      maxDataBytes: 65_536,
      updateCounter: 0,
    })
    const { end } = pair.listener.receive(rawFrame(FRAME.HELLO, 0, hello))
    assert.equal((end as Refusal).code, 'KOS_SESSION_VERSION')
  })

  test('an exporter that fails', () => {
    const exporter = (): Uint8Array => {
      throw new TypeError('no exporter')
    }
    assert.throws(
      () => pumpHandshake(handshakePair({ handshake: { listener: { exporter } } })),
      TypeError,
    )
  })
})

describe('READY of a peer that proved itself', () => {
  /** A listener that waits for READY, the real READY payload, and the dialler's own seal. */
  function waiting(): {
    readonly pair: ReturnType<typeof handshakePair>
    readonly ready: Buffer
    readonly seal: SealWriter
  } {
    const pair = handshakePair()
    const diallerHello = pair.dialler.start()
    const listenerHello = pair.listener.start()
    const diallerAuth = pair.dialler.receive(listenerHello).send
    const answer = pair.listener.receive(Buffer.concat([diallerHello, diallerAuth])).send
    const listenerAuth = answer.subarray(0, HEADER_BYTES + Buffer.from(answer).readUIntBE(0, 3))
    const { send } = pair.dialler.receive(answer)
    const ready = Buffer.from(send).subarray(HEADER_BYTES, send.length - 49)
    const transcript = { diallerHello, listenerHello, diallerAuth, listenerAuth }
    const keys = DirectionKeys.derive(testExporter(), transcriptHash(transcript)).dialler
    const { keyId } = pair.peers.dialler.own.identitySigner
    return { pair, ready, seal: new SealWriter(keys, { role: 'dialler', keyId }) }
  }

  /** What the listener answers to these frames, sealed so long ago. */
  function answer(
    make: (ready: Buffer) => readonly (readonly [kind: number, payload: Uint8Array])[],
    ageMs: number = 0,
  ): string {
    const { pair, ready, seal } = waiting()
    const frames = new FrameWriter()
    for (const [kind, payload] of make(ready)) frames.frame(kind, 0, payload)
    seal.seal(frames, pair.clock.wallMs() - ageMs)
    const { end } = pair.listener.receive(seal.take(frames))
    return !end ? 'nothing' : isRefusal(end) ? `${end.code} ${end.rule}` : 'established'
  }

  test('ends the handshake', () => {
    assert.equal(
      answer((ready) => [[FRAME.READY, ready]], 30_000),
      'established',
    )
  })

  test('is refused when it is too old, empty, double, malformed or of another session', () => {
    const cases: readonly (readonly [string, string])[] = [
      [answer((ready) => [[FRAME.READY, ready]], 30_001), 'KOS_SESSION_CLOCK ready: time'],
      [answer(() => []), 'KOS_SESSION_PROTOCOL handshake: empty SEAL'],
      [
        answer((ready) => [
          [FRAME.READY, ready],
          [FRAME.READY, ready],
        ]),
        'KOS_SESSION_PROTOCOL handshake: unexpected frame 3',
      ],
      [
        answer(() => [[FRAME.READY, Uint8Array.of(0x80)]]),
        'KOS_SESSION_PROTOCOL handshake: ready: fields',
      ],
      [
        answer((ready) => {
          ready[2] = (ready[2] ?? 0) ^ 1
          return [[FRAME.READY, ready]]
        }),
        'KOS_SESSION_PROTOCOL ready: session id',
      ],
    ]
    for (const [seen, expected] of cases) assert.equal(seen, expected)
  })
})

describe('a handshake is bounded', () => {
  test('in time, from its start', () => {
    const pair = handshakePair()
    pair.dialler.start()
    pair.clock.advance(SESSION_LIMITS.handshakeTimeoutMs - 1)
    assert.deepEqual(pair.dialler.tick(pair.clock.monotonicMs()).end, undefined)
    pair.clock.advance(1)
    const { end } = pair.dialler.tick(pair.clock.monotonicMs())
    assert.deepEqual(end, refuse('KOS_SESSION_TIMEOUT', 'handshake: hello'))
    assert.equal(pair.dialler.tick(pair.clock.monotonicMs()).end, undefined)
  })

  test('in bytes, whole frames and pieces', () => {
    const limits = { maxHandshakeBytes: 1000 }
    const big = rawFrame(FRAME.AUTH, 0, new Uint8Array(2000))
    for (const bytes of [big, big.subarray(0, 1001)]) {
      const pair = handshakePair({ limits })
      pair.listener.start()
      const { end } = pair.listener.receive(bytes)
      assert.deepEqual(end, refuse('KOS_SESSION_PROTOCOL', 'handshake: too long'))
    }
  })

  test('and over once it is over', () => {
    const pair = handshakePair()
    pair.listener.start()
    assert.ok(pair.listener.receive(Buffer.alloc(9)).end)
    assert.deepEqual(
      pair.listener.receive(pair.dialler.start()).end,
      refuse('KOS_SESSION_PROTOCOL', 'handshake: over'),
    )
    const done = handshakePair()
    establish(done)
    done.dialler.abandon()
    assert.equal(done.dialler.tick(done.clock.monotonicMs()).end, undefined)
  })

  test('abandoning one wipes the token it was about to issue', () => {
    const pair = handshakePair()
    const hello = pair.dialler.start()
    const auth = pair.dialler.receive(pair.listener.start()).send
    pair.listener.receive(Buffer.concat([hello, auth]))
    pair.listener.abandon()
    pair.listener.abandon()
    assert.equal(pair.listener.tick(pair.clock.monotonicMs()).end, undefined)
  })
})
