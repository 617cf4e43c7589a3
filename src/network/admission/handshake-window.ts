const GROW = 1.02
const SHRINK = 0.9
const WANTED_SUCCESS = 0.9
/** Weight of the newest outcome in the running share of successes. */
const NEWEST = 0.05

/**
 * How many handshakes may run at once: grows with every success, shrinks while too many fail, so that
 * an overloaded machine sheds connections before it spends cryptography on them.
 */
export class HandshakeWindow {
  readonly #min: number
  readonly #max: number
  #size: number
  #successShare = 1

  constructor(min: number, max: number) {
    this.#min = min
    this.#max = max
    this.#size = max
  }

  /** The whole number of handshakes that fit. */
  get size(): number {
    return Math.floor(this.#size)
  }

  succeeded(): void {
    this.#successShare += (1 - this.#successShare) * NEWEST
    this.#size = Math.min(this.#max, this.#size * GROW)
  }

  failed(): void {
    this.#successShare -= this.#successShare * NEWEST
    if (this.#successShare < WANTED_SUCCESS) this.#size = Math.max(this.#min, this.#size * SHRINK)
  }
}
