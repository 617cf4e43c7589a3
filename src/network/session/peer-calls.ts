import { equalBytes, type Gcra, sha256, takeGcra } from '../../foundation/base/index.ts'
import { type CborInput, CborReader, CborWriter } from '../../foundation/codec/index.ts'
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
import { DataSender, ReceiveWindow, SendWindow, ValueCollector } from './flow.ts'
import { FLAG_END, FLAG_VALUE, FRAME } from './frames.ts'
import { IncomingCall } from './incoming-call.ts'
import { peerRole } from './key-schedule.ts'
import { StreamTable } from './stream-table.ts'

/** Room that array heads, status and digest take in a RESULT beside its value. */
const DIGEST_ROOM = 48
const ENCODED_NULL: Uint8Array = Uint8Array.of(0xf6)

interface PeerCallsOptions {
  /** Longest RESULT the peer takes. */
  readonly maxControlBytes: number
  /** Gets each call once its arguments are complete and everything was verified. */
  onCall(call: IncomingCall): void
}

/** The calls of the peer: opened, limited, cancelled and answered exactly once each. */
export class PeerCalls {
  readonly #core: SessionCore
  readonly #options: PeerCallsOptions
  readonly #parity: 0 | 1
  readonly #calls = new StreamTable<IncomingCall>()
  readonly #scratch = new CborWriter()
  readonly #opens: Gcra = { tatMs: 0 }
  readonly #refused: Gcra = { tatMs: 0 }
  readonly #resets: Gcra = { tatMs: 0 }
  #lastStream = 0
  /** Streams above it are ignored, since this end said GOAWAY. */
  #ceiling = Number.POSITIVE_INFINITY
  #opened = 0

  constructor(core: SessionCore, options: PeerCallsOptions) {
    this.#core = core
    this.#options = options
    this.#parity = parityOf(peerRole(core.role))
  }

  /** Calls that still run or whose opener is not done. */
  get size(): number {
    return this.#calls.size
  }

  /** Calls handed to the handler so far. */
  get opened(): number {
    return this.#opened
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
    if (!this.owns(stream)) return this.#core.fault('KOS_SESSION_PROTOCOL', 'open: parity')
    if (stream <= this.#lastStream) return this.#core.fault('KOS_SESSION_PROTOCOL', 'open: order')
    this.#lastStream = stream
    // The opener has ended these already, when it read our GOAWAY.
    if (stream > this.#ceiling) return undefined
    const open = this.#decode(payload)
    if (!open) return undefined
    const { time } = this.#core
    const place = { stream, dueMs: time.monotonicMs + open.deadlineMs }
    const call = new IncomingCall(open, place, this)
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
    const window = this.#calls.get(stream)?.sender?.window
    if (!window) return false
    if (window.add(bytes)) return true
    this.#core.fault('KOS_SESSION_PROTOCOL', 'credit: overflow')
    return false
  }

  /** Ends a call: RESULT, exactly once; a later outcome is dropped. */
  respond(call: IncomingCall, outcome: SessionCallOutcome): void {
    if (call.answered) return
    call.answered = true
    if (outcome.status === 'ok') this.#writeValue(call, outcome.value)
    else this.#fail(call, outcome)
  }

  /** Sends bytes of a streamed result. */
  respondBytes(call: IncomingCall, bytes: Uint8Array): Promise<boolean> {
    if (call.answered) return Promise.resolve(false)
    call.sender ??= this.#sender(call, 0)
    const { sender } = call
    return new Promise((resolve) => {
      sender.write(bytes, resolve)
      this.#core.output.start(sender)
    })
  }

  /** Ends calls whose deadline passed. */
  tick(nowMs: number): void {
    for (const call of this.#calls.list()) {
      if (call.resultSent || call.dueMs > nowMs) continue
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
    return this.#options.onCall(call)
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
        if (scratch.length <= this.#options.maxControlBytes) {
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

  /** A value after streamed bytes stands in RESULT; a large one alone is the stream. */
  #writeStream(call: IncomingCall, encoded: Uint8Array): void {
    const { output, limits } = this.#core
    const isValue = call.sender === undefined
    const maxBytes = isValue ? limits.maxValueBytes : this.#options.maxControlBytes - DIGEST_ROOM
    if (encoded.length > maxBytes) {
      this.#fail(call, { status: 'failed', code: 'KOS_SESSION_TOO_LARGE', rule: 'result: bytes' })
      return
    }
    const sender = call.sender ?? this.#sender(call, FLAG_VALUE)
    call.sender = sender
    if (isValue) sender.write(encoded)
    sender.end((digest) => {
      this.#scratch.reset()
      writeStreamResult(this.#scratch, isValue ? ENCODED_NULL : encoded, digest)
      output.frame(FRAME.RESULT, call.stream, this.#scratch.view)
      this.#sent(call)
    })
    output.start(sender)
  }

  #sender(call: IncomingCall, flags: number): DataSender {
    const { granted } = this.#core
    return new DataSender(call.stream, flags, new SendWindow(granted.streamWindowBytes))
  }

  /** Ends a call with a "no", whatever it was about to send. */
  #fail(call: IncomingCall, failure: CallFailure): void {
    call.answered = true
    call.incoming?.collector.drop()
    if (call.sender) this.#core.output.stop(call.sender)
    this.#scratch.reset()
    writeFailure(this.#scratch, failure)
    this.#core.output.frame(FRAME.RESULT, call.stream, this.#scratch.view)
    this.#sent(call)
  }

  #sent(call: IncomingCall): void {
    call.resultSent = true
    if (call.openerDone) this.#calls.delete(call.stream)
  }

  #forget(call: IncomingCall): void {
    this.#calls.delete(call.stream)
  }
}
