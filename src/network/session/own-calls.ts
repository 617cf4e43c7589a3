import {
  concatBytes,
  equalBytes,
  type Gcra,
  type KosErrorCode,
  type RateLimit,
  sha256,
  takeGcra,
} from '../../foundation/base/index.ts'
import { CborReader, type CborWriter } from '../../foundation/codec/index.ts'
import {
  type DecodedResult,
  decodeResult,
  decodeRule,
  isCallFault,
  readLastPlain,
  ID_BYTES,
  writeOpenHead,
} from './call-codec.ts'
import { type CallResult, localFailure } from './calls.ts'
import { parityOf, type SessionCore } from './core.ts'
import { DataSender } from './data-sender.ts'
import { ReceiveWindow, SendWindow, ValueCollector } from './flow.ts'
import { FLAG_END, FLAG_STREAM, FLAG_VALUE, FRAME } from './frames.ts'
import {
  type CallOwner,
  type OpenRequest,
  OutgoingCall,
  type ResultStream,
} from './outgoing-call.ts'
import { encodeResume } from './resume-codec.ts'
import { StreamTable } from './stream-table.ts'
import type { IdPool } from './turn.ts'
import { RESET_CODES } from './wire-codes.ts'

const MAX_STREAM = 2 ** 32 - 1
/** Cancelling may not look like a flood to the peer: below its limit of resets. */
const OWN_RESETS = Object.freeze({ perSecond: 8, burst: 80 })

const OPEN_UNARY = FRAME.OPEN | (FLAG_END << 8)
const STREAM = FLAG_STREAM << 8
const DATA_END = FRAME.DATA | ((FLAG_END | FLAG_VALUE) << 8)
const NOTHING = new Uint8Array(0)
const SETTLED: CallResult = localFailure('KOS_SESSION_CANCELLED', 'settled')

/** The calls of this end: opened within what the peer grants, settled exactly once each. */
export class OwnCalls implements CallOwner {
  readonly #core: SessionCore
  readonly #calls = new StreamTable<OutgoingCall>()
  readonly #scratch: CborWriter
  readonly #parity: 0 | 1
  readonly #rate: RateLimit
  readonly #opens: Gcra = { tatMs: 0 }
  readonly #resets: Gcra = { tatMs: 0 }
  #nextStream: number
  #busyUntilMs = 0
  #goaway: { readonly retryAfterMs: number } | undefined
  #opened = 0

  constructor(core: SessionCore) {
    this.#core = core
    this.#scratch = core.scratch
    this.#parity = parityOf(core.role)
    this.#nextStream = this.#parity === 1 ? 1 : 2
    const { opensPerSecond, opensBurst } = core.granted
    this.#rate = { perSecond: opensPerSecond, burst: opensBurst }
  }

  /** Calls that wait for their RESULT. */
  get size(): number {
    return this.#calls.size
  }

  /** Calls opened so far. */
  get opened(): number {
    return this.#opened
  }

  /** Gives back what an idle session does not need. */
  trim(): void {
    this.#calls.trim()
  }

  /** Whether a stream number is this end's. */
  owns(stream: number): boolean {
    return (stream & 1) === this.#parity
  }

