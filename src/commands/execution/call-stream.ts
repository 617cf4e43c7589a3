import type { Clock, Refusal } from '../../foundation/base/index.ts'
import type { CallRequest } from '../../foundation/pipeline/index.ts'
import type { Command } from '../catalog/index.ts'
import { executionErrors } from './errors.ts'
import { resultTooLarge } from './refusals.ts'

/** Bytes that a command may have handed over and that its caller has not taken yet. */
const MAX_WAITING_BYTES = 1024 * 1024

/**
 * The bytes that one run sends before its result: counted, bounded by the limits of the command, and
 * ended with the call. As long as they flow, the caller's deadline begins anew.
 */
export class CallStream {
  readonly #clock: Clock
  readonly #emit: (bytes: Uint8Array) => Promise<boolean>
  readonly #maxBytes: number
  #stop: (refusal: Refusal) => void = () => undefined
  #bytes = 0
  #waitingBytes = 0
  #movedMs: number

  private constructor(
    clock: Clock,
    emit: (bytes: Uint8Array) => Promise<boolean>,
    command: Command,
  ) {
    this.#clock = clock
    this.#emit = emit
    this.#maxBytes = command.limits.maxResultBytes
    this.#movedMs = clock.monotonicMs()
  }

  /** The stream of a call; `undefined` when the command has none or the caller wants none. */
  static of(clock: Clock, command: Command, call: CallRequest): CallStream | undefined {
    const emit = command.streams ? call.emit : undefined
    return emit && new CallStream(clock, emit, command)
  }

  /** Bytes that the caller's credit took. */
  get bytes(): number {
    return this.#bytes
  }

  /** When bytes were taken last, or when the call arrived; monotonic. */
  get movedMs(): number {
    return this.#movedMs
  }

  /** Who ends the run when it streams more than it may. */
  onExcess(stop: (refusal: Refusal) => void): void {
    this.#stop = stop
  }

  /**
   * Sends bytes and waits until the caller's credit took them.
   *
   * @throws {@link KosError} KOS_EXECUTION_STREAM (rejected) when the call has ended, when more waits
   * than may, or when the limit of the command is reached
   */
  async send(bytes: Uint8Array): Promise<void> {
    const { length } = bytes
    if (this.#bytes + this.#waitingBytes + length > this.#maxBytes) {
      this.#stop(resultTooLarge)
      throw executionErrors.error('KOS_EXECUTION_STREAM', { rule: 'stream: limit of the command' })
    }
    if (this.#waitingBytes + length > MAX_WAITING_BYTES) {
      throw executionErrors.error('KOS_EXECUTION_STREAM', { rule: 'stream: too much waits' })
    }
    this.#waitingBytes += length
    const taken = await this.#emit(bytes)
    this.#waitingBytes -= length
    if (!taken) throw executionErrors.error('KOS_EXECUTION_STREAM', { rule: 'stream: ended' })
    this.#bytes += length
    this.#movedMs = this.#clock.monotonicMs()
  }
}
