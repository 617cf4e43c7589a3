import { createHash, type Hash } from 'node:crypto'

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

  /** @param sizeBytes - what was granted at the start */
  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
    this.#openBytes = sizeBytes
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

  /** @param sizeBytes - what READY granted */
  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
    this.#openBytes = sizeBytes
  }

  /** Bytes that may be sent now. */
  get openBytes(): number {
    return this.#openBytes
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

interface Chunk {
  readonly bytes: Uint8Array
  readonly done: ((sent: boolean) => void) | undefined
}

/** DATA of one stream that waits for credit and for the connection. */
export class DataSender {
  readonly stream: number
  /** Flags of every frame. */
  readonly flags: number
  readonly window: SendWindow
  readonly #hash: Hash = createHash('sha256')
  #chunks: Chunk[] = []
  #offset = 0
  #finish: ((digest: Uint8Array) => void) | undefined

  constructor(stream: number, flags: number, window: SendWindow) {
    this.stream = stream
    this.flags = flags
    this.window = window
  }

  /** Whether a byte waits. */
  get hasData(): boolean {
    return this.#chunks.length > 0
  }

  /** Whether everything was sent and the end was asked for. */
  get isComplete(): boolean {
    return this.#chunks.length === 0 && this.#finish !== undefined
  }

  /**
   * Queues bytes.
   *
   * @param bytes - must not change until `done`
   * @param done - told true once all of them are framed, false when the stream ended before
   */
  write(bytes: Uint8Array, done?: (sent: boolean) => void): void {
    if (bytes.length === 0) done?.(true)
    else this.#chunks.push({ bytes, done })
  }

  /** Asks for the end: `finish` gets the SHA-256 of all DATA once the last byte was framed. */
  end(finish: (digest: Uint8Array) => void): void {
    this.#finish = finish
  }

  /** Ends it without sending the rest. */
  cancel(): void {
    const chunks = this.#chunks
    this.#chunks = []
    this.#finish = undefined
    for (const chunk of chunks) chunk.done?.(false)
  }

  /** Runs what `end` asked for. */
  complete(): void {
    const finish = this.#finish
    this.#finish = undefined
    finish?.(this.#hash.digest())
  }

  /**
   * Copies the next bytes into a frame.
   *
   * @param target - where they go: its length is at most {@link DataSender.nextBytes}
   */
  read(target: Uint8Array): void {
    const chunk = this.#chunks[0]
    if (!chunk) return
    const end = this.#offset + target.length
    const piece = chunk.bytes.subarray(this.#offset, end)
    target.set(piece)
    this.#hash.update(piece)
    this.#offset = end
    if (end < chunk.bytes.length) return
    this.#offset = 0
    this.#chunks.shift()
    chunk.done?.(true)
  }

  /** Bytes that the next frame could carry, before credit: the rest of the first chunk. */
  nextBytes(): number {
    const chunk = this.#chunks[0]
    return chunk ? chunk.bytes.length - this.#offset : 0
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
  let used = 0
  return Object.freeze({
    reserve(bytes: number): boolean {
      if (used + bytes > maxBytes) return false
      used += bytes
      return true
    },
    release(bytes: number): void {
      used = Math.max(0, used - bytes)
    },
    get usedBytes(): number {
      return used
    },
  })
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