  /**
   * Opens a call.
   *
   * @param settle - gets the result, at once when the call cannot be opened
   * @returns the call, or `undefined` when it was refused here
   * @throws KOS_CODEC_CBOR when the arguments have no encoding
   */
  open(request: OpenRequest, settle: (result: CallResult) => void): OutgoingCall | undefined {
    const refusal = this.#refuse(request.deadlineMs)
    if (refusal) {
      settle(refusal)
      return undefined
    }
    const dueMs = this.#core.time.monotonicMs + request.deadlineMs
    const call = new OutgoingCall(request, { dueMs, owner: this }, settle)
    if (!this.#open(call, request.deadlineMs)) return undefined
    this.#opened += 1
    return call
  }

  /** Goes on with a call of a lost connection. */
  resume(call: OutgoingCall): void {
    const { output, limits } = this.#core
    if (call.settled) return
    if (this.#goaway || this.#refuseAnother()) {
      call.settle(localFailure('KOS_SESSION_LOST', 'resume: limits'))
      return
    }
    const { firstSession, firstStream, incoming } = call
    const received = incoming?.receivedBytes ?? 0
    const point = { sessionId: firstSession, stream: firstStream, offset: received }
    const stream = this.#enlist(call)
    call.resumed = true
    output.frame(FRAME.RESUME, stream, encodeResume(point))
    // The stream begins without credit: what its sink still holds keeps its room.
    const heldBytes = received - (incoming?.consumedBytes ?? 0)
    const freeBytes = Math.max(0, limits.streamWindowBytes - heldBytes)
    if (incoming) incoming.window = new ReceiveWindow(limits.streamWindowBytes, freeBytes)
    if (freeBytes > 0) output.credit(stream, freeBytes)
  }

  /** Hands over the calls that wait for their RESULT: the connection is lost. */
  detach(): readonly OutgoingCall[] {
    const waiting = this.#calls.list().filter((call) => !call.settled)
    for (const call of this.#calls.list()) {
      // Unfinished arguments are worth nothing to the peer: they would be sent anew.
      if (call.sender) this.#core.output.stop(call.sender)
      call.sender = undefined
    }
    this.#calls.clear()
    return waiting
  }

  /** A RESULT. */
  result(stream: number, payload: Buffer): void {
    const call = this.#calls.get(stream)
    // Also a second one: the first has removed the call.
    if (!call) return this.#core.fault('KOS_SESSION_PROTOCOL', 'result: stream')
    // On a fault the call stays listed, so that closing settles it.
    const ended = this.#decode(call, payload)
    if (!ended) return undefined
    this.#calls.delete(stream)
    if (call.resumed && !call.incoming && isNotBegun(ended)) return this.#openAgain(call)
    call.incoming?.collector?.drop()
    if (call.sender) {
      this.#core.output.stop(call.sender)
      this.#core.output.reset(stream, RESET_CODES.answered)
    }
    return call.end(ended)
  }

  /** DATA of a result. */
  data(stream: number, flags: number, payload: Buffer): void {
    const call = this.#calls.get(stream)
    if (!call) return this.#core.fault('KOS_SESSION_PROTOCOL', 'data: stream')
    if ((flags & FLAG_END) !== 0 || payload.length === 0) {
      return this.#core.fault('KOS_SESSION_PROTOCOL', 'data: end or empty')
    }
    const kind = (flags & FLAG_VALUE) === 0 ? 'bytes' : 'value'
    const incoming = call.incoming ?? this.#receive(call, kind)
    if (incoming.kind !== kind) return this.#core.fault('KOS_SESSION_PROTOCOL', 'data: kind')
    if (!incoming.window.take(payload.length)) {
      return this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: stream')
    }
    incoming.receivedBytes += payload.length
    if (call.settled) return this.#consume(call, payload.length)
    incoming.hash.update(payload)
    if (kind === 'value') return this.#collect(call, incoming, payload)
    call.movedMs = this.#core.time.monotonicMs
    return this.#deliver(call, payload)
  }

  /** Credit for DATA of arguments. @returns whether it opened a window */
  credit(stream: number, bytes: number): boolean {
    if (stream >= this.#nextStream) {
      this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: stream')
      return false
    }
    // Absent: it crossed the end of the arguments, or RESULT.
    const window = this.#calls.get(stream)?.sender?.window
    if (!window) return false
    if (window.add(bytes)) return true
    this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: overflow')
    return false
  }

  cancel(call: OutgoingCall, code: KosErrorCode, rule: string): void {
    if (call.settled || this.#calls.get(call.stream) !== call) return
    call.settle(localFailure(code, rule))
    const isCancelled = code === 'KOS_SESSION_CANCELLED'
    this.#abandon(call, isCancelled ? RESET_CODES.cancelled : RESET_CODES.refused)
  }

  /**
   * The peer takes no more calls; those above its last stream were never looked at.
   *
   * @param isRecycle - whether it only wants another connection
   */
  goaway(lastStream: number, retryAfterMs: number, isRecycle: boolean): void {
    this.#goaway = { retryAfterMs }
    // They begin on the connection that replaces this one.
    if (isRecycle && this.#core.replaceable) return
    for (const call of this.#calls.list()) {
      if (call.stream <= lastStream) continue
      this.#calls.delete(call.stream)
      if (call.sender) this.#core.output.stop(call.sender)
      call.settle(
        call.resumed
          ? localFailure('KOS_SESSION_LOST', 'resume: goaway')
          : localRefusal('KOS_SESSION_GOAWAY', 'goaway', retryAfterMs),
      )
    }
  }

  /** The peer asks to wait with new calls. */
  busy(retryAfterMs: number): void {
    const { time, limits } = this.#core
    this.#busyUntilMs = time.monotonicMs + Math.min(retryAfterMs, limits.maxDeadlineMs)
  }

  /** Ends calls whose deadline passed, sends RESETs that had to wait, misses answers. */
  tick(nowMs: number): void {
    for (const call of this.#calls.list()) {
      if (!call.settled && call.isDue(nowMs)) {
        call.settle(localFailure('KOS_SESSION_DEADLINE', 'deadline'))
        // The peer ends the call by the same deadline: only an unfinished opening needs a RESET, and
        // a stream, whose deadline every byte moves.
        const needsReset = call.sender !== undefined || call.incoming !== undefined
        this.#abandon(call, needsReset ? RESET_CODES.cancelled : undefined)
      }
      if (call.resetWaits !== undefined) this.#reset(call, call.resetWaits)
      if (call.answerByMs > 0 && call.answerByMs <= nowMs) {
        this.#core.fault('KOS_SESSION_UNANSWERED', 'result: missing')
        return
      }
    }
  }

  /** The connection ended. */
  close(rule: string): void {
    for (const call of this.#calls.list()) {
      call.incoming?.collector?.drop()
      call.settle(localFailure('KOS_SESSION_CLOSED', rule))
    }
    this.#calls.clear()
  }

  /** Sends OPEN. @returns false when the arguments are too large: then the call has its result */
  #open(call: OutgoingCall, deadlineMs: number): boolean {
    const { request } = call
    const scratch = this.#scratch
    scratch.reset()
    this.#writeHead(call, deadlineMs)
    scratch.value(request.arguments)
    const isSmall = scratch.length <= this.#core.maxControlBytes
    const encoded = isSmall ? undefined : this.#encodeLarge(request)
    if (!isSmall && !encoded) {
      call.settle(localRefusal('KOS_SESSION_TOO_LARGE', 'arguments: bytes'))
      return false
    }
    const { sessionId, output } = this.#core
    const stream = this.#enlist(call)
    call.firstSession = sessionId
    call.firstStream = stream
    const kind = request.sink ? OPEN_UNARY | STREAM : OPEN_UNARY
    if (encoded) this.#openLarge(call, encoded, deadlineMs)
    else output.frame(kind, stream, scratch.view)
    return true
  }

  /** Gives a call the next stream of this connection. */
  #enlist(call: OutgoingCall): number {
    const stream = this.#nextStream
    this.#nextStream = stream + 2
    call.stream = stream
    call.owner = this
    this.#calls.add(call)
    return stream
  }

  /** The peer never saw the OPEN: the same call once more, in what is left of its time. */
  #openAgain(call: OutgoingCall): void {
    call.resumed = false
    const deadlineMs = Math.ceil(call.dueMs - this.#core.time.monotonicMs)
    const refusal = call.settled ? SETTLED : this.#refuse(deadlineMs)
    if (refusal) return call.settle(refusal)
    try {
      this.#open(call, deadlineMs)
    } catch {
      // They had an encoding once: somebody changed them since.
      call.settle(localRefusal('KOS_SESSION_LOST', 'resume: arguments changed'))
    }
    return undefined
  }

  #refuse(deadlineMs: number): CallResult | undefined {
    const { granted, limits, time, output } = this.#core
    if (this.#goaway) {
      return localRefusal('KOS_SESSION_GOAWAY', 'goaway', this.#goaway.retryAfterMs)
    }
    const nowMs = time.monotonicMs
    if (this.#busyUntilMs > nowMs) {
      return localRefusal('KOS_SESSION_BUSY', 'busy', this.#busyUntilMs - nowMs)
    }
    if (output.waitingBytes > limits.maxOutputBytes) {
      return localRefusal('KOS_SESSION_BUSY', 'output', limits.tickMs)
    }
    if (!(deadlineMs >= 1) || deadlineMs > granted.maxDeadlineMs) {
      return localRefusal('KOS_SESSION_DEADLINE', 'open: deadline out of range')
    }
    return this.#refuseAnother()
  }

  /** What the peer grants: streams at once, and how many in a while. */
  #refuseAnother(): CallResult | undefined {
    const { granted, limits, time } = this.#core
    if (this.#calls.size >= granted.maxStreams || this.#nextStream > MAX_STREAM) {
      return localRefusal('KOS_SESSION_STREAMS', 'streams', limits.tickMs)
    }
    const waitMs = takeGcra(this.#opens, this.#rate, time.monotonicMs)
    return waitMs > 0 ? localRefusal('KOS_SESSION_RATE', 'opens', waitMs) : undefined
  }

  #writeHead(call: OutgoingCall, deadlineMs: number): void {
    const { ids, time } = this.#core
    const { callId, traceId, command } = call.request
    // The usual call: id and nonce are one piece of fresh randomness. Sent again it is the same.
    call.ids ??=
      callId || traceId ? joinIds(callId ?? ids.take(ID_BYTES), ids, traceId) : ids.take(32)
    writeOpenHead(this.#scratch, { ids: call.ids, command, deadlineMs, timeMs: time.wallMs })
  }

  #encodeLarge(request: OpenRequest): Uint8Array | undefined {
    const scratch = this.#scratch
    scratch.reset()
    scratch.value(request.arguments)
    return scratch.length <= this.#core.limits.maxValueBytes ? scratch.take() : undefined
  }

  /** Arguments too large for OPEN: their digest stands there, they follow as DATA. */
  #openLarge(call: OutgoingCall, bytes: Uint8Array, deadlineMs: number): void {
    const { output, granted } = this.#core
    const scratch = this.#scratch
    scratch.reset()
    this.#writeHead(call, deadlineMs)
    scratch.bytes(sha256(bytes))
    const kind = call.request.sink ? FRAME.OPEN | STREAM : FRAME.OPEN
    output.frame(kind, call.stream, scratch.view)
    const window = new SendWindow(granted.streamWindowBytes)
    const place = { stream: call.stream, flags: FLAG_VALUE }
    const sender = new DataSender(place, window, 'nothing')
    call.sender = sender
    sender.write(bytes)
    sender.end(() => {
      output.frame(DATA_END, call.stream, NOTHING)
      call.sender = undefined
    })
    output.start(sender)
  }

