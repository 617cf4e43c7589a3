/**
 * Two ends of a session in memory: real identity keys, real seals, no sockets. The test pumps the
 * packets, so it can stop, reorder, change and repeat them.
 */
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type Clock,
  type Log,
  parseTrustDomain,
  type Principal,
  principalOf,
  type Random,
  type Refusal,
  refuse,
  sha256,
  silentLog,
  unixMs,
  utf8,
} from '../../src/foundation/base/index.ts'
import { type CborInput, CborWriter, coseSignerFromKey } from '../../src/foundation/codec/index.ts'
import type { PeerFacts } from '../../src/foundation/pipeline/index.ts'
import { type Profile, PROFILES, stricterOf } from '../../src/foundation/profiles/index.ts'
import type { OwnIdentity, PeerAuthenticator } from '../../src/network/session/authenticator.ts'
import { createByteBudget } from '../../src/network/session/flow.ts'
import { writeOpenHead } from '../../src/network/session/call-codec.ts'
import { FLAG_END, FRAME, FrameWriter } from '../../src/network/session/frames.ts'
import {
  type Established,
  HandshakeMachine,
  type HandshakeOptions,
} from '../../src/network/session/handshake-machine.ts'
import type { IncomingCall } from '../../src/network/session/incoming-call.ts'
import type { Exporter, Role } from '../../src/network/session/key-schedule.ts'
import { SESSION_LIMITS, type SessionLimits } from '../../src/network/session/limits.ts'
import type { OpenRequest } from '../../src/network/session/outgoing-call.ts'
import { SessionMachine } from '../../src/network/session/session-machine.ts'
import type { CallResult, Resumption } from '../../src/network/session/index.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { createTestRandom } from './random.ts'

const trustDomain = parseTrustDomain('kos.internal')
if (!trustDomain) throw new TypeError('trust domain')

/** One principal with its identity key, a stand-in for its leaf, and what the leaf would prove. */
export interface TestPeer {
  readonly principal: Principal
  readonly own: OwnIdentity
  readonly facts: PeerFacts
  /** Not a certificate: the name under which the test authenticator finds the facts. */
  readonly leafDer: Uint8Array
  readonly leafHash: Uint8Array
}

/** Makes a principal. Its key is the same for the same name. */
export function testPeer(name: string, floor: Profile = PROFILES['SEC-2']): TestPeer {
  const principal = trustDomain && principalOf(trustDomain, 'agent', name)
  if (!principal) throw new TypeError(`not a name: ${name}`)
  const { privateKey, spki } = identityKey(name)
  const identityKeyHash = sha256(spki)
  const leafDer = utf8(`leaf of ${name}`)
  const leafHash = sha256(leafDer)
  const facts: PeerFacts = {
    principal,
    floor,
    generation: 1,
    identityKeyHash,
    tlsKeyHash: leafHash,
    serial: '01',
    notAfter: unixMs(1_767_225_600_000 + 86_400_000),
  }
  const identitySigner = coseSignerFromKey(privateKey, identityKeyHash)
  return {
    principal,
    own: { principal, floor, identitySpki: spki, identitySigner },
    facts,
    leafDer,
    leafHash,
  }
}

const keys = new Map<string, { readonly privateKey: KeyObject; readonly spki: Uint8Array }>()

/** The identity key of a name: made once per process. */
function identityKey(name: string): { readonly privateKey: KeyObject; readonly spki: Uint8Array } {
  const known = keys.get(name)
  if (known) return known
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const made = { privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) }
  keys.set(name, made)
  return made
}

/** An authenticator that knows these peers by their leaf bytes. */
export function testAuthenticator(own: TestPeer, known: readonly TestPeer[]): PeerAuthenticator {
  return {
    own: () => own.own,
    verifyPeer: (leafDer) =>
      known.find((peer) => Buffer.from(peer.leafDer).equals(leafDer))?.facts ??
      refuse('KOS_PKI_LEAF', 'unknown leaf'),
  }
}

