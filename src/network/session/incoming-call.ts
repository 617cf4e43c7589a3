import type { CallRequest } from '../../foundation/pipeline/index.ts'
import type { DataSender, ReceiveWindow, ValueCollector } from './flow.ts'

/** Arguments that still arrive as DATA. */
export interface ArgumentStream {
  readonly digest: Uint8Array
  readonly collector: ValueCollector
  readonly window: ReceiveWindow
}

/** What a call asks of its machine. */
interface Responder {
  respondBytes(call: IncomingCall, bytes: Uint8Array): Promise<boolean>
}

/** The fields of an OPEN that a handler sees. */
export interface IncomingFacts {
  readonly callId: string
  readonly command: string
  readonly deadlineMs: number
  readonly traceId: string
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
  /** Number of its stream. */
  readonly stream: number
  /** When the deadline passes, monotonic. */
  readonly dueMs: number
  /** Whether its outcome is decided: exactly once. */
  answered = false
  /** Whether its RESULT was framed; DATA may come between the two. */
  resultSent = false
  /** Whether the opener may still send DATA. */
  openerDone = true
  /** Arguments on their way; `undefined` when they came with OPEN. */
  incoming: ArgumentStream | undefined
  /** DATA of the result on its way; made by the first byte. */
  sender: DataSender | undefined
  readonly #responder: Responder
  #controller: AbortController | undefined
  #aborted: string | undefined

  constructor(
    facts: IncomingFacts,
    place: { stream: number; dueMs: number },
    responder: Responder,
  ) {
    this.callId = facts.callId
    this.command = facts.command
    this.deadlineMs = facts.deadlineMs
    this.traceId = facts.traceId
    this.arguments = undefined
    this.stream = place.stream
    this.dueMs = place.dueMs
    this.#responder = responder
  }

  /** Aborted when the caller resets the stream, the deadline passes or the connection ends. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted)
    }
    return this.#controller.signal
  }

  /**
   * Sends bytes of a streamed result before the outcome.
   *
   * @param bytes - must not change until the promise resolves
   * @returns true once the peer's credit took all of them, false when the call ended before: stop
   */
  respondBytes(bytes: Uint8Array): Promise<boolean> {
    return this.#responder.respondBytes(this, bytes)
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
