/**
 * How much DATA this end still takes, on one stream or on the connection.
 *
 * Credit goes back in halves of the window: few CREDIT frames, and the sender never has to stop when
 * the receiver keeps up.
 */
export class ReceiveWindow {
  readonly #sizeBytes: number
  #openBytes: number
  #consumedBytes = 0

  /**
   * @param sizeBytes - what was granted at the start
   * @param openBytes - how much of it is free, where a stream goes on
   */
  constructor(sizeBytes: number, openBytes: number = sizeBytes) {
    this.#sizeBytes = sizeBytes
    this.#openBytes = openBytes
  }

  /** Takes bytes that arrived; false when the peer had no credit for them. */
  take(bytes: number): boolean {
    if (bytes > this.#openBytes) return false
    this.#openBytes -= bytes
    return true
  }

  /**
   * Notes that bytes were handed over.
   *
   * @returns the credit to send now, 0 while it is too little
   */
  consume(bytes: number): number {
    this.#consumedBytes += bytes
    if (this.#consumedBytes * 2 < this.#sizeBytes) return 0
    const credit = this.#consumedBytes
    this.#consumedBytes = 0
    this.#openBytes += credit
    return credit
  }
}

/** How much DATA this end may still send, on one stream or on the connection. */
export class SendWindow {
  readonly #sizeBytes: number
  #openBytes: number

  /**
   * @param sizeBytes - what READY granted
   * @param openBytes - what may be sent before CREDIT: nothing on a stream that goes on
   */
  constructor(sizeBytes: number, openBytes: number = sizeBytes) {
    this.#sizeBytes = sizeBytes
    this.#openBytes = openBytes
  }

  /** Bytes that may be sent now. */
  get openBytes(): number {
    return this.#openBytes
  }

  /** Bytes for which credit is still to come. */
  get outstandingBytes(): number {
    return this.#sizeBytes - this.#openBytes
  }

  /** Uses credit; never more than `openBytes`. */
  use(bytes: number): void {
    this.#openBytes -= bytes
  }

  /** Adds credit; false when the window would exceed what was granted. */
  add(bytes: number): boolean {
    if (bytes === 0 || this.#openBytes + bytes > this.#sizeBytes) return false
    this.#openBytes += bytes
    return true
  }

  /** Whether a CREDIT of this size can only follow from much DATA, and so cannot be a flood. */
  isLarge(bytes: number): boolean {
    return bytes * 4 >= this.#sizeBytes
  }
}

/** A process-wide bound of buffered input, shared by all sessions. */
export interface ByteBudget {
  /** Reserves before anything is allocated; false when the budget is used up. */
  reserve(bytes: number): boolean
  release(bytes: number): void
  readonly usedBytes: number
}

/**
 * Makes the bound of all receive buffers of a process.
 *
 * @param maxBytes - hard limit in bytes; the protocol page says 256 MiB
 */
export function createByteBudget(maxBytes: number): ByteBudget {
  return new Budget(maxBytes)
}

class Budget implements ByteBudget {
  readonly #maxBytes: number
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  reserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false
    this.#usedBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#usedBytes = Math.max(0, this.#usedBytes - bytes)
  }
}

/** Collects an encoded value that arrives as DATA, within the limit of a value and the budget. */
export class ValueCollector {
  readonly #maxBytes: number
  readonly #budget: ByteBudget
  #parts: Uint8Array[] = []
  #bytes = 0

  constructor(maxBytes: number, budget: ByteBudget) {
    this.#maxBytes = maxBytes
    this.#budget = budget
  }

  /** Adds a copy of a piece; false when a limit is reached: then give up. */
  add(piece: Uint8Array): boolean {
    if (this.#bytes + piece.length > this.#maxBytes || !this.#budget.reserve(piece.length)) {
      return false
    }
    this.#parts.push(Uint8Array.from(piece))
    this.#bytes += piece.length
    return true
  }

  /** Everything collected; frees the budget. */
  take(): Uint8Array {
    const bytes = Buffer.concat(this.#parts)
    this.drop()
    return bytes
  }

  /** Forgets everything and frees the budget; harmless twice. */
  drop(): void {
    this.#budget.release(this.#bytes)
    this.#parts = []
    this.#bytes = 0
  }
}
