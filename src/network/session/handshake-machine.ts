import {
  type Clock,
  concatBytes,
  equalBytes,
  isRefusal,
  KosError,
  type MonotonicMs,
  type Random,
  refuse,
  type Refusal,
  Secret,
  sha256,
  toHex,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type Profile, stricterOf } from '../../foundation/profiles/index.ts'
import { BINDING_BYTES, BINDING_LABEL, encodeBinding, type MetKeys } from './auth.ts'
import type { PeerAuthenticator } from './authenticator.ts'
import {
  type ChannelCredentials,
  type Credentials,
  credentialsOf,
  type MetPeer,
} from './credentials.ts'
import {
  FRAME,
  FrameParser,
  type FrameType,
  FrameWriter,
  HEADER_BYTES,
  MAX_CONTROL_BYTES,
  MAX_DATA_BYTES,
} from './frames.ts'
import { refuseAdmission, refuseHello, refuseProfiles } from './handshake-checks.ts'
import {
  decodeHello,
  encodeHello,
  type Hello,
  type HelloState,
  keptOf,
  type PeerHello,
  PROTOCOL_VERSION,
} from './hello.ts'
import {
  DirectionKeys,
  type Exporter,
  peerRole,
  type Role,
  type Transcript,
  transcriptHash,
} from './key-schedule.ts'
import type { SessionLimits } from './limits.ts'
import { decodeReady, encodeReady, type Grants, type Ready, type SessionToken } from './ready.ts'
import { SealReader, SealWriter } from './seal.ts'

const EMPTY_CONTEXT = new Uint8Array(0)
const NOTHING: Uint8Array = new Uint8Array(0)
const SESSION_ID_BYTES = 16
/** One request to the generator for nonce (32), token handle (16) and token secret (32). */
const [RANDOM_BYTES, HANDLE_AT, SECRET_AT] = [80, 32, 48]

/** What the machine is given of the world. */
export interface HandshakeDeps {
  readonly clock: Clock
  readonly random: Random
  readonly authenticator: PeerAuthenticator
  /** Shared by the handshakes of one principal; absent: each imports the key of its peer. */
  readonly metKeys?: MetKeys
}

/** What the machine is told of its connection. */
export interface HandshakeOptions extends ChannelCredentials {
  readonly exporter: Exporter
  readonly state: HelloState
  readonly limits: SessionLimits
  /** How long this end waits for streams of a lost connection to go on; absent: not at all. */
  readonly resumeMs?: number
  /**
   * The last word of this end on a proven peer, for example its limit of connections.
   *
   * @returns a refusal, or `undefined`: welcome
   */
  readonly admit?: ((peer: PeerFacts) => Refusal | undefined) | undefined
}

/** A session that both sides agreed on. */
export interface Established {
  readonly peer: PeerFacts
  readonly peerHello: PeerHello
  /** The stricter floor of both ends: it decides how messages are protected. */
  readonly profile: Profile
  /** Session id, lower-case hexadecimal. */
  readonly sessionId: string
  /** The token this end issued to the peer. */
  readonly issued: SessionToken
  /** The token the peer issued to this end. */
  readonly received: SessionToken
  /** What the peer lets this end do. */
  readonly granted: Grants
  /** The earlier of both ends' expiry. */
  readonly expiresAt: UnixMs
  /** How long both ends wait for the streams of a lost connection; 0: not at all. */
  readonly resumeMs: number
  readonly sealWriter: SealWriter
  readonly sealReader: SealReader
  /** Bytes that came after READY: the session's. */
  readonly rest: Uint8Array
}

/** One step: bytes to send (maybe none), and how the handshake ended once it did. */
export interface HandshakeStep {
  readonly send: Uint8Array
  readonly end?: Established | Refusal
}

type State = 'new' | 'hello' | 'auth' | 'ready' | 'done' | 'failed'

/**
 * HELLO, AUTH and READY of one connection, without sockets: bytes in, bytes out.
 *
 * **Security:** nothing but HELLO and AUTH is parsed before the peer's AUTH verified, and READY only
 * after its SEAL. A refusal says why to the local log; the peer only sees the connection close.
 */