/** An exporter both ends of one TLS session would agree on; another seed is another session. */
export function testExporter(seed: string = 'tls'): Exporter {
  return (label, context, length) =>
    createHmac('sha512', seed).update(label).update(context).digest().subarray(0, length)
}

/** How a pair differs from two ordinary SEC-2 peers. */
export interface PairOptions {
  readonly dialler?: TestPeer
  readonly listener?: TestPeer
  readonly transport?: Profile
  readonly limits?: Partial<SessionLimits>
  readonly clock?: TestClock
  readonly log?: Log
  /** Instead of seeded randomness, for benchmarks. */
  readonly random?: Random
  /** Seed of the imaginary TLS session: another one is another connection. */
  readonly seed?: string
  /** Per side, where calls of lost connections wait. */
  readonly resumption?: Partial<Record<Role, Resumption>>
  /** Per side, what differs in the machine's options. */
  readonly handshake?: Partial<Record<Role, Partial<HandshakeOptions>>>
  /** Per side, what differs in its authenticator. */
  readonly authenticator?: Partial<Record<Role, Partial<PeerAuthenticator>>>
}

/** Two handshake machines that have not started. */
export interface HandshakePair {
  readonly clock: TestClock
  readonly dialler: HandshakeMachine
  readonly listener: HandshakeMachine
  readonly peers: Readonly<Record<Role, TestPeer>>
  readonly limits: SessionLimits
}

/** Makes two handshake machines on one imaginary TLS session. */
export function handshakePair(options: PairOptions = {}): HandshakePair {
  const clock = options.clock ?? createTestClock()
  const peers = {
    dialler: options.dialler ?? testPeer('dialler'),
    listener: options.listener ?? testPeer('listener'),
  }
  const limits = { ...SESSION_LIMITS, ...options.limits }
  const floor = stricterOf(peers.dialler.own.floor, peers.listener.own.floor)
  const machine = (role: Role): HandshakeMachine => {
    const other = peers[role === 'dialler' ? 'listener' : 'dialler']
    const authenticator = {
      ...testAuthenticator(peers[role], [other]),
      ...options.authenticator?.[role],
    }
    return new HandshakeMachine(
      { clock, random: createTestRandom(`${role} ${options.seed ?? ''}`), authenticator },
      {
        role,
        transport: options.transport ?? floor,
        peerLeafDer: other.leafDer,
        localLeafHash: peers[role].leafHash,
        exporter: testExporter(options.seed),
        state: { updateCounter: 0 },
        limits,
        resumeMs: options.resumption?.[role] ? limits.resumeMs : 0,
        ...options.handshake?.[role],
      },
    )
  }
  return { clock, dialler: machine('dialler'), listener: machine('listener'), peers, limits }
}

/** How both handshakes ended. */
export interface HandshakeEnds {
  readonly dialler: Established | Refusal | undefined
  readonly listener: Established | Refusal | undefined
}

/** Starts both machines and carries everything across, `chunkBytes` at a time. */
export function pumpHandshake(pair: HandshakePair, chunkBytes: number = 65_536): HandshakeEnds {
  const ends: Record<Role, Established | Refusal | undefined> = {
    dialler: undefined,
    listener: undefined,
  }
  let toListener: Uint8Array = pair.dialler.start()
  let toDialler: Uint8Array = pair.listener.start()
  const deliver = (role: Role, bytes: Uint8Array): Uint8Array => {
    const sent: Uint8Array[] = []
    for (let at = 0; at < bytes.length && !ends[role]; at += chunkBytes) {
      const step = pair[role].receive(bytes.subarray(at, at + chunkBytes))
      sent.push(step.send)
      if (step.end) ends[role] = step.end
    }
    return Buffer.concat(sent)
  }
  while (toListener.length > 0 || toDialler.length > 0) {
    const fromListener = deliver('listener', toListener)
    const fromDialler = deliver('dialler', toDialler)
    toDialler = fromListener
    toListener = fromDialler
  }
  return ends
}

