import type { DataSender } from './data-sender.ts'
import type { SendWindow } from './flow.ts'
import { FRAME, FrameWriter, HEADER_BYTES, writeU32 } from './frames.ts'
import type { SealWriter } from './seal.ts'
import type { TurnTime } from './turn.ts'

/** A batch under one SEAL grows no further than this, so the peer never has to keep much. */
const MAX_BATCH_BYTES = 64 * 1024
/** DATA framed for one write: enough to fill a socket, little enough to let calls through. */
const MAX_PUMP_BYTES = 256 * 1024
/** Stays empty: most sessions never send DATA. */
const NO_SENDERS: Set<DataSender> = new Set()

/** How an output behaves. */
export interface OutputOptions {
  /** Whether every frame gets a SEAL of its own. */
  readonly perMessage: boolean
  /** Longest DATA payload the peer takes. */
  readonly maxDataBytes: number
  readonly events: {
    /** Called once when something waits to be written, until it was taken. */
    onPending(): void
  }
}

/** Frames on their way out: joined per turn of the event loop, sealed, with DATA as credit allows. */
export class SessionOutput {
  /** What the peer takes of DATA on all streams. */
  readonly window: SendWindow
  readonly #writer = new FrameWriter()
  readonly #seal: SealWriter
  readonly #time: TurnTime
  readonly #options: OutputOptions
  #senders = NO_SENDERS
  #announced = false

  constructor(
    parts: { readonly seal: SealWriter; readonly time: TurnTime; readonly window: SendWindow },
    options: OutputOptions,
  ) {
    this.#seal = parts.seal
    this.#time = parts.time
    this.window = parts.window
    this.#options = options
  }

  /** Bytes framed and not taken yet. */
  get waitingBytes(): number {
    return this.#writer.length
  }

  /** SEALs written so far. */
  get seals(): number {
    return this.#seal.count
  }

  /** Epoch of the own MAC key. */
  get epoch(): number {
    return this.#seal.epoch
  }

  /** Adds a frame; its payload is copied. */
  frame(kind: number, stream: number, payload: Uint8Array): void {
    this.#writer.frame(kind, stream, payload)
    this.#framed()
  }

  /** Adds a CREDIT. */
  credit(stream: number, bytes: number): void {
    const at = this.#writer.begin(FRAME.CREDIT, stream, 4)
    writeU32(this.#writer.buffer, at, bytes)
    this.#framed()
  }

  /** Adds a RESET. */
  reset(stream: number, code: number): void {
    const at = this.#writer.begin(FRAME.RESET, stream, 2)
    this.#writer.buffer.writeUInt16BE(code, at)
    this.#framed()
  }

  /** Adds a GOAWAY. */
  goaway(lastStream: number, code: number, retryAfterMs: number): void {
    const at = this.#writer.begin(FRAME.GOAWAY, 0, 10)
    writeU32(this.#writer.buffer, at, lastStream)
    this.#writer.buffer.writeUInt16BE(code, at + 4)
    writeU32(this.#writer.buffer, at + 6, retryAfterMs)
    this.#framed()
  }

  /** Adds a BUSY. */
  busy(scope: number, retryAfterMs: number): void {
    const at = this.#writer.begin(FRAME.BUSY, 0, 5)
    this.#writer.buffer.writeUInt8(scope, at)
    writeU32(this.#writer.buffer, at + 1, retryAfterMs)
    this.#framed()
  }

  /** Adds a REKEY, seals it under the old key and moves to the next. */
  rekey(): void {
    const at = this.#writer.begin(FRAME.REKEY, 0, 4)
    writeU32(this.#writer.buffer, at, this.#seal.epoch + 1)
    this.#sealNow()
    this.#seal.rekey()
    this.#announce()
  }

  /** Starts to send DATA of a stream. */
  start(sender: DataSender): void {
    if (this.#senders === NO_SENDERS) this.#senders = new Set()
    this.#senders.add(sender)
    this.#announce()
  }

  /** Stops sending DATA of a stream and forgets what waits. */
  stop(sender: DataSender): void {
    this.#senders.delete(sender)
    sender.cancel()
  }

  /** No longer sends DATA of a stream, which may go on elsewhere. */
  detach(sender: DataSender): void {
    this.#senders.delete(sender)
  }

  /** Tells that credit or data arrived: DATA may flow on. */
  wake(): void {
    if (this.#senders.size > 0) this.#announce()
  }

  /**
   * Seals and takes everything that waits, after adding DATA as far as credit goes.
   *
   * @returns the bytes to write, or `undefined` when nothing waits
   */
  take(): Buffer | undefined {
    this.#announced = false
    if (this.#senders.size > 0) this.#pump()
    if (this.#seal.pending(this.#writer) > 0) this.#sealNow()
    this.#time.renew()
    return this.#writer.length > 0 ? this.#seal.take(this.#writer) : undefined
  }

  /** Gives back buffers while nothing waits; for idle connections. */
  trim(): void {
    this.#writer.trim()
    if (this.#senders.size === 0) this.#senders = NO_SENDERS
  }

  /** Erases the keys and forgets DATA. */
  close(): void {
    for (const sender of this.#senders) sender.cancel()
    this.#senders.clear()
    this.#seal[Symbol.dispose]()
  }

  #framed(): void {
    if (this.#options.perMessage || this.#seal.pending(this.#writer) >= MAX_BATCH_BYTES) {
      this.#sealNow()
    }
    if (!this.#announced) this.#announce()
  }

  #announce(): void {
    if (this.#announced) return
    this.#announced = true
    this.#options.events.onPending()
  }

  #sealNow(): void {
    this.#seal.seal(this.#writer, this.#time.wallMs)
  }

  /** One frame per stream and round, so that no stream starves another. */
  #pump(): void {
    let budget = MAX_PUMP_BYTES
    let moved = true
    while (moved && budget > 0) {
      moved = false
      for (const sender of this.#senders) {
        const bytes = this.#nextBytes(sender, budget)
        if (bytes > 0) {
          this.#data(sender, bytes)
          budget -= bytes
          moved = true
        }
        if (sender.isComplete) {
          this.#senders.delete(sender)
          sender.complete()
        }
      }
    }
    if (moved) this.#announce()
  }

  #nextBytes(sender: DataSender, budget: number): number {
    return Math.min(
      sender.nextBytes(),
      this.#options.maxDataBytes,
      sender.window.openBytes,
      this.window.openBytes,
      budget,
    )
  }

  #data(sender: DataSender, bytes: number): void {
    const pending = this.#seal.pending(this.#writer)
    if (pending > 0 && pending + HEADER_BYTES + bytes > MAX_BATCH_BYTES) this.#sealNow()
    const at = this.#writer.begin(FRAME.DATA | (sender.flags << 8), sender.stream, bytes)
    sender.window.use(bytes)
    this.window.use(bytes)
    sender.sentMs = this.#time.monotonicMs
    sender.read(this.#writer.buffer.subarray(at, at + bytes))
    this.#framed()
  }
}
