import type { CommandContext } from './command.ts'

/**
 * Sends the standard output of a program to a caller that asked for a stream, in order. What waits is
 * bounded by the output limit of the run. When the caller takes no more, the program is killed.
 */
export class ProgramStream {
  /** Aborted when the call is, or when its stream broke. */
  readonly signal: AbortSignal
  readonly #context: CommandContext
  readonly #broken = new AbortController()
  #sending: Promise<void> = Promise.resolve()
  #error: unknown

  constructor(context: CommandContext) {
    this.#context = context
    this.signal = context.emit
      ? AbortSignal.any([context.signal, this.#broken.signal])
      : context.signal
  }

  /** Takes output as it arrives; standard error is left to the result. */
  take(name: 'stdout' | 'stderr', bytes: Uint8Array): void {
    const { emit } = this.#context
    if (name !== 'stdout' || !emit || this.#broken.signal.aborted) return
    const piece = Uint8Array.from(bytes)
    this.#sending = this.#sending
      .then(() => (this.#broken.signal.aborted ? undefined : emit(piece)))
      .catch((error: unknown) => {
        this.#error ??= error
        this.#broken.abort()
      })
  }

  /** Resolves when everything was taken; rejects when the stream broke. */
  async end(): Promise<void> {
    await this.#sending
    if (this.#broken.signal.aborted) throw this.#error
  }
}
