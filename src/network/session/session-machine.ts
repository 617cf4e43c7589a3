import {
  type Gcra,
  type KosErrorCode,
  type MonotonicMs,
  refuse,
  type Refusal,
  takeGcra,
} from '../../foundation/base/index.ts'
import { CborWriter } from '../../foundation/codec/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { CallResult, SessionCallOutcome } from './calls.ts'
import type { SessionCore } from './core.ts'
import { type ByteBudget, ReceiveWindow, SendWindow } from './flow.ts'
import { FRAME, FrameParser, HEADER_BYTES, readU32, writeU32 } from './frames.ts'
import type { Established } from './handshake-machine.ts'
import type { CallHome, IncomingCall } from './incoming-call.ts'
import type { Role } from './key-schedule.ts'
import type { SessionLimits } from './limits.ts'
import type {
  MachineStats,
  SessionEvents,
  SessionMachineDeps,
  SessionMachineOptions,
} from './machine-api.ts'
import type { OpenRequest, OutgoingCall } from './outgoing-call.ts'
import { SessionOutput } from './output.ts'
import { OwnCalls } from './own-calls.ts'
import { PeerCalls } from './peer-calls.ts'
import type { Grants } from './ready.ts'
import { Resumer } from './resumer.ts'
import type { LiveSession, Resumption } from './resumption.ts'
import type { SealReader } from './seal.ts'
import { IdPool, TurnTime } from './turn.ts'
import {
  BUSY_SCOPES,
  type BusyScope,
  busyScope,
  GOAWAY_CODES,
  type GoawayReason,
  goawayReason,
} from './wire-codes.ts'

const MAX_U32 = 2 ** 32 - 1
const PING_BYTES = 8
/** Windows are the choice of the peer: below this, credit counts as small whatever its window. */
const MIN_LARGE_CREDIT_BYTES = 256

/** Goodbyes after which calls may go on on another connection. */
const RESUMABLE: ReadonlySet<GoawayReason> = new Set(['recycle', 'expired', 'dead-peer'])

/**
 * An established session, without sockets and timers: bytes in, events and bytes out. Nothing is
 * acted on before the SEAL over it was verified; whatever breaks a rule closes the session.
 */
export class SessionMachine implements CallHome, LiveSession {
  readonly #limits: SessionLimits
  readonly #role: Role
  readonly #perMessage: boolean
  readonly #granted: Grants
  readonly #events: SessionEvents
  readonly #reader: SealReader
  readonly #parser = new FrameParser()
  readonly #time: TurnTime
  readonly #ids: IdPool
  readonly #core: SessionCore
  readonly #output: SessionOutput
  readonly #window: ReceiveWindow
  readonly #own: OwnCalls
  readonly #peers: PeerCalls
  readonly #resumer: Resumer
  readonly #resumption: Resumption | undefined
  readonly #established: Omit<Established, 'rest'>
  readonly #controls: Gcra = { tatMs: 0 }
  /** DATA bytes by stream before their SEAL; made when there is some. */
  #pendingData: Map<number, number> | undefined
  readonly #budget: ByteBudget
  #accountedBytes = 0
  #pendingFrames = 0
  #closed = false
  /** Whether its calls wait for another connection when this one is lost. */
  #resumable: boolean
  #drainUntilMs: number | undefined
  #lastReceivedMs: number
  #ping: { readonly payload: Uint8Array; readonly sentMs: number } | undefined
  #pings = 0
  #roundTripMs: number | undefined
  #bytesReceived = 0
  #framesReceived = 0

  constructor(deps: SessionMachineDeps, options: SessionMachineOptions, events: SessionEvents) {
    const { established, limits, role, perMessage } = options
    const { granted, peerHello } = established
    this.#limits = limits
    this.#role = role
    this.#perMessage = perMessage
    this.#granted = granted
    this.#events = events
    this.#reader = established.sealReader
    this.#budget = deps.budget
    this.#established = established
    this.#resumption = deps.resumption
    this.#resumable = deps.resumption !== undefined && established.resumeMs > 0
    this.#time = new TurnTime(deps.clock)
    this.#ids = new IdPool(deps.random)
    this.#lastReceivedMs = this.#time.monotonicMs
    // The first call may come long after READY.
    this.#time.renew()
    this.#window = new ReceiveWindow(limits.connectionWindowBytes)
    const window = new SendWindow(granted.connectionWindowBytes)
    this.#output = new SessionOutput(
      { seal: established.sealWriter, time: this.#time, window },
      { perMessage, maxDataBytes: peerHello.maxDataBytes, events },
    )
    const { sessionId, peer } = established
    const resumable = this.#resumable
    const replaceable = resumable && options.replaceable === true
    const { maxControlBytes } = peerHello
    const agreed = { role, granted, sessionId, resumable, replaceable, maxControlBytes }
    const core = this.#coreOf(deps, agreed)
    this.#core = core
    this.#own = new OwnCalls(core)
    this.#peers = new PeerCalls(core, { events, home: this })
    const store = this.#resumable ? deps.resumption : undefined
    this.#resumer = new Resumer({ core, own: this.#own, peers: this.#peers, peer, store })
  }