/** Pumps a handshake that must succeed. */
export function establish(pair: HandshakePair): Readonly<Record<Role, Established>> {
  const { dialler, listener } = pumpHandshake(pair)
  if (!dialler || !listener || 'allow' in dialler || 'allow' in listener) {
    throw new TypeError(`handshake failed: ${JSON.stringify([dialler, listener])}`)
  }
  return { dialler, listener }
}

/** One end of an established pair, with everything it was told. */
export interface TestEnd {
  readonly machine: SessionMachine
  readonly calls: IncomingCall[]
  readonly told: string[]
  closed: Refusal | undefined
  /** What to do with a call; by default it only waits in `calls`. */
  onCall: (call: IncomingCall) => void
  /** Calls the other end; the result is there once both ends were pumped. */
  call(command: string, args?: OpenRequest['arguments'], extra?: Partial<OpenRequest>): TestCall
}

/** An own call and its result. */
export interface TestCall {
  result: CallResult | undefined
  readonly call: ReturnType<SessionMachine['open']>
}

/** Two session machines after their handshake. */
export interface SessionPair {
  readonly clock: TestClock
  readonly limits: SessionLimits
  readonly dialler: TestEnd
  readonly listener: TestEnd
  /** Carries bytes both ways until nothing waits, `chunkBytes` at a time. */
  pump(chunkBytes?: number): void
}

/** Makes one end of a session from what its handshake ended with. */
export function testEnd(
  established: Established,
  options: {
    readonly role: Role
    readonly clock: Clock
    readonly limits: SessionLimits
    readonly log?: Log | undefined
    readonly random?: Random | undefined
    readonly resumption?: Resumption | undefined
  },
): TestEnd {
  const { role, clock, limits } = options
  const { rest, ...facts } = established
  const machine = new SessionMachine(
    {
      clock,
      random: options.random ?? createTestRandom(`session ${role}`),
      log: options.log ?? silentLog,
      budget: createByteBudget(limits.maxReceiveBytes),
      resumption: options.resumption,
    },
    {
      role,
      limits,
      established: facts,
      perMessage: facts.profile.messages.seal === 'per-message',
    },
    {
      onCall: (call) => {
        end.calls.push(call)
        end.onCall(call)
      },
      onPending: () => undefined,
      onGoaway: (reason, retryAfterMs) => end.told.push(`goaway ${reason} ${retryAfterMs}`),
      onBusy: (scope, retryAfterMs) => end.told.push(`busy ${scope} ${retryAfterMs}`),
      onClosed: (reason) => {
        end.closed = reason
      },
    },
  )
  const end: TestEnd = {
    machine,
    calls: [],
    told: [],
    closed: undefined,
    onCall: () => undefined,
    call(command, args = null, extra = {}) {
      const test: { result: CallResult | undefined; call: ReturnType<SessionMachine['open']> } = {
        result: undefined,
        call: undefined,
      }
      test.call = machine.open(
        {
          command,
          arguments: args,
          deadlineMs: 10_000,
          callId: undefined,
          traceId: undefined,
          sink: undefined,
          ...extra,
        },
        (result) => {
          test.result = result
        },
      )
      return test
    },
  }
  machine.start()
  machine.receive(rest)
  return end
}

