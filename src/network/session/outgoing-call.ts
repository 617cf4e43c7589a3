import { createHash, type Hash } from 'node:crypto'
import type { CallResult, DataSink } from './calls.ts'
import type { DataSender, ReceiveWindow, ValueCollector } from './flow.ts'

/** DATA of a result on its way; made by the first frame. */
export interface ResultStream {
  readonly hash: Hash
  readonly window: ReceiveWindow
  /** An encoded value, or a byte stream for the sink. */
  readonly kind: 'value' | 'bytes'
  readonly collector: ValueCollector | undefined
}

/** One call of this end until the peer's RESULT. */
export class OutgoingCall {
  readonly stream: number
  /** When the caller stops waiting, monotonic. */
  readonly dueMs: number
  readonly sink: DataSink | undefined
  /** Arguments that travel as DATA. */
  sender: DataSender | undefined
  /** The result's DATA so far. */
  incoming: ResultStream | undefined
  /** When the peer must have answered after a RESET or the deadline, monotonic; 0: it still runs. */
  answerByMs = 0
  /** Code of a RESET that waits to be sent. */
  resetWaits: number | undefined
  readonly #settle: (result: CallResult) => void
  #settled = false
  #delivering = 0
  #ended: CallResult | undefined

  constructor(
    place: { readonly stream: number; readonly dueMs: number },
    settle: (result: CallResult) => void,
    sink: DataSink | undefined,
  ) {
    this.stream = place.stream
    this.dueMs = place.dueMs
    this.#settle = settle
    this.sink = sink
  }

  /** Whether the caller has its result already; the stream may still wait for RESULT. */
  get settled(): boolean {
    return this.#settled
  }

  /** Gives the caller its result, once; later ones are dropped. */
  settle(result: CallResult): void {
    if (this.#settled) return
    this.#settled = true
    this.#settle(result)
  }

  /** Gives the caller the result once its sink took all bytes before it. */
  end(result: CallResult): void {
    if (this.#delivering > 0) this.#ended = result
    else this.settle(result)
  }

  /** The sink works on bytes. */
  delivering(): void {
    this.#delivering += 1
  }

  /** The sink is done with bytes. */
  delivered(): void {
    this.#delivering -= 1
    if (this.#delivering === 0 && this.#ended) this.settle(this.#ended)
  }

  /** Makes the state of a result that comes as DATA. */
  receive(stream: Omit<ResultStream, 'hash'>): ResultStream {
    this.incoming = { ...stream, hash: createHash('sha256') }
    return this.incoming
  }
}