  #receive(call: OutgoingCall, kind: ResultStream['kind']): ResultStream {
    const { limits, budget } = this.#core
    const incoming = call.receive({
      kind,
      window: new ReceiveWindow(limits.streamWindowBytes),
      collector: kind === 'value' ? new ValueCollector(limits.maxValueBytes, budget) : undefined,
    })
    if (kind === 'bytes' && !call.request.sink && !call.settled) {
      call.settle(localFailure('KOS_SESSION_RESULT', 'result: unexpected stream'))
      this.#abandon(call, RESET_CODES.refused)
    }
    return incoming
  }

  #collect(call: OutgoingCall, incoming: ResultStream, payload: Buffer): void {
    if (!incoming.collector?.add(payload)) {
      incoming.collector?.drop()
      call.settle(localFailure('KOS_SESSION_TOO_LARGE', 'result: bytes'))
      this.#abandon(call, RESET_CODES.refused)
    }
    this.#consume(call, payload.length)
  }

  /** Hands bytes to the caller; its promise, if any, holds the credit back. */
  #deliver(call: OutgoingCall, payload: Buffer): void {
    const bytes = payload.length
    const failed = (): void => {
      call.owner.cancel(call, 'KOS_SESSION_RESULT', 'result: sink')
    }
    let pending: void | Promise<void> = undefined
    try {
      pending = call.request.sink?.(payload)
    } catch {
      failed()
    }
    if (!pending) {
      this.#consume(call, bytes)
      return
    }
    call.delivering()
    pending
      .catch(failed)
      .finally(() => {
        call.delivered()
        if (call.owner === this) this.#consume(call, bytes)
        else call.owner.consumed(call, bytes)
      })
      .catch(failed)
  }

  consumed(call: OutgoingCall, bytes: number): void {
    const { incoming } = call
    if (!incoming) return
    incoming.consumedBytes += bytes
    if (this.#core.closed || this.#calls.get(call.stream) !== call) return
    const credit = incoming.window.consume(bytes)
    if (credit > 0) this.#core.output.credit(call.stream, credit)
  }

  #consume(call: OutgoingCall, bytes: number): void {
    const { window, output } = this.#core
    if (!this.#core.closed) {
      const credit = window.consume(bytes)
      if (credit > 0) output.credit(0, credit)
    }
    this.consumed(call, bytes)
  }

  #decode(call: OutgoingCall, payload: Buffer): CallResult | undefined {
    let result: DecodedResult
    try {
      result = decodeResult(payload)
    } catch (error) {
      return this.#badResult(error)
    }
    return this.#ending(call, result)
  }

  /** What the caller gets; `undefined` after a fault. */
  #ending(call: OutgoingCall, result: DecodedResult): CallResult | undefined {
    if (result.status !== 'ok') return { ...result, origin: 'peer' }
    // Nobody looks at the result: what came of it was not kept either.
    if (call.settled) return SETTLED
    const { incoming } = call
    const { digest, value } = result
    if (!incoming && !digest) return { status: 'ok', value, origin: 'peer' }
    if (!incoming || !digest || !equalBytes(incoming.hash.digest(), digest)) {
      this.#core.fault('KOS_SESSION_PROTOCOL', 'result: digest')
      return undefined
    }
    const { collector } = incoming
    if (!collector) return { status: 'ok', value, origin: 'peer' }
    if (value === null) return this.#collected(collector.take())
    // A value travels once: as DATA or in RESULT.
    this.#core.fault('KOS_SESSION_PROTOCOL', 'result: value')
    return undefined
  }

  #collected(bytes: Uint8Array): CallResult | undefined {
    const { maxValueBytes } = this.#core.limits
    try {
      const value = readLastPlain(new CborReader(bytes, { maxBytes: maxValueBytes }))
      return { status: 'ok', value, origin: 'peer' }
    } catch (error) {
      return this.#badResult(error)
    }
  }

  /** A result that cannot be read fails its call, or the session when it breaks the protocol. */
  #badResult(error: unknown): CallResult | undefined {
    const rule = decodeRule(error, 'result')
    if (isCallFault(error)) return localFailure('KOS_SESSION_RESULT', rule)
    this.#core.fault('KOS_SESSION_PROTOCOL', rule)
    return undefined
  }

  /** After the caller has its result: the peer must answer soon, perhaps after a RESET. */
  #abandon(call: OutgoingCall, resetCode: number | undefined): void {
    const { time, limits, output } = this.#core
    call.answerByMs = time.monotonicMs + limits.answerGraceMs
    if (call.sender) output.stop(call.sender)
    call.sender = undefined
    if (resetCode !== undefined) this.#reset(call, resetCode)
  }

  #reset(call: OutgoingCall, code: number): void {
    const { time, output } = this.#core
    const mustWait = takeGcra(this.#resets, OWN_RESETS, time.monotonicMs) > 0
    call.resetWaits = mustWait ? code : undefined
    if (!mustWait) output.reset(call.stream, code)
  }
}

function joinIds(callId: Uint8Array, pool: IdPool, traceId: Uint8Array | undefined): Uint8Array {
  return concatBytes(callId, pool.take(ID_BYTES), traceId ?? NOTHING)
}

/** Only the peer knows that it never saw the OPEN of a call that this end wants to go on with. */
function isNotBegun(result: CallResult): boolean {
  return (
    result.status === 'refused' && result.origin === 'peer' && result.code === 'KOS_SESSION_LOST'
  )
}

function localRefusal(code: KosErrorCode, rule: string, retryAfterMs?: number): CallResult {
  return { ...localFailure(code, rule, retryAfterMs), status: 'refused' }
}
