import { createHash, type Hash } from 'node:crypto'
import type { SendWindow } from './flow.ts'

interface Chunk {
  readonly bytes: Uint8Array
  readonly done: ((sent: boolean) => void) | undefined
}

/** Bytes that were sent, in case the connection is lost before they arrived. */
interface Kept {
  readonly at: number
  readonly bytes: Uint8Array
}

/**
 * What happens to bytes that were sent: `nothing` is kept when nobody can ask for them again, a `view`
 * of those that do not change, a `copy` of others.
 */
export type Keeping = 'nothing' | 'view' | 'copy'

/** DATA of one stream that waits for credit and for the connection. */
export class DataSender {
  /** Number of the stream; another one on another connection. */
  stream: number
  /** Flags of every frame. */
  readonly flags: number
  window: SendWindow
  /** When bytes were framed last, monotonic. */
  sentMs = 0
  readonly #hash: Hash = createHash('sha256')
  readonly #keeping: Keeping
  #chunks: Chunk[] = []
  #offset = 0
  #finish: ((digest: Uint8Array) => void) | undefined
  #digest: Uint8Array | undefined
  #kept: Kept[] = []
  /** Bytes that went into the digest. */
  #hashedBytes = 0
  /** Where the next frame begins: before `#hashedBytes` while lost bytes are sent again. */
  #at = 0

  constructor(
    place: { readonly stream: number; readonly flags: number },
    window: SendWindow,
    keeping: Keeping,
  ) {
    this.stream = place.stream
    this.flags = place.flags
    this.window = window
    this.#keeping = keeping
  }

  /** Whether everything was sent and the end was asked for. */
  get isComplete(): boolean {
    return this.#chunks.length === 0 && this.#finish !== undefined && this.#at === this.#hashedBytes
  }

  /** Bytes that wait to be sent. */
  get waitingBytes(): number {
    return this.#chunks.reduce((sum, { bytes }) => sum + bytes.length, -this.#offset)
  }

  /** Bytes that were sent and are kept. */
  get keptBytes(): number {
    return this.#kept.reduce((sum, { bytes }) => sum + bytes.length, 0)
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
    this.#offset = 0
    this.#finish = undefined
    this.#kept = []
    for (const chunk of chunks) chunk.done?.(false)
  }

  /** Runs what `end` asked for. */
  complete(): void {
    const finish = this.#finish
    this.#finish = undefined
    this.#digest ??= this.#hash.digest()
    finish?.(this.#digest)
  }

  /**
   * Goes on on another connection.
   *
   * @param stream - number there
   * @param window - opened by the CREDIT that the receiver sends
   * @param offset - bytes the receiver has
   * @returns false when bytes behind `offset` are gone, or were never sent
   */
  resume(stream: number, window: SendWindow, offset: number): boolean {
    const first = this.#kept[0]?.at ?? this.#hashedBytes
    if (offset < first || offset > this.#hashedBytes) return false
    this.stream = stream
    this.window = window
    this.#at = offset
    return true
  }

  /**
   * Copies the next bytes into a frame.
   *
   * @param target - where they go: its length is at most {@link DataSender.nextBytes}
   */
  read(target: Uint8Array): void {
    if (this.#at < this.#hashedBytes) this.#readAgain(target)
    else this.#readChunk(target)
    this.#forgetArrived()
  }

  /** Bytes that the next frame could carry, before credit: the rest of the first piece. */
  nextBytes(): number {
    if (this.#at < this.#hashedBytes) {
      const kept = this.#keptAt(this.#at)
      return kept ? kept.at + kept.bytes.length - this.#at : 0
    }
    const chunk = this.#chunks[0]
    return chunk ? chunk.bytes.length - this.#offset : 0
  }

  #readChunk(target: Uint8Array): void {
    const chunk = this.#chunks[0]
    if (!chunk) return
    const end = this.#offset + target.length
    const piece = chunk.bytes.subarray(this.#offset, end)
    target.set(piece)
    this.#hash.update(piece)
    if (this.#keeping !== 'nothing') {
      const bytes = this.#keeping === 'view' ? piece : Uint8Array.from(piece)
      this.#kept.push({ at: this.#at, bytes })
    }
    this.#at += target.length
    this.#hashedBytes = this.#at
    this.#offset = end
    if (end < chunk.bytes.length) return
    this.#offset = 0
    this.#chunks.shift()
    chunk.done?.(true)
  }

  #readAgain(target: Uint8Array): void {
    const kept = this.#keptAt(this.#at)
    if (!kept) return
    const from = this.#at - kept.at
    target.set(kept.bytes.subarray(from, from + target.length))
    this.#at += target.length
  }

  #keptAt(offset: number): Kept | undefined {
    return this.#kept.find(({ at, bytes }) => at <= offset && offset < at + bytes.length)
  }

  /** What the receiver gave credit for has arrived: at most a window of bytes is kept. */
  #forgetArrived(): void {
    const arrived = this.#at - this.window.outstandingBytes
    while (this.#kept[0] && this.#kept[0].at + this.#kept[0].bytes.length <= arrived) {
      this.#kept.shift()
    }
  }
}