  /** Goes on with calls of lost connections to this peer. */
  start(): void {
    this.#resumption?.enter(this.#established.sessionId, this)
    this.#resumer.start()
    this.#time.renew()
  }

  /** Whether the session is over. */
  get closed(): boolean {
    return this.#closed
  }

  get peer(): PeerFacts {
    return this.#established.peer
  }

  get resumable(): boolean {
    return this.#resumable
  }

  lose(): void {
    this.lost(refuse('KOS_SESSION_CLOSED', 'resume: replaced'))
  }

  /** Whether a call of either side is open or the session drains: then `tick` is due. */
  get busy(): boolean {
    return this.#own.size > 0 || this.#peers.size > 0 || this.#drainUntilMs !== undefined
  }

  /** Bytes framed and not taken yet. */
  get waitingBytes(): number {
    return this.#output.waitingBytes
  }

  /** When the last verified batch arrived, monotonic. */
  get lastReceivedMs(): number {
    return this.#lastReceivedMs
  }

  /** SEALs written so far. */
  get sealsSent(): number {
    return this.#output.seals
  }

  /** Counters. */
  get stats(): MachineStats {
    const { waiting, kept } = this.#peers.heldBytes
    return {
      callsOpened: this.#own.opened,
      callsReceived: this.#peers.opened,
      callsOpen: this.#own.size + this.#peers.size,
      bytesReceived: this.#bytesReceived,
      framesReceived: this.#framesReceived,
      sealsReceived: this.#reader.count,
      sealsSent: this.#output.seals,
      sendEpoch: this.#output.epoch,
      receiveEpoch: this.#reader.epoch,
      streamBytesWaiting: waiting,
      streamBytesKept: kept,
      roundTripMs: this.#roundTripMs,
    }
  }

  /** Takes bytes of the peer; lent until it returns. Never throws on any input. */
  receive(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#time.renew()
    this.#bytesReceived += chunk.length
    const parser = this.#parser
    parser.push(chunk)
    while (!this.#closed) {
      const status = parser.next()
      if (status === 'more') break
      if (status !== 'frame') this.#fault('KOS_SESSION_PROTOCOL', status)
      else if (parser.type === FRAME.SEAL) this.#sealed()
      else this.#pend()
    }
    // A piece of a frame counts as well: it is kept.
    if (!this.#closed && parser.waitingBytes > this.#limits.maxPendingBytes) {
      this.#fault('KOS_SESSION_PROTOCOL', 'seal: too many bytes before it')
    }
    parser.settle()
    this.#account()
    this.#drained()
    this.#time.renew()
  }

  /**
   * Takes what is to be written now, sealed.
   *
   * @returns the bytes, or `undefined` when nothing waits
   */
  take(): Buffer | undefined {
    const bytes = this.#output.take()
    // A reading must not outlive its turn: after idle time it would be old.
    this.#time.renew()
    return bytes
  }

  /**
   * Opens a call.
   *
   * @param request - what is asked
   * @param settle - gets the result exactly once, perhaps before this returns
   * @returns the call, or `undefined` when it ended already
   * @throws KOS_CODEC_CBOR when the arguments have no encoding
   */
  open(request: OpenRequest, settle: (result: CallResult) => void): OutgoingCall | undefined {
    const call = this.#own.open(request, settle)
    // Nothing waits to be taken then, and `take` would not end this turn.
    if (!call) this.#time.renew()
    return call
  }

  /** Starts a new turn although nothing was taken: a channel that is full takes nothing for long. */
  newTurn(): void {
    this.#time.renew()
  }

  /** Gives up an own call. */
  cancel(call: OutgoingCall): void {
    this.#time.renew()
    // It may live elsewhere by now.
    call.owner.cancel(call, 'KOS_SESSION_CANCELLED', 'signal')
    this.#time.renew()
  }

