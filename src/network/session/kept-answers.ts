import type { IncomingCall } from './incoming-call.ts'

/** Sent DATA of answered calls that is kept, of one session. */
const MAX_KEPT_BYTES = 1024 * 1024

/**
 * The last answers of this end, in case the connection is lost before they arrive.
 *
 * A caller has at most `maxStreams` calls without RESULT, and RESULTs arrive in the order in which they
 * were sent: what did not arrive is among the last `maxStreams` of them.
 */
export class KeptAnswers {
  /** As long as it had to be: an idle session keeps none. */
  readonly #calls: (IncomingCall | undefined)[] = []
  readonly #maxStreams: number
  #next = 0
  #bytes = 0

  /** @param maxStreams - calls that the peer may have open */
  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams
  }

  /** Sent DATA that is kept. */
  get keptBytes(): number {
    return this.#bytes
  }

  /** Keeps a call whose RESULT was sent; forgets the oldest. */
  add(call: IncomingCall): void {
    const at = this.#next
    this.#next = at + 1 === this.#maxStreams ? 0 : at + 1
    const oldest = this.#calls[at]
    if (oldest?.sender) this.#bytes -= oldest.sender.keptBytes
    this.#calls[at] = call
    if (!call.sender) return
    this.#bytes += call.sender.keptBytes
    if (this.#bytes > MAX_KEPT_BYTES) this.#relieve()
  }

  /** The calls, oldest first; none is kept afterwards. */
  take(): readonly IncomingCall[] {
    const calls = [...this.#calls.slice(this.#next), ...this.#calls.slice(0, this.#next)]
    this.#calls.length = 0
    this.#next = 0
    this.#bytes = 0
    return calls.filter((call) => call !== undefined)
  }

  /** Gives up the oldest streams: their last bytes cannot be sent again. */
  #relieve(): void {
    const { length } = this.#calls
    for (let step = 0; step < length && this.#bytes > MAX_KEPT_BYTES; step += 1) {
      const at = (this.#next + step) % length
      const sender = this.#calls[at]?.sender
      if (!sender) continue
      this.#bytes -= sender.keptBytes
      this.#calls[at] = undefined
    }
  }
}