export class HandshakeMachine {
  readonly #deps: HandshakeDeps
  readonly #options: HandshakeOptions
  readonly #own: Credentials
  readonly #parser = new FrameParser()
  #output: Uint8Array[] = []
  #state: State = 'new'
  #startedMs = 0
  #consumedBytes = 0
  readonly #frames = new FrameWriter()
  #random: Uint8Array = NOTHING
  #ownNonce: Uint8Array = NOTHING
  #ownHello: Uint8Array = NOTHING
  #peerHello: Uint8Array = NOTHING
  #ownAuth: Uint8Array = NOTHING
  #helloHashes: Readonly<Record<Role, Uint8Array>> | undefined
  #hello: Hello | undefined
  #peer: MetPeer | undefined
  #exported: Uint8Array = NOTHING
  #keys: { readonly writer: SealWriter; readonly reader: SealReader } | undefined
  #ready: Ready | undefined

  constructor(deps: HandshakeDeps, options: HandshakeOptions) {
    this.#deps = deps
    this.#options = options
    this.#own = credentialsOf(deps, options)
  }

  /**
   * Starts the time-out.
   *
   * @returns the HELLO to send
   */
  start(): Uint8Array {
    const { clock, random } = this.#deps
    const { role, state } = this.#options
    this.#startedMs = clock.monotonicMs()
    this.#random = random.bytes(RANDOM_BYTES)
    this.#ownNonce = this.#random.subarray(0, HANDLE_AT)
    const hello: Hello = {
      ...state,
      versions: [PROTOCOL_VERSION],
      role,
      principal: this.#own.principal,
      profile: this.#own.floor,
      nonce: this.#ownNonce,
      time: clock.wallMs(),
      maxControlBytes: MAX_CONTROL_BYTES,
      maxDataBytes: MAX_DATA_BYTES,
    }
    this.#ownHello = this.#framed(FRAME.HELLO, encodeHello(hello))
    this.#state = 'hello'
    return this.#ownHello
  }

  /** Takes bytes of the peer; lent until it returns. */
  receive(chunk: Uint8Array): HandshakeStep {
    this.#parser.push(chunk)
    const end = this.#consume()
    if (end && isRefusal(end)) return this.#fail(end)
    const [first = NOTHING, ...more] = this.#output
    const send = more.length > 0 ? concatBytes(first, ...more) : first
    this.#output = []
    this.#parser.settle()
    return end ? { send, end } : { send }
  }

