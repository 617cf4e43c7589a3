import { createHash, type Hash } from 'node:crypto'
import type { KosErrorCode } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type { CallResult, DataSink } from './calls.ts'
import type { DataSender } from './data-sender.ts'
import type { ReceiveWindow, ValueCollector } from './flow.ts'

/** What is asked of the peer. */
export interface OpenRequest {
  readonly command: string
  /** Must not change until the call ends: it is sent again when the first OPEN was lost. */
  readonly arguments: CborInput
  readonly deadlineMs: number
  /** 16 bytes; absent: a fresh random one. */
  readonly callId: Uint8Array | undefined
  /** 16 bytes; absent: the call id. */
  readonly traceId: Uint8Array | undefined
  readonly sink: DataSink | undefined
}

/** DATA of a result on its way; made by the first frame. */
export interface ResultStream {
  readonly hash: Hash
  /** Another one on another connection. */
  window: ReceiveWindow
  /** An encoded value, or a byte stream for the sink. */
  readonly kind: 'value' | 'bytes'
  readonly collector: ValueCollector | undefined
  /** Bytes that came. */
  receivedBytes: number
  /** Bytes that were handed over. */
  consumedBytes: number
}

/** Where an own call lives: in a session, or between two. */
export interface CallOwner {
  /** Gives up the call: the caller has its result at once, the peer is told to stop. */
  cancel(call: OutgoingCall, code: KosErrorCode, rule: string): void
  /** The sink took bytes that came over an earlier connection. */
  consumed(call: OutgoingCall, bytes: number): void
}

/** One call of this end until the peer's RESULT. */
export class OutgoingCall {
  readonly request: OpenRequest
  /** Number of its stream; another one on another connection. */
  stream = 0
  /** Where its OPEN stood: its name, whatever connection it is on. */
  firstSession = ''
  firstStream = 0
  /** Call id, nonce and perhaps trace id, as OPEN carries them. */
  ids: Uint8Array | undefined
  owner: CallOwner
  /** Whether it goes on on another connection than its OPEN. */
  resumed = false
  /** When the caller stops waiting, monotonic; bytes that come move it. */
  dueMs: number
  /** When bytes of a stream came last, monotonic. */
  movedMs = 0
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
    request: OpenRequest,
    place: { readonly dueMs: number; readonly owner: CallOwner },
    settle: (result: CallResult) => void,
  ) {
    this.request = request
    this.dueMs = place.dueMs
    this.owner = place.owner
    this.#settle = settle
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

  /** Whether the deadline has passed; bytes that came meanwhile have moved it. */
  isDue(nowMs: number): boolean {
    if (this.dueMs > nowMs) return false
    this.dueMs = Math.max(this.dueMs, this.movedMs + this.request.deadlineMs)
    return this.dueMs <= nowMs
  }

  /** Makes the state of a result that comes as DATA. */
  receive(stream: Pick<ResultStream, 'window' | 'kind' | 'collector'>): ResultStream {
    const started = { receivedBytes: 0, consumedBytes: 0, hash: createHash('sha256') }
    this.incoming = { ...stream, ...started }
    return this.incoming
  }
}