/** Makes two established session machines. */
export function sessionPair(options: PairOptions = {}): SessionPair {
  const pair = handshakePair(options)
  const { clock, limits } = pair
  const established = establish(pair)
  const { log, random, resumption } = options
  const side = (role: Role): TestEnd =>
    testEnd(established[role], {
      role,
      clock,
      limits,
      log,
      random,
      resumption: resumption?.[role],
    })
  const dialler = side('dialler')
  const listener = side('listener')
  const carry = (from: TestEnd, to: TestEnd, chunkBytes: number): boolean => {
    const bytes = from.machine.take()
    if (!bytes) return false
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      // A fresh copy each: what is lent to the machine is overwritten afterwards.
      const lent = Uint8Array.from(bytes.subarray(at, at + chunkBytes))
      to.machine.receive(lent)
      lent.fill(0xee)
    }
    return true
  }
  return {
    clock,
    limits,
    dialler,
    listener,
    pump(chunkBytes = 65_536) {
      for (;;) {
        const out = carry(dialler, listener, chunkBytes)
        const back = carry(listener, dialler, chunkBytes)
        if (!out && !back) return
      }
    },
  }
}

/**
 * A malicious but authenticated peer: it holds the keys of one side and sends whatever it likes to
 * the machine of the other.
 */
export interface Adversary {
  readonly victim: TestEnd
  readonly clock: TestClock
  readonly limits: SessionLimits
  readonly established: Established
  /** Adds a frame to the next batch. */
  readonly frame: (kind: number, stream: number, payload?: Uint8Array) => void
  /** Adds an OPEN of `echo`, complete in itself. */
  readonly open: (stream: number, fields?: Partial<OpenFields>) => void
  /** Seals what was added and returns the bytes without sending them. */
  readonly sealed: (timeMs?: number) => Buffer
  /** Seals and delivers what was added. */
  readonly send: (timeMs?: number) => void
  /** What the victim wrote since the last look, in the clear. */
  readonly answers: () => readonly WireFrame[]
}

/** A frame as it stands on the wire. */
export interface WireFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** Puts an adversary against a victim of the given role. */
export function adversary(victimRole: Role = 'listener', options: PairOptions = {}): Adversary {
  const pair = handshakePair(options)
  const { clock, limits } = pair
  const ends = establish(pair)
  const established = ends[victimRole === 'listener' ? 'dialler' : 'listener']
  const victim = testEnd(ends[victimRole], {
    role: victimRole,
    clock,
    limits,
    log: options.log,
    resumption: options.resumption?.[victimRole],
  })
  const writer = new FrameWriter()
  const sealed = (timeMs: number = clock.wallMs()): Buffer => {
    established.sealWriter.seal(writer, timeMs)
    return established.sealWriter.take(writer)
  }
  return {
    victim,
    clock,
    limits,
    established,
    frame: (kind, stream, payload = new Uint8Array(0)) => writer.frame(kind, stream, payload),
    open(stream, fields) {
      const usual = { deadlineMs: 10_000, timeMs: clock.wallMs(), arguments: null }
      writer.frame(FRAME.OPEN | (FLAG_END << 8), stream, openPayload({ ...usual, ...fields }))
    },
    sealed,
    send: (timeMs) => victim.machine.receive(sealed(timeMs)),
    answers: () => parseFrames(victim.machine.take() ?? Buffer.alloc(0)),
  }
}

/** What an OPEN says. */
export interface OpenFields {
  readonly deadlineMs: number
  readonly timeMs: number
  readonly arguments: CborInput
}

/** The payload of an OPEN of `echo`. */
export function openPayload(fields: OpenFields): Uint8Array {
  const writer = new CborWriter()
  const { deadlineMs, timeMs } = fields
  writeOpenHead(writer, { ids: new Uint8Array(32), command: 'echo', deadlineMs, timeMs })
  writer.value(fields.arguments)
  return writer.take()
}

/** Cuts wire bytes into frames; for looking, not for trusting. */
export function parseFrames(bytes: Buffer): readonly WireFrame[] {
  const frames: WireFrame[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3)
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, end),
    })
    at = end
  }
  return frames
}

/** A frame as bytes, without any seal. */
export function rawFrame(type: number, stream: number, payload: Uint8Array): Buffer {
  const writer = new FrameWriter()
  writer.frame(type, stream, payload)
  return writer.take()
}