  /**
   * Checks the time-out; call it at least once after it.
   *
   * @param nowMs - monotonic time
   */
  tick(nowMs: MonotonicMs): HandshakeStep {
    if (this.#state === 'done' || this.#state === 'failed') return { send: NOTHING }
    if (nowMs - this.#startedMs < this.#options.limits.handshakeTimeoutMs) return { send: NOTHING }
    return this.#fail(refuse('KOS_SESSION_TIMEOUT', `handshake: ${this.#state}`))
  }

  /** Ends it from outside, for example when the connection broke: wipes what is secret. */
  abandon(): void {
    if (this.#state === 'done') return
    this.#state = 'failed'
    this.#random.fill(0, SECRET_AT)
    this.#keys?.writer[Symbol.dispose]()
    this.#keys?.reader[Symbol.dispose]()
    this.#ready?.token.secret[Symbol.dispose]()
  }

  #fail(refusal: Refusal): HandshakeStep {
    this.abandon()
    return { send: NOTHING, end: refusal }
  }

  #consume(): Established | Refusal | undefined {
    const parser = this.#parser
    while (this.#state !== 'done' && this.#state !== 'failed') {
      const status = parser.next()
      if (status === 'more') {
        return this.#tooLong(parser.waitingBytes)
      }
      if (status !== 'frame') return refuse('KOS_SESSION_PROTOCOL', status)
      const tooLong = this.#tooLong(parser.payloadEnd - parser.keptStart)
      if (tooLong) return tooLong
      const end = this.#frame()
      if (end) return end
    }
    return refuse('KOS_SESSION_PROTOCOL', 'handshake: over')
  }

  #tooLong(moreBytes: number): Refusal | undefined {
    if (this.#consumedBytes + moreBytes <= this.#options.limits.maxHandshakeBytes) return undefined
    return refuse('KOS_SESSION_PROTOCOL', 'handshake: too long')
  }

  #frame(): Established | Refusal | undefined {
    const { type } = this.#parser
    try {
      if (this.#state === 'hello' && type === FRAME.HELLO) return this.#onHello()
      if (this.#state === 'auth' && type === FRAME.AUTH) return this.#onAuth()
      // READY stays kept until the SEAL behind it was verified.
      if (this.#state === 'ready' && type === FRAME.READY && this.#onlyFrame()) return undefined
      if (this.#state === 'ready' && type === FRAME.SEAL) return this.#onSeal()
    } catch (error) {
      // The decoders of codec and of this room throw with the rule that was broken.
      if (!(error instanceof KosError)) throw error
      const detail = String(error.details['rule'] ?? error.code)
      return refuse('KOS_SESSION_PROTOCOL', `handshake: ${detail}`)
    }
    return refuse('KOS_SESSION_PROTOCOL', `handshake: unexpected frame ${type}`)
  }

  #onlyFrame(): boolean {
    return this.#parser.keptStart === this.#parser.frameStart
  }

  #framed(type: FrameType, payload: Uint8Array): Uint8Array {
    this.#frames.frame(type, 0, payload)
    return this.#frames.take()
  }

  /** The frame just found, header and payload; consumes it. */
  #takeFrame(): Uint8Array {
    const { buffer, frameStart, payloadEnd } = this.#parser
    const frame = new Uint8Array(buffer.subarray(frameStart, payloadEnd))
    this.#consumedBytes += frame.length
    this.#parser.release()
    return frame
  }

  #onHello(): Refusal | undefined {
    const { clock } = this.#deps
    const { role, limits, transport } = this.#options
    this.#peerHello = this.#takeFrame()
    const hello = decodeHello(this.#peerHello.subarray(HEADER_BYTES))
    const nowMs = clock.wallMs()
    const refused = refuseHello(hello, { role, ownNonce: this.#ownNonce, nowMs, limits })
    if (refused) return refused
    const peer = this.#own.meet(nowMs)
    if (isRefusal(peer)) return peer
    const { principal, floor } = this.#own
    const mismatch = refuseProfiles(hello, peer.facts, { principal, floor, role, transport })
    if (mismatch) return mismatch
    this.#hello = hello
    this.#peer = peer
    this.#sendAuth(peer)
    this.#state = 'auth'
    return undefined
  }

  #sendAuth(peer: MetPeer): void {
    const { role, exporter } = this.#options
    this.#exported = exporter(BINDING_LABEL, EMPTY_CONTEXT, BINDING_BYTES)
    const payload = peer.prove(this.#binding(role, peer))
    this.#ownAuth = this.#framed(FRAME.AUTH, payload)
    this.#output.push(this.#ownAuth)
  }

  /** The binding that the end with this role signs. */
  #binding(signer: Role, { facts, ownLeafHash }: MetPeer): Uint8Array {
    const isOwn = signer === this.#options.role
    this.#helloHashes ??= this.#byRole(sha256(this.#ownHello), sha256(this.#peerHello))
    const { dialler, listener } = this.#helloHashes
    return encodeBinding({
      role: signer,
      ownLeafHash: isOwn ? ownLeafHash : facts.tlsKeyHash,
      peerLeafHash: isOwn ? facts.tlsKeyHash : ownLeafHash,
      diallerHelloHash: dialler,
      listenerHelloHash: listener,
      exporter: this.#exported,
    })
  }

  #byRole<T>(own: T, peer: T): Readonly<Record<Role, T>> {
    return this.#options.role === 'dialler'
      ? { dialler: own, listener: peer }
      : { dialler: peer, listener: own }
  }

  #onAuth(): Refusal | undefined {
    const met = this.#peer
    if (!met) return refuse('KOS_SESSION_PROTOCOL', 'handshake: no HELLO')
    const frame = this.#takeFrame()
    const binding = this.#binding(peerRole(this.#options.role), met)
    const evidence = met.verify(frame.subarray(HEADER_BYTES), binding)
    if (isRefusal(evidence)) return evidence
    const { authenticator } = this.#deps
    const { facts: peer } = met
    const floors = [this.#own.floor, peer.floor]
    const refused =
      refuseAdmission(floors, { evidence, binding, peer, authenticator }) ??
      this.#options.admit?.(peer)
    if (refused) return refused
    this.#sendReady(met, frame)
    this.#state = 'ready'
    return undefined
  }

  #sendReady({ facts: peer, ownKeyId }: MetPeer, peerAuth: Uint8Array): void {
    const { clock } = this.#deps
    const { role, exporter, limits, resumeMs } = this.#options
    const hellos = this.#byRole(this.#ownHello, this.#peerHello)
    const auths = this.#byRole(this.#ownAuth, peerAuth)
    const transcript: Transcript = {
      diallerHello: hellos.dialler,
      listenerHello: hellos.listener,
      diallerAuth: auths.dialler,
      listenerAuth: auths.listener,
    }
    const hash = transcriptHash(transcript)
    const keys = DirectionKeys.derive(exporter, hash)
    const writer = new SealWriter(keys[role], { role, keyId: ownKeyId })
    const sender = { role: peerRole(role), keyId: peer.identityKeyHash }
    const reader = new SealReader(keys[peerRole(role)], sender)
    this.#keys = { writer, reader }
    const nowMs = clock.wallMs()
    const ready: Ready = {
      // Hashed once more, so that the public id says nothing of the exporter's context.
      sessionId: sha256(hash).subarray(0, SESSION_ID_BYTES),
      token: {
        handle: this.#random.subarray(HANDLE_AT, SECRET_AT),
        secret: Secret.take(this.#random.subarray(SECRET_AT)),
      },
      grants: grantsOf(limits),
      epoch: 0,
      expiresAt: unixMs(Math.min(nowMs + limits.sessionLifeMs, peer.notAfter)),
      resumeMs: resumeMs ?? 0,
    }
    this.#ready = ready
    this.#frames.frame(FRAME.READY, 0, encodeReady(ready))
    writer.seal(this.#frames, nowMs)
    this.#output.push(writer.take(this.#frames))
  }

  #onSeal(): Established | Refusal {
    const { buffer, keptStart, frameStart, payloadStart, payloadEnd } = this.#parser
    const [keys, own, peerHello] = [this.#keys, this.#ready, this.#hello]
    const peer = this.#peer?.facts
    if (!keys || !own || !peer || !peerHello || keptStart === frameStart) {
      return refuse('KOS_SESSION_PROTOCOL', 'handshake: empty SEAL')
    }
    const frame = buffer.subarray(keptStart, frameStart)
    const time = keys.reader.verify(frame, buffer.subarray(payloadStart, payloadEnd))
    // One answer for every cryptographic failure.
    if (time === undefined) return refuse('KOS_SESSION_SEAL', 'ready: mac')
    const skewMs = Math.abs(time - this.#deps.clock.wallMs())
    if (skewMs > this.#options.limits.clockSkewMs) return refuse('KOS_SESSION_CLOCK', 'ready: time')
    const ready = decodeReady(frame.subarray(HEADER_BYTES))
    if (!equalBytes(ready.sessionId, own.sessionId)) {
      return refuse('KOS_SESSION_PROTOCOL', 'ready: session id')
    }
    this.#parser.release()
    this.#state = 'done'
    return {
      peer,
      peerHello: keptOf(peerHello),
      profile: stricterOf(this.#own.floor, peer.floor),
      sessionId: toHex(own.sessionId),
      issued: own.token,
      received: ready.token,
      granted: ready.grants,
      expiresAt: unixMs(Math.min(own.expiresAt, ready.expiresAt)),
      resumeMs: Math.min(own.resumeMs, ready.resumeMs),
      sealWriter: keys.writer,
      sealReader: keys.reader,
      rest: this.#parser.takeRest(),
    }
  }
}

/** What this end lets the peer do. */
function grantsOf(limits: SessionLimits): Grants {
  return {
    maxStreams: limits.maxStreams,
    streamWindowBytes: limits.streamWindowBytes,
    connectionWindowBytes: limits.connectionWindowBytes,
    opensPerSecond: Math.max(1, Math.floor(limits.opens.perSecond)),
    opensBurst: limits.opens.burst,
    maxDeadlineMs: limits.maxDeadlineMs,
  }
}
