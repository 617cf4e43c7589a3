import type { CallRequest } from '../../foundation/pipeline/index.ts'
import type { SessionCallOutcome } from './calls.ts'
import type { DataSender } from './data-sender.ts'
import type { ReceiveWindow, SendWindow, ValueCollector } from './flow.ts'

/** Arguments that still arrive as DATA. */
export interface ArgumentStream {
  readonly digest: Uint8Array
  readonly collector: ValueCollector
  readonly window: ReceiveWindow
}

/** Where a call of the peer lives: in a session, or between two. */
export interface CallHome {
  /** Decides the outcome; a second one is dropped. */
  respond(call: IncomingCall, outcome: SessionCallOutcome): void
  respondBytes(call: IncomingCall, bytes: Uint8Array): Promise<boolean>
  /** All DATA of the result was sent. */
  finish(call: IncomingCall, digest: Uint8Array): void
}

/** The fields of an OPEN that a handler sees. */
export interface IncomingFacts {
  readonly callId: string
  readonly command: string
  readonly deadlineMs: number
  readonly traceId: string
}

/** Where an OPEN stood, and what its header said. */
export interface IncomingPlace {
  readonly stream: number
  readonly sessionId: string
  readonly dueMs: number
  readonly wantsStream: boolean
}

/**
 * One call of the peer while it runs. An abort controller is made only when the handler looks at the
 * signal: most calls end before anybody asks.
 */
export class IncomingCall implements CallRequest {
  readonly callId: string
  readonly command: string
  /** Milliseconds the caller allows, counted from the arrival of the call. */
  readonly deadlineMs: number
  readonly traceId: string
  /** Plain data; set before the handler sees the call. */
  arguments: unknown
  /** Number of its stream; another one on another connection. */
  stream: number
  /** Where its OPEN stood: its name, whatever connection it is on. */
  readonly firstSession: string
  readonly firstStream: number
  readonly #wantsStream: boolean
  /** When the deadline passes, monotonic; bytes that are sent move it. */
  dueMs: number
  home: CallHome
  /** Whether its outcome is decided: exactly once. */
  answered = false
  /** What was decided; kept until the RESULT must have arrived. */
  outcome: SessionCallOutcome | undefined
  /** Whether its RESULT was framed; DATA may come between the two. */
  resultSent = false
  /** Whether the opener may still send DATA. */
  openerDone = true
  /** Arguments on their way; `undefined` when they came with OPEN. */
  incoming: ArgumentStream | undefined
  /** Credit for DATA of the result; made by the first byte, or when the call goes on elsewhere. */
  window: SendWindow | undefined
  /** DATA of the result on its way; made by the first byte. */
  sender: DataSender | undefined
  /** The value in the RESULT behind DATA, encoded. */
  encoded: Uint8Array | undefined
  #controller: AbortController | undefined
  #aborted: string | undefined

  constructor(facts: IncomingFacts, place: IncomingPlace, home: CallHome) {
    this.callId = facts.callId
    this.command = facts.command
    this.deadlineMs = facts.deadlineMs
    this.traceId = facts.traceId
    this.arguments = undefined
    this.stream = place.stream
    this.firstStream = place.stream
    this.firstSession = place.sessionId
    this.#wantsStream = place.wantsStream
    this.dueMs = place.dueMs
    this.home = home
  }

  /** Aborted when the caller resets the stream, the deadline passes or the connection ends. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted)
    }
    return this.#controller.signal
  }

  get emit(): ((bytes: Uint8Array) => Promise<boolean>) | undefined {
    return this.#wantsStream ? (bytes) => this.respondBytes(bytes) : undefined
  }

  /**
   * Sends bytes of a streamed result before the outcome.
   *
   * @param bytes - must not change until the promise resolves
   * @returns true once the peer's credit took all of them, false when the call ended before: stop
   */
  respondBytes(bytes: Uint8Array): Promise<boolean> {
    return this.home.respondBytes(this, bytes)
  }

  /** Whether the deadline has passed; bytes that were sent meanwhile have moved that of a stream. */
  isDue(nowMs: number): boolean {
    if (this.dueMs > nowMs) return false
    if (this.sender?.flags === 0) {
      this.dueMs = Math.max(this.dueMs, this.sender.sentMs + this.deadlineMs)
    }
    return this.dueMs <= nowMs
  }

  /**
   * Tells the handler to stop.
   *
   * @param code - error code of the reason
   */
  abort(code: string): void {
    this.#aborted ??= code
    this.#controller?.abort(this.#aborted)
  }
}
