import type { CancelTimer, Clock, Refusal } from '../../foundation/base/index.ts'
import type { CallRequest, PeerFacts } from '../../foundation/pipeline/index.ts'
import type { CommandContext, RecordFacts } from '../catalog/index.ts'
import type { CallStream } from './call-stream.ts'
import { type CallOutcome, outcomeOf } from './ports.ts'

/** The context handed to a command. Its abort controller is made only when the command looks at it. */
export class CallContext implements CommandContext {
  readonly peer: PeerFacts
  readonly callId: string
  readonly traceId: string
  readonly deadlineMs: number
  readonly #stream: CallStream | undefined
  #controller: AbortController | undefined
  #stoppedBy: Refusal | undefined
  #facts: RecordFacts | undefined

  constructor(
    peer: PeerFacts,
    call: CallRequest,
    run: { readonly deadlineMs: number; readonly stream: CallStream | undefined },
  ) {
    this.peer = peer
    this.callId = call.callId
    this.traceId = call.traceId
    this.deadlineMs = run.deadlineMs
    this.#stream = run.stream
  }

  get emit(): ((bytes: Uint8Array) => Promise<void>) | undefined {
    const stream = this.#stream
    return stream && ((bytes) => stream.send(bytes))
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#stoppedBy) this.#controller.abort(this.#stoppedBy.code)
    return this.#controller.signal
  }

  /** What the command noted for its record. */
  get facts(): RecordFacts | undefined {
    return this.#facts
  }

  note(facts: RecordFacts): void {
    this.#facts = { ...this.#facts, ...facts }
  }

  /** Why the run was stopped from outside; `undefined` while it may go on. */
  get stoppedBy(): Refusal | undefined {
    return this.#stoppedBy
  }

  /** Aborts the signal; the first reason stays. */
  stop(refusal: Refusal): void {
    this.#stoppedBy ??= refusal
    this.#controller?.abort(this.#stoppedBy.code)
  }
}

/** How a run ended, before anything is made of it. */
export type Ending =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'stopped'; readonly refusal: Refusal }

/** What decides over the end of a flight. */
export interface FlightReasons {
  /** The refusal of the deadline. */
  late(): Refusal
  /** The refusal of a caller that gave up. */
  left(): Refusal
  /** Milliseconds until the deadline; 0 or less: it has passed. */
  leftMs(): number
}

/**
 * A call that runs while its callers wait: the first one, and those that sent its call id again. The
 * run is stopped at its deadline, at shutdown, or when the last caller has left.
 */
export class Flight {
  readonly context: CallContext
  /** Resolves when the outcome is there. */
  readonly landed: Promise<void>
  readonly #landed: () => void
  readonly #reasons: FlightReasons
  readonly #clock: Clock
  readonly #waiting = new Set<(outcome: CallOutcome) => void>()
  #cancelDeadline: CancelTimer
  #endStopped: ((refusal: Refusal) => void) | undefined
  #outcome: CallOutcome | undefined

  /**
   * @param clock - drives the deadline
   * @param context - the context of the command
   * @param reasons - see {@link FlightReasons}
   */
  constructor(clock: Clock, context: CallContext, reasons: FlightReasons) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.context = context
    this.landed = promise
    this.#landed = resolve
    this.#clock = clock
    this.#reasons = reasons
    this.#cancelDeadline = clock.after(context.deadlineMs, () => this.#due())
  }

  /**
   * Waits for the outcome until the caller itself gives up. When the last caller has given up, the
   * run is stopped.
   *
   * @param signal - the caller's
   * @returns the outcome of the run, or of giving up
   */
  wait(signal: AbortSignal): Promise<CallOutcome> {
    if (this.#outcome) return Promise.resolve(this.#outcome)
    return new Promise((resolve) => {
      const giveUp = (): void => {
        const left = this.#reasons.left()
        this.#waiting.delete(arrive)
        resolve(outcomeOf('failed', left))
        if (this.#waiting.size === 0) this.stop(left)
      }
      const arrive = (outcome: CallOutcome): void => {
        signal.removeEventListener('abort', giveUp)
        resolve(outcome)
      }
      this.#waiting.add(arrive)
      if (signal.aborted) giveUp()
      else signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Stops the run from outside: its ending is decided, even if the command does not listen. */
  stop(refusal: Refusal): void {
    this.context.stop(refusal)
    this.#endStopped?.(refusal)
  }

  /** The deadline came; what was streamed meanwhile has moved it. */
  #due(): void {
    const leftMs = this.#reasons.leftMs()
    if (leftMs > 0) this.#cancelDeadline = this.#clock.after(leftMs, () => this.#due())
    else this.stop(this.#reasons.late())
  }

  /** The ending of a command's promise, or of a stop before it. */
  follow(promise: Promise<unknown>): Promise<Ending> {
    return new Promise((resolve) => {
      this.#endStopped = (refusal) => resolve({ kind: 'stopped', refusal })
      if (this.context.stoppedBy) this.#endStopped(this.context.stoppedBy)
      promise.then(
        (value) => resolve({ kind: 'value', value }),
        (error: unknown) => resolve({ kind: 'error', error }),
      )
    })
  }

  /** Hands the outcome to everybody who waits. */
  land(outcome: CallOutcome): void {
    this.#cancelDeadline()
    this.#outcome = outcome
    for (const arrive of this.#waiting) arrive(outcome)
    this.#waiting.clear()
    this.#landed()
  }
}
