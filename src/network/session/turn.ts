import type { Clock, Random } from '../../foundation/base/index.ts'

/** One reading of both clocks for everything that is decided within one turn of the event loop. */
export class TurnTime {
  readonly #clock: Clock
  #fresh = false
  #monotonicMs = 0
  #wallMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Monotonic milliseconds: time-outs, rates. */
  get monotonicMs(): number {
    if (!this.#fresh) this.#read()
    return this.#monotonicMs
  }

  /** Wall-clock milliseconds: times in messages. */
  get wallMs(): number {
    if (!this.#fresh) this.#read()
    return this.#wallMs
  }

  /** Starts a new turn. */
  renew(): void {
    this.#fresh = false
  }

  #read(): void {
    this.#monotonicMs = this.#clock.monotonicMs()
    this.#wallMs = this.#clock.wallMs()
    this.#fresh = true
  }
}

const POOL_BYTES = 4096
const EMPTY = new Uint8Array(0)

/** Random ids in small pieces: one request to the generator serves many calls. */
export class IdPool {
  readonly #random: Random
  #pool: Uint8Array = EMPTY
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Gives back what is left, for idle sessions. */
  trim(): void {
    this.#pool = EMPTY
    this.#at = 0
  }

  /** Fresh random bytes as a view; handed out once. */
  take(bytes: number): Uint8Array {
    if (this.#at + bytes > this.#pool.length) {
      this.#pool = this.#random.bytes(POOL_BYTES)
      this.#at = 0
    }
    const start = this.#at
    this.#at = start + bytes
    return this.#pool.subarray(start, this.#at)
  }
}
