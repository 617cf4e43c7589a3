import { equalBytes, type Gcra, sha256, takeGcra } from '../../foundation/base/index.ts'
import { type CborInput, CborReader, type CborWriter } from '../../foundation/codec/index.ts'
import {
  type DecodedOpen,
  decodeOpen,
  decodeRule,
  isCallFault,
  readLastPlain,
  readDigest,
  writeFailure,
  writeOkResult,
  writeStreamResult,
} from './call-codec.ts'
import { type CallFailure, refusedOutcome, type SessionCallOutcome } from './calls.ts'
import { parityOf, type SessionCore } from './core.ts'
import { DataSender, type Keeping } from './data-sender.ts'
import { ReceiveWindow, SendWindow, ValueCollector } from './flow.ts'
import { FLAG_END, FLAG_STREAM, FLAG_VALUE, FRAME } from './frames.ts'
import { type CallHome, IncomingCall } from './incoming-call.ts'
import { KeptAnswers } from './kept-answers.ts'
import { peerRole } from './key-schedule.ts'
import { StreamTable } from './stream-table.ts'

/** Room that array heads, status and digest take in a RESULT beside its value. */
const DIGEST_ROOM = 48
const ENCODED_NULL: Uint8Array = Uint8Array.of(0xf6)

interface PeerCallsOptions {
  readonly events: {
    /** Gets each call once its arguments are complete and everything was verified. */
    onCall(call: IncomingCall): void
  }
  /** Where the calls live. */
  readonly home: CallHome
}

/** What is left of the calls of a peer when their connection is lost. */
export interface DetachedCalls {
  /** Running ones, and those whose RESULT may not have arrived. */
  readonly calls: readonly IncomingCall[]
  /** Streams above it were never looked at. */
  readonly lastStream: number
  /** Streams whose arguments did not all arrive. */
  readonly unbegun: readonly number[]
}

/** The calls of the peer: opened, limited, cancelled and answered exactly once each. */
export class PeerCalls {
  readonly #core: SessionCore
  readonly #options: PeerCallsOptions
  readonly #parity: 0 | 1
  readonly #calls = new StreamTable<IncomingCall>()
  readonly #scratch: CborWriter
  readonly #opens: Gcra = { tatMs: 0 }
  readonly #refused: Gcra = { tatMs: 0 }
  readonly #resets: Gcra = { tatMs: 0 }
  readonly #kept: KeptAnswers | undefined
  #lastStream = 0
  /** Streams above it are ignored, since this end said GOAWAY. */
  #ceiling = Number.POSITIVE_INFINITY
  #opened = 0

  constructor(core: SessionCore, options: PeerCallsOptions) {
    this.#core = core
    this.#options = options
    this.#scratch = core.scratch
    this.#parity = parityOf(peerRole(core.role))
    this.#kept = core.resumable ? new KeptAnswers(core.limits.maxStreams) : undefined
  }

  /** Calls that still run or whose opener is not done. */
  get size(): number {
    return this.#calls.size
  }

  /** Calls handed to the handler so far. */
  get opened(): number {
    return this.#opened
  }

  /** Bytes of results that wait for credit, and sent ones that are kept. */
  get heldBytes(): { readonly waiting: number; readonly kept: number } {
    let waiting = 0
    let kept = this.#kept?.keptBytes ?? 0
    for (const { sender } of this.#calls.list()) {
      waiting += sender?.waitingBytes ?? 0
      kept += sender?.keptBytes ?? 0
    }
    return { waiting, kept }
  }

  /** Gives back what an idle session does not need. */
  trim(): void {
    this.#calls.trim()
  }

  /** Whether a stream number is the peer's. */
  owns(stream: number): boolean {
    return (stream & 1) === this.#parity
  }

  /** Takes no more calls. @returns the last stream that is still worked on */
  goaway(): number {
    this.#ceiling = Math.min(this.#ceiling, this.#lastStream)
    return this.#ceiling
  }