  /** Answers a call of the peer; a second outcome is dropped. */
  respond(call: IncomingCall, outcome: SessionCallOutcome): void {
    if (!this.#closed) this.#peers.respond(call, outcome)
    this.#drained()
  }

  respondBytes(call: IncomingCall, bytes: Uint8Array): Promise<boolean> {
    return this.#peers.respondBytes(call, bytes)
  }

  finish(call: IncomingCall, digest: Uint8Array): void {
    this.#peers.finish(call, digest)
  }

  /** Deadlines, late answers, RESETs that had to wait. Call it every `tickMs` while `busy`. */
  tick(): void {
    if (this.#closed) return
    this.#time.renew()
    const nowMs = this.#time.monotonicMs
    this.#own.tick(nowMs)
    if (!this.#closed) this.#peers.tick(nowMs)
    this.#drained()
    this.#time.renew()
  }

  /**
   * Sends a PING unless one is on its way; its PONG updates `lastReceivedMs`.
   *
   * @param nowMs - monotonic time
   */
  ping(nowMs: MonotonicMs): void {
    if (this.#closed || this.#ping) return
    this.#pings = this.#pings === MAX_U32 ? 1 : this.#pings + 1
    // The SEAL makes it unforgeable: a number is enough to tell one PING from the next.
    const payload = Buffer.alloc(PING_BYTES)
    writeU32(payload, PING_BYTES - 4, this.#pings)
    this.#ping = { payload, sentMs: nowMs }
    this.#output.frame(FRAME.PING, 0, payload)
  }

  /** Replaces the MAC key of the own direction. */
  rekey(): void {
    if (!this.#closed) this.#output.rekey()
  }

  /** Takes no more calls, lets the running ones end, then closes. */
  goaway(reason: GoawayReason, retryAfterMs: number): void {
    if (this.#closed) return
    this.#resumable &&= RESUMABLE.has(reason)
    this.#output.goaway(this.#peers.goaway(), GOAWAY_CODES[reason], clampU32(retryAfterMs))
    this.#drain()
  }

  /** Asks the peer to wait with new calls. */
  sendBusy(scope: BusyScope, retryAfterMs: number): void {
    if (!this.#closed) this.#output.busy(BUSY_SCOPES[scope], clampU32(retryAfterMs))
  }

  /**
   * Ends the session at once: own calls fail, handlers are told to stop.
   *
   * @param reason - why
   * @param goaway - what to tell the peer; absent: nothing, the connection is gone
   */
  close(reason: Refusal, goaway?: GoawayReason): void {
    this.#resumable &&= goaway !== undefined && RESUMABLE.has(goaway)
    this.#end(reason, goaway)
  }

  /**
   * The connection is gone, which neither end wanted: calls wait for another one, where both ends
   * agreed to that.
   *
   * @param reason - why
   */
  lost(reason: Refusal): void {
    this.#end(reason, undefined)
  }

  #end(reason: Refusal, goaway: GoawayReason | undefined): void {
    if (this.#closed) return
    if (goaway) this.#output.goaway(this.#peers.goaway(), GOAWAY_CODES[goaway], 0)
    this.#closed = true
    this.#core.closed = true
    this.#account()
    const { sessionId } = this.#established
    this.#resumption?.leave(sessionId, this.#resumer)
    if (this.#resumable) this.#park(sessionId)
    this.#own.close(reason.rule)
    this.#peers.close()
    this.#events.onClosed(reason)
  }

  #park(sessionId: string): void {
    const { peer, resumeMs } = this.#established
    const lost = { own: this.#own.detach(), peers: this.#peers.detach() }
    this.#resumption?.park({ sessionId, role: this.#role, peer, resumeMs, ...lost })
  }

  /** Wipes the keys; after the last bytes were taken. */
  dispose(): void {
    this.#output.close()
    this.#reader[Symbol.dispose]()
  }

  /** Gives back buffers of an idle session. */
  trim(): void {
    this.#parser.trim()
    this.#core.scratch.trim()
    if (this.#pendingData?.size === 0) this.#pendingData = undefined
    this.#output.trim()
    this.#own.trim()
    this.#peers.trim()
    this.#ids.trim()
  }

  #coreOf(
    deps: SessionMachineDeps,
    agreed: Pick<
      SessionCore,
      'role' | 'granted' | 'sessionId' | 'resumable' | 'replaceable' | 'maxControlBytes'
    >,
  ): SessionCore {
    return {
      ...agreed,
      limits: this.#limits,
      time: this.#time,
      ids: this.#ids,
      output: this.#output,
      scratch: new CborWriter(0),
      window: this.#window,
      budget: deps.budget,
      log: deps.log,
      closed: false,
      fault: (code, rule) => this.#fault(code, rule),
    }
  }

  #fault(code: KosErrorCode, rule: string): void {
    this.close(refuse(code, rule), code === 'KOS_SESSION_FLOOD' ? 'flood' : 'protocol')
  }

  /** Holds the bytes that wait for the rest of their batch against the budget of the process. */
  #account(): void {
    const waiting = this.#closed ? 0 : this.#parser.waitingBytes
    const more = waiting - this.#accountedBytes
    if (more > 0 && !this.#budget.reserve(more)) {
      return this.close(refuse('KOS_SESSION_BUSY', 'receive budget'), 'shutdown')
    }
    if (more < 0) this.#budget.release(-more)
    this.#accountedBytes = waiting
    return undefined
  }

  /** Counts a frame that waits for its SEAL; nothing of its payload is looked at. */
  #pend(): void {
    const parser = this.#parser
    const limits = this.#limits
    if (parser.type < FRAME.OPEN) return this.#fault('KOS_SESSION_PROTOCOL', 'handshake: again')
    this.#pendingFrames += 1
    if (this.#pendingFrames > limits.maxPendingFrames) {
      return this.#fault('KOS_SESSION_PROTOCOL', 'seal: too many frames before it')
    }
    if (parser.payloadEnd - parser.keptStart > limits.maxPendingBytes) {
      return this.#fault('KOS_SESSION_PROTOCOL', 'seal: too many bytes before it')
    }
    if (parser.type !== FRAME.DATA) return undefined
    const bytes = parser.payloadEnd - parser.payloadStart
    const pendingData = (this.#pendingData ??= new Map<number, number>())
    const pending = (pendingData.get(parser.stream) ?? 0) + bytes
    if (pending > limits.maxPendingStreamBytes) {
      return this.#fault('KOS_SESSION_PROTOCOL', 'seal: too much data before it')
    }
    pendingData.set(parser.stream, pending)
    return undefined
  }

  /** Verifies a batch, and only then acts on it. */
  #sealed(): void {
    const parser = this.#parser
    const { buffer, keptStart, frameStart } = parser
    if (this.#pendingFrames === 0 || (this.#perMessage && this.#pendingFrames > 1)) {
      return this.#fault('KOS_SESSION_PROTOCOL', 'seal: number of frames')
    }
    const payload = buffer.subarray(parser.payloadStart, parser.payloadEnd)
    const time = this.#reader.verify(buffer.subarray(keptStart, frameStart), payload)
    if (time === undefined) return this.#fault('KOS_SESSION_SEAL', 'seal: mac')
    if (Math.abs(time - this.#time.wallMs) > this.#limits.clockSkewMs) {
      return this.#fault('KOS_SESSION_CLOCK', 'seal: time')
    }
    this.#framesReceived += this.#pendingFrames
    this.#pendingFrames = 0
    if (this.#pendingData?.size) this.#pendingData.clear()
    this.#lastReceivedMs = this.#time.monotonicMs
    this.#dispatchBatch(buffer, keptStart, frameStart)
    parser.release()
    return undefined
  }

  #dispatchBatch(buffer: Buffer, start: number, end: number): void {
    let at = start
    while (at < end && !this.#closed) {
      const length =
        ((buffer[at] ?? 0) << 16) | ((buffer[at + 1] ?? 0) << 8) | (buffer[at + 2] ?? 0)
      const next = at + HEADER_BYTES + length
      // The MAC key changes with this batch: anything behind REKEY would be sealed by the old one.
      if (buffer[at + 3] === FRAME.REKEY && next !== end) {
        return this.#fault('KOS_SESSION_PROTOCOL', 'rekey: not last')
      }
      this.#dispatch(buffer, at, next)
      at = next
    }
    return undefined
  }

  #dispatch(buffer: Buffer, start: number, end: number): void {
    const type = buffer[start + 3] ?? 0
    const flags = buffer[start + 4] ?? 0
    const stream = readU32(buffer, start + 5)
    const payload = buffer.subarray(start + HEADER_BYTES, end)
    switch (type) {
      case FRAME.OPEN:
        return this.#peers.open(stream, flags, payload)
      case FRAME.RESULT:
        return this.#own.result(stream, payload)
      case FRAME.DATA:
        return this.#data(stream, flags, payload)
      case FRAME.CREDIT:
        return this.#credit(stream, readU32(payload, 0))
      default:
        return this.#control(type, stream, payload)
    }
  }

  #data(stream: number, flags: number, payload: Buffer): void {
    if (!this.#window.take(payload.length)) {
      return this.#fault('KOS_SESSION_PROTOCOL', 'credit: connection')
    }
    if (this.#own.owns(stream)) return this.#own.data(stream, flags, payload)
    return this.#peers.data(stream, flags, payload)
  }

  #credit(stream: number, bytes: number): void {
    const { window } = this.#output
    const calls = this.#own.owns(stream) ? this.#own : this.#peers
    const used = stream === 0 ? window.add(bytes) : calls.credit(stream, bytes)
    if (stream === 0 && !used) return this.#fault('KOS_SESSION_PROTOCOL', 'credit: overflow')
    // Large credit follows from as much DATA of ours; only small or useless ones can be sent at will.
    const isLarge = stream === 0 ? window.isLarge(bytes) : this.#isLargeForStream(bytes)
    const earned = used && isLarge && bytes >= MIN_LARGE_CREDIT_BYTES
    if (earned || this.#allowControl()) this.#output.wake()
    return undefined
  }

  #isLargeForStream(bytes: number): boolean {
    return bytes * 4 >= this.#granted.streamWindowBytes
  }

  /** PING, RESET, BUSY, REKEY, GOAWAY and useless CREDIT share one rate. */
  #allowControl(): boolean {
    if (this.#closed) return false
    if (takeGcra(this.#controls, this.#limits.controls, this.#time.monotonicMs) === 0) return true
    this.#fault('KOS_SESSION_FLOOD', 'controls')
    return false
  }

  #control(type: number, stream: number, payload: Buffer): void {
    if (type === FRAME.PONG) return this.#pong(payload)
    // It has the limits of an OPEN.
    if (type === FRAME.RESUME && stream !== 0) return this.#resumer.call(stream, payload)
    if (!this.#allowControl()) return undefined
    switch (type) {
      case FRAME.RESET:
        return this.#peers.reset(stream)
      case FRAME.PING:
        return this.#output.frame(FRAME.PONG, 0, payload)
      case FRAME.GOAWAY:
        return this.#goneAway(payload)
      case FRAME.BUSY:
        return this.#isBusy(payload)
      case FRAME.REKEY:
        return this.#rekeyed(readU32(payload, 0))
      default:
        return this.#resumer.connection(payload)
    }
  }

  #pong(payload: Buffer): void {
    const ping = this.#ping
    if (!ping || !payload.equals(ping.payload)) {
      return this.#fault('KOS_SESSION_PROTOCOL', 'pong: no such ping')
    }
    this.#ping = undefined
    this.#roundTripMs = this.#time.monotonicMs - ping.sentMs
    return undefined
  }

  #goneAway(payload: Buffer): void {
    const reason = goawayReason(payload.readUInt16BE(4))
    if (!reason) return this.#fault('KOS_SESSION_PROTOCOL', 'goaway: code')
    const retryAfterMs = readU32(payload, 6)
    this.#resumable &&= RESUMABLE.has(reason)
    this.#own.goaway(readU32(payload, 0), retryAfterMs, reason === 'recycle')
    this.#events.onGoaway(reason, retryAfterMs)
    return this.#drain()
  }

  #isBusy(payload: Buffer): void {
    const scope = busyScope(payload[0] ?? 0)
    if (!scope) return this.#fault('KOS_SESSION_PROTOCOL', 'busy: scope')
    const retryAfterMs = readU32(payload, 1)
    this.#own.busy(retryAfterMs)
    return this.#events.onBusy(scope, retryAfterMs)
  }

  #rekeyed(epoch: number): void {
    if (epoch !== this.#reader.epoch + 1) return this.#fault('KOS_SESSION_PROTOCOL', 'rekey: epoch')
    return this.#reader.rekey()
  }

  #drain(): void {
    this.#drainUntilMs ??= this.#time.monotonicMs + this.#limits.drainMs
    this.#drained()
  }

  /** After GOAWAY the session ends with its last call, or when its time is over. */
  #drained(): void {
    if (this.#closed || this.#drainUntilMs === undefined) return
    if (this.#own.size === 0 && this.#peers.size === 0) {
      const reason = refuse('KOS_SESSION_GOAWAY', 'drained')
      // A dialler that is asked to recycle may have calls on their way, for its next connection.
      if (this.#role === 'listener') this.#end(reason, undefined)
      else this.close(reason)
    } else if (this.#time.monotonicMs >= this.#drainUntilMs) {
      this.lost(refuse('KOS_SESSION_GOAWAY', 'drain: time'))
    }
  }
}

function clampU32(value: number): number {
  return Math.min(Math.max(0, Math.ceil(value)), MAX_U32)
}