  /** An OPEN. */
  open(stream: number, flags: number, payload: Buffer): void {
    if (!this.#enters(stream)) return undefined
    const open = this.#decode(payload)
    if (!open) return undefined
    const { time, sessionId } = this.#core
    const place = {
      stream,
      sessionId,
      dueMs: time.monotonicMs + open.deadlineMs,
      wantsStream: (flags & FLAG_STREAM) !== 0,
    }
    const call = new IncomingCall(open, place, this.#options.home)
    const refusal = this.#admit(open)
    // One refusal too many: GOAWAY was the last word.
    if (this.#core.closed) return undefined
    if ((flags & FLAG_END) === 0) {
      this.#awaitArguments(call, open.rest, refusal)
      return undefined
    }
    if (refusal) return this.#fail(call, refusal)
    this.#calls.add(call)
    return this.#start(call, open.rest)
  }

  /**
   * A RESUME of the opener: a call of a lost connection goes on here.
   *
   * @param find - the call, or what to answer
   */
  resume(stream: number, offset: number, find: () => IncomingCall | CallFailure): void {
    if (!this.#enters(stream)) return
    const refusal = this.#admitAnother()
    if (this.#core.closed) return
    const found = refusal ? lostOutcome('resume: limits') : find()
    if (!(found instanceof IncomingCall)) {
      this.#write(stream, found)
      return
    }
    const { granted, output } = this.#core
    const window = new SendWindow(granted.streamWindowBytes, 0)
    const { outcome, sender } = found
    const isNo = outcome !== undefined && outcome.status !== 'ok'
    const fits = isNo || (sender ? sender.resume(stream, window, offset) : offset === 0)
    found.stream = stream
    found.home = this.#options.home
    found.window = window
    found.openerDone = true
    found.resultSent = false
    this.#calls.add(found)
    if (!fits) {
      found.abort('KOS_SESSION_LOST')
      this.#fail(found, lostOutcome('resume: offset'))
    } else if (found.answered) {
      this.#answer(found)
    } else if (sender) {
      output.start(sender)
    }
  }

  /** DATA of the opener: encoded arguments. */
  data(stream: number, flags: number, payload: Buffer): void {
    const { window, output } = this.#core
    const credit = window.consume(payload.length)
    if (credit > 0) output.credit(0, credit)
    if (stream > this.#ceiling && stream <= this.#lastStream) return undefined
    const call = this.#calls.get(stream)
    const incoming = call?.incoming
    if (!call || !incoming || call.openerDone || (flags & FLAG_VALUE) === 0) {
      return this.#core.fault('KOS_SESSION_PROTOCOL', 'data: stream')
    }
    if (payload.length === 0 && (flags & FLAG_END) === 0) {
      return this.#core.fault('KOS_SESSION_PROTOCOL', 'data: empty')
    }
    if (!incoming.window.take(payload.length)) {
      return this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: stream')
    }
    if (!call.answered && !incoming.collector.add(payload)) {
      this.#fail(call, refusedOutcome('KOS_SESSION_TOO_LARGE', 'arguments: bytes'))
    }
    if ((flags & FLAG_END) !== 0) return this.#complete(call)
    const streamCredit = incoming.window.consume(payload.length)
    if (streamCredit > 0) output.credit(stream, streamCredit)
    return undefined
  }

  /** A RESET of the opener. */
  reset(stream: number): void {
    if (!this.owns(stream) || stream > this.#lastStream) {
      return this.#core.fault('KOS_SESSION_PROTOCOL', 'reset: stream')
    }
    const call = this.#calls.get(stream)
    // It crossed our RESULT.
    if (!call) return undefined
    call.openerDone = true
    if (call.resultSent) return this.#forget(call)
    const { limits, time } = this.#core
    if (takeGcra(this.#resets, limits.resets, time.monotonicMs) > 0) {
      return this.#core.fault('KOS_SESSION_FLOOD', 'resets')
    }
    call.abort('KOS_SESSION_CANCELLED')
    return this.#fail(call, { status: 'failed', code: 'KOS_SESSION_CANCELLED', rule: 'reset' })
  }

  /** Credit for DATA of a result. @returns whether it opened a window */
  credit(stream: number, bytes: number): boolean {
    if (stream > this.#lastStream) {
      this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: stream')
      return false
    }
    // Absent: it crossed our RESULT.
    const window = this.#calls.get(stream)?.window
    if (!window) return false
    if (window.add(bytes)) return true
    this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: overflow')
    return false
  }

  /** Ends a call: RESULT, exactly once; a later outcome is dropped. */
  respond(call: IncomingCall, outcome: SessionCallOutcome): void {
    if (call.answered) return
    call.answered = true
    if (this.#kept) call.outcome = outcome
    if (outcome.status === 'ok') this.#writeValue(call, outcome.value)
    else this.#fail(call, outcome)
  }

  /** All DATA of a result was sent: RESULT. */
  finish(call: IncomingCall, digest: Uint8Array): void {
    this.#scratch.reset()
    writeStreamResult(this.#scratch, call.encoded ?? ENCODED_NULL, digest)
    this.#core.output.frame(FRAME.RESULT, call.stream, this.#scratch.view)
    this.#sent(call)
  }

  /** Sends bytes of a streamed result. */
  respondBytes(call: IncomingCall, bytes: Uint8Array): Promise<boolean> {
    if (call.answered) return Promise.resolve(false)
    call.sender ??= this.#sender(call, 0, 'copy')
    const { sender } = call
    return new Promise((resolve) => {
      sender.write(bytes, resolve)
      this.#core.output.start(sender)
    })
  }

  /** Ends calls whose deadline passed. */
  tick(nowMs: number): void {
    for (const call of this.#calls.list()) {
      if (call.resultSent || !call.isDue(nowMs)) continue
      call.abort('KOS_SESSION_DEADLINE')
      this.#fail(call, { status: 'failed', code: 'KOS_SESSION_DEADLINE', rule: 'deadline' })
    }
  }

  /** The connection ended: handlers are told to stop, buffers are freed. */
  close(): void {
    for (const call of this.#calls.list()) {
      call.answered = true
      call.abort('KOS_SESSION_CLOSED')
      call.incoming?.collector.drop()
    }
    this.#calls.clear()
  }

  /** Hands over what the peer may ask for on another connection: this one is lost. */
  detach(): DetachedCalls {
    const calls = new Set(this.#kept?.take())
    const unbegun: number[] = []
    for (const call of this.#calls.list()) {
      call.incoming?.collector.drop()
      if (call.sender) this.#core.output.detach(call.sender)
      // Without all its arguments it never began.
      if (call.openerDone || call.answered) calls.add(call)
      else unbegun.push(call.stream)
    }
    this.#calls.clear()
    const lastStream = Math.min(this.#ceiling, this.#lastStream)
    return { calls: [...calls], lastStream, unbegun }
  }

  /** Whether a new stream of the peer is looked at. */
  #enters(stream: number): boolean {
    if (!this.owns(stream)) this.#core.fault('KOS_SESSION_PROTOCOL', 'open: parity')
    else if (stream <= this.#lastStream) this.#core.fault('KOS_SESSION_PROTOCOL', 'open: order')
    else {
      this.#lastStream = stream
      // The opener has ended those above already, when it read our GOAWAY.
      return stream <= this.#ceiling
    }
    return false
  }

  #decode(payload: Buffer): DecodedOpen | undefined {
    try {
      return decodeOpen(payload)
    } catch (error) {
      this.#core.fault('KOS_SESSION_PROTOCOL', decodeRule(error, 'open'))
      return undefined
    }
  }

  /** Limits of an OPEN. Refusing costs little, but not nothing: refusals have a limit too. */
  #admit(open: DecodedOpen): CallFailure | undefined {
    const { limits, time } = this.#core
    if (Math.abs(open.timeMs - time.wallMs) > limits.clockSkewMs) {
      return refusedOutcome('KOS_SESSION_CLOCK', 'open: time')
    }
    if (open.deadlineMs < 1 || open.deadlineMs > limits.maxDeadlineMs) {
      return refusedOutcome('KOS_SESSION_DEADLINE', 'open: deadline out of range')
    }
    return this.#admitAnother()
  }

  #admitAnother(): CallFailure | undefined {
    const { limits, time } = this.#core
    const full = this.#calls.size >= limits.maxStreams
    const waitMs = full ? 0 : takeGcra(this.#opens, limits.opens, time.monotonicMs)
    if (!full && waitMs === 0) return undefined
    if (takeGcra(this.#refused, limits.refusedOpens, time.monotonicMs) > 0) {
      this.#core.fault('KOS_SESSION_FLOOD', 'opens')
    }
    return full
      ? refusedOutcome('KOS_SESSION_STREAMS', 'streams', limits.tickMs)
      : refusedOutcome('KOS_SESSION_RATE', 'opens', waitMs)
  }

  /** Reads the arguments, then hands the call over. */
  #start(call: IncomingCall, reader: CborReader): void {
    try {
      call.arguments = readLastPlain(reader)
    } catch (error) {
      const rule = decodeRule(error, 'open')
      if (!isCallFault(error)) return this.#core.fault('KOS_SESSION_PROTOCOL', rule)
      return this.#fail(call, refusedOutcome('KOS_SESSION_ARGUMENTS', rule))
    }
    this.#opened += 1
    return this.#options.events.onCall(call)
  }

  /** The arguments follow as DATA; a refused call still has to swallow what is on its way. */
  #awaitArguments(call: IncomingCall, reader: CborReader, refusal: CallFailure | undefined): void {
    const { limits, budget } = this.#core
    let digest: Uint8Array
    try {
      digest = readDigest(reader)
      reader.end()
    } catch (error) {
      this.#core.fault('KOS_SESSION_PROTOCOL', decodeRule(error, 'open'))
      return
    }
    call.openerDone = false
    call.incoming = {
      digest,
      collector: new ValueCollector(limits.maxValueBytes, budget),
      window: new ReceiveWindow(limits.streamWindowBytes),
    }
    // Refused streams that their opener never ends may not pile up.
    if (this.#calls.size >= limits.maxStreams * 2) {
      this.#core.fault('KOS_SESSION_FLOOD', 'streams')
      return
    }
    this.#calls.add(call)
    if (refusal) this.#fail(call, refusal)
  }

  /** The last piece of the arguments is here. */
  #complete(call: IncomingCall): void {
    const { incoming } = call
    call.openerDone = true
    if (call.answered || !incoming) {
      this.#forget(call)
      return
    }
    const bytes = incoming.collector.take()
    call.incoming = undefined
    if (!equalBytes(sha256(bytes), incoming.digest)) {
      this.#core.fault('KOS_SESSION_PROTOCOL', 'open: digest')
      return
    }
    this.#start(call, new CborReader(bytes, { maxBytes: this.#core.limits.maxValueBytes }))
  }

  /** Writes the RESULT of a value: inline, or as DATA and then RESULT with the digest. */
  #writeValue(call: IncomingCall, value: CborInput): void {
    const scratch = this.#scratch
    scratch.reset()
    try {
      if (!call.sender) {
        writeOkResult(scratch, value)
        if (scratch.length <= this.#core.maxControlBytes) {
          this.#core.output.frame(FRAME.RESULT, call.stream, scratch.view)
          this.#sent(call)
          return
        }
        scratch.reset()
      }
      scratch.value(value)
    } catch (error) {
      const rule = decodeRule(error, 'result')
      this.#core.log.event('session.result', { callId: call.callId, rule }, 'error')
      this.#fail(call, { status: 'failed', code: 'KOS_SESSION_INTERNAL', rule })
      return
    }
    this.#writeStream(call, scratch.take())
  }

  /** Answers a call whose outcome was decided, perhaps sent, on a lost connection. */
  #answer(call: IncomingCall): void {
    const { outcome, sender } = call
    if (sender && call.encoded) this.#finishStream(call, sender)
    else if (outcome?.status === 'ok') this.#writeValue(call, outcome.value)
    else this.#fail(call, outcome ?? lostOutcome('resume: outcome'))
  }

  /** A value after streamed bytes stands in RESULT; a large one alone is the stream. */
  #writeStream(call: IncomingCall, encoded: Uint8Array): void {
    const { limits } = this.#core
    const isValue = call.sender === undefined
    const maxBytes = isValue ? limits.maxValueBytes : this.#core.maxControlBytes - DIGEST_ROOM
    if (encoded.length > maxBytes) {
      this.#fail(call, { status: 'failed', code: 'KOS_SESSION_TOO_LARGE', rule: 'result: bytes' })
      return
    }
    const sender = call.sender ?? this.#sender(call, FLAG_VALUE, 'view')
    call.sender = sender
    call.encoded = isValue ? ENCODED_NULL : encoded
    // From here on the encoded form counts.
    call.outcome = undefined
    if (isValue) sender.write(encoded)
    this.#finishStream(call, sender)
  }

  #finishStream(call: IncomingCall, sender: DataSender): void {
    // Whoever has the call then: it may have moved.
    sender.end((digest) => call.home.finish(call, digest))
    this.#core.output.start(sender)
  }

  #sender(call: IncomingCall, flags: number, keeping: Keeping): DataSender {
    const { granted } = this.#core
    call.window ??= new SendWindow(granted.streamWindowBytes)
    const place = { stream: call.stream, flags }
    return new DataSender(place, call.window, this.#kept ? keeping : 'nothing')
  }

  /** Ends a call with a "no", whatever it was about to send. */
  #fail(call: IncomingCall, failure: CallFailure): void {
    call.answered = true
    call.incoming?.collector.drop()
    if (call.sender) this.#core.output.stop(call.sender)
    call.sender = undefined
    call.encoded = undefined
    if (this.#kept) call.outcome = failure
    this.#write(call.stream, failure)
    this.#sent(call)
  }

  #write(stream: number, failure: CallFailure): void {
    this.#scratch.reset()
    writeFailure(this.#scratch, failure)
    this.#core.output.frame(FRAME.RESULT, stream, this.#scratch.view)
  }

  #sent(call: IncomingCall): void {
    call.resultSent = true
    this.#kept?.add(call)
    if (call.openerDone) this.#calls.delete(call.stream)
  }

  #forget(call: IncomingCall): void {
    this.#calls.delete(call.stream)
  }
}

/** The call of a lost connection cannot go on: it may have been executed. */
export function lostOutcome(rule: string): CallFailure {
  return { status: 'failed', code: 'KOS_SESSION_LOST', rule }
}
