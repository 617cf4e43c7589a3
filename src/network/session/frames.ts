/** Length of every frame header: length u24, type u8, flags u8, stream u32, big-endian. */
export const HEADER_BYTES: number = 9

/** Longest payload of any frame but DATA, in bytes. */
export const MAX_CONTROL_BYTES: number = 16 * 1024

/** Longest payload of a DATA frame, in bytes. */
export const MAX_DATA_BYTES: number = 64 * 1024

/** The number of each frame type on the wire. @see docs/protocol.md, Frames */
export const FRAME = {
  HELLO: 0x01,
  AUTH: 0x02,
  READY: 0x03,
  OPEN: 0x10,
  RESULT: 0x11,
  DATA: 0x12,
  CREDIT: 0x13,
  RESET: 0x14,
  SEAL: 0x15,
  RESUME: 0x16,
  PING: 0x20,
  PONG: 0x21,
  GOAWAY: 0x22,
  BUSY: 0x23,
  REKEY: 0x24,
} as const

/** The number of a frame type. */
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

/** OPEN: no DATA follows from the opener. DATA: the last one of the opener. */
export const FLAG_END = 0x01
/** DATA: a piece of an encoded value (arguments or result), not of a byte stream. */
export const FLAG_VALUE = 0x02
/** OPEN: the caller takes a byte stream before the RESULT. */
export const FLAG_STREAM = 0x04

/** Bytes of a SEAL payload: time u64 and HMAC-SHA256. */
export const SEAL_BYTES = 40

/** Bytes of a RESUME payload: session id, stream u32, offset u64. */
export const RESUME_BYTES = 28

/** Where a frame may stand: on stream 0, on a real stream, or on both. */
type Scope = 'connection' | 'stream' | 'any'

interface FrameRule {
  readonly minBytes: number
  readonly maxBytes: number
  readonly flags: number
  readonly scope: Scope
}

const rule = (bytes: readonly [number, number], flags: number, scope: Scope): FrameRule =>
  Object.freeze({ minBytes: bytes[0], maxBytes: bytes[1], flags, scope })

/** What the header of each type may say; a hole is an unknown type. */
const RULES: readonly (FrameRule | undefined)[] = (() => {
  const rules: (FrameRule | undefined)[] = Array.from({ length: 256 }, () => undefined)
  rules[FRAME.HELLO] = rule([1, 4 * 1024], 0, 'connection')
  rules[FRAME.AUTH] = rule([1, MAX_CONTROL_BYTES], 0, 'connection')
  rules[FRAME.READY] = rule([1, 4 * 1024], 0, 'connection')
  rules[FRAME.OPEN] = rule([1, MAX_CONTROL_BYTES], FLAG_END | FLAG_STREAM, 'stream')
  rules[FRAME.RESULT] = rule([1, MAX_CONTROL_BYTES], 0, 'stream')
  rules[FRAME.DATA] = rule([0, MAX_DATA_BYTES], FLAG_END | FLAG_VALUE, 'stream')
  rules[FRAME.CREDIT] = rule([4, 4], 0, 'any')
  rules[FRAME.RESET] = rule([2, 2], 0, 'stream')
  rules[FRAME.SEAL] = rule([SEAL_BYTES, SEAL_BYTES], 0, 'connection')
  rules[FRAME.RESUME] = rule([RESUME_BYTES, RESUME_BYTES], 0, 'any')
  rules[FRAME.PING] = rule([8, 8], 0, 'connection')
  rules[FRAME.PONG] = rule([8, 8], 0, 'connection')
  rules[FRAME.GOAWAY] = rule([10, 10], 0, 'connection')
  rules[FRAME.BUSY] = rule([5, 5], 0, 'connection')
  rules[FRAME.REKEY] = rule([4, 4], 0, 'connection')
  return Object.freeze(rules)
})()

/** What is wrong with a header; each closes the connection. */
export type FrameFault = 'frame: type' | 'frame: flags' | 'frame: length' | 'frame: stream'

/** What {@link FrameParser.next} found. */
export type FrameStatus = 'frame' | 'more' | FrameFault

const EMPTY: Buffer = Buffer.alloc(0)
/** Takes a heartbeat with its SEAL. */
const SMALL_BYTES = 128
/** First size of a buffer that is kept. */
const GROWN_BYTES = 1024
/** An own buffer above this size is given back as soon as it is empty. */
const KEPT_BYTES = 256 * 1024

/**
 * Cuts a byte stream into frames over any chunk boundaries. Frames that lie within one chunk are
 * never copied; what is left of a chunk is copied once, by {@link FrameParser.settle}.
 *
 * Bytes stay readable from {@link FrameParser.keptStart} on until {@link FrameParser.release}: a
 * session keeps all frames since the last SEAL, so that one MAC covers one contiguous range.
 *
 * **Security:** looks at headers only. Oversize is found from the header, before anything of the
 * payload is kept; the caller bounds how much it keeps before a release.
 */
export class FrameParser {
  /** The bytes that all offsets below point into; changes at `push` and `settle`. */
  buffer: Buffer = EMPTY
  /** The frame that `next` found. */
  type = 0
  flags = 0
  stream = 0
  frameStart = 0
  payloadStart = 0
  payloadEnd = 0
  #own: Buffer = EMPTY
  #kept = 0
  #at = 0
  #end = 0

  /** Offset of the first byte that was not released. */
  get keptStart(): number {
    return this.#kept
  }

  /** Bytes that wait: not released, whole frames and the piece of one. */
  get waitingBytes(): number {
    return this.#end - this.#kept
  }

  /**
   * Adds a chunk. It is not copied when nothing waits.
   *
   * @param chunk - lent until {@link FrameParser.settle}
   */
  push(chunk: Uint8Array): void {
    if (this.#end === this.#kept) {
      this.buffer = Buffer.isBuffer(chunk)
        ? chunk
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      this.#kept = 0
      this.#at = 0
      this.#end = chunk.length
      return
    }
    this.#makeRoom(chunk.length)
    this.#own.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Finds the next frame; its header is checked even when the payload is not there yet. */
  next(): FrameStatus {
    const at = this.#at
    const buffer = this.buffer
    if (this.#end - at < HEADER_BYTES) return 'more'
    const length = ((buffer[at] ?? 0) << 16) | ((buffer[at + 1] ?? 0) << 8) | (buffer[at + 2] ?? 0)
    const type = buffer[at + 3] ?? 0
    const flags = buffer[at + 4] ?? 0
    const stream = readU32(buffer, at + 5)
    const expected = RULES[type]
    if (expected === undefined) return 'frame: type'
    if ((flags & ~expected.flags) !== 0) return 'frame: flags'
    if (length > expected.maxBytes || length < expected.minBytes) return 'frame: length'
    if (expected.scope !== 'any' && (expected.scope === 'stream') !== (stream !== 0)) {
      return 'frame: stream'
    }
    const payloadEnd = at + HEADER_BYTES + length
    if (payloadEnd > this.#end) return 'more'
    this.type = type
    this.flags = flags
    this.stream = stream
    this.frameStart = at
    this.payloadStart = at + HEADER_BYTES
    this.payloadEnd = payloadEnd
    this.#at = payloadEnd
    return 'frame'
  }

  /** Gives up every byte before the next frame. */
  release(): void {
    this.#kept = this.#at
  }

  /** Ends the loan of the chunk: copies what waits, or forgets the chunk when nothing does. */
  settle(): void {
    if (this.#end === this.#kept) {
      this.buffer = EMPTY
      this.#kept = 0
      this.#at = 0
      this.#end = 0
      if (this.#own.length > KEPT_BYTES) this.#own = EMPTY
      return
    }
    if (this.buffer !== this.#own) this.#makeRoom(0)
  }

  /** Gives back buffers while nothing waits; for idle connections. */
  trim(): void {
    if (this.#end === this.#kept) this.#own = EMPTY
  }

  /** What was not consumed, as a copy; the parser is empty afterwards. */
  takeRest(): Uint8Array {
    const rest = new Uint8Array(this.buffer.subarray(this.#kept, this.#end))
    this.#kept = this.#end
    this.#at = this.#end
    this.settle()
    return rest
  }

  /** Moves what waits to the front of the own buffer, with room for so many bytes more. */
  #makeRoom(bytes: number): void {
    const inOwn = this.buffer === this.#own
    if (inOwn && this.#end + bytes <= this.#own.length) return
    const waiting = this.#end - this.#kept
    const needed = waiting + bytes
    const target =
      this.#own.length >= needed
        ? this.#own
        : Buffer.allocUnsafeSlow(Math.max(GROWN_BYTES, needed * 2))
    this.buffer.copy(target, 0, this.#kept, this.#end)
    this.#own = target
    this.buffer = target
    this.#at -= this.#kept
    this.#end = waiting
    this.#kept = 0
  }
}

/**
 * Collects outgoing frames in one reused buffer; headers and fixed payloads are written byte by
 * byte, without an allocation per frame. Who only sends heartbeats keeps no buffer at all.
 */
export class FrameWriter {
  /** Where payloads are written; changes when it grows, so read it after `begin`. */
  buffer: Buffer = EMPTY
  #at = 0

  /** Bytes collected so far. */
  get length(): number {
    return this.#at
  }

  /**
   * Writes a header and reserves the payload.
   *
   * @param kind - frame type, plus flags × 256
   * @param stream - stream number, 0 for the connection
   * @param length - payload length in bytes
   * @returns the offset of the payload in `buffer`, to be filled by the caller
   */
  begin(kind: number, stream: number, length: number): number {
    const at = this.#at
    const payload = at + HEADER_BYTES
    if (payload + length > this.buffer.length) this.#grow(payload + length)
    const buffer = this.buffer
    buffer[at] = length >>> 16
    buffer[at + 1] = length >>> 8
    buffer[at + 2] = length
    buffer[at + 3] = kind
    buffer[at + 4] = kind >>> 8
    writeU32(buffer, at + 5, stream)
    this.#at = payload + length
    return payload
  }

  /**
   * Writes a whole frame.
   *
   * @param kind - frame type, plus flags × 256
   * @param stream - stream number, 0 for the connection
   * @param payload - copied
   */
  frame(kind: number, stream: number, payload: Uint8Array): void {
    const at = this.begin(kind, stream, payload.length)
    this.buffer.set(payload, at)
  }

  /** Everything collected; then starts anew. */
  take(): Buffer {
    const length = this.#at
    this.#at = 0
    if (this.buffer.length <= SMALL_BYTES) {
      const small = this.buffer.subarray(0, length)
      this.buffer = EMPTY
      return small
    }
    const bytes = Buffer.allocUnsafe(length)
    this.buffer.copy(bytes, 0, 0, length)
    if (this.buffer.length > KEPT_BYTES) this.buffer = EMPTY
    return bytes
  }

  /** Gives back the buffer while it is empty; for idle connections. */
  trim(): void {
    if (this.#at === 0) this.buffer = EMPTY
  }

  #grow(needed: number): void {
    const grown =
      needed <= SMALL_BYTES
        ? Buffer.allocUnsafe(SMALL_BYTES)
        : Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2, GROWN_BYTES))
    this.buffer.copy(grown, 0, 0, this.#at)
    this.buffer = grown
  }
}

/** Reads a big-endian u32. */
export function readU32(buffer: Uint8Array, at: number): number {
  const high = ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0)
  return high * 0x1_00_00 + (((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0))
}

/** Writes a big-endian u32. */
export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

/** Reads a big-endian u64 up to 2^53 − 1; a greater one becomes infinity. */
export function readU64(buffer: Uint8Array, at: number): number {
  const value = readU32(buffer, at) * 0x1_00_00_00_00 + readU32(buffer, at + 4)
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY
}

/** Writes a big-endian u64 of a safe integer. */
export function writeU64(buffer: Uint8Array, at: number, value: number): void {
  writeU32(buffer, at, Math.floor(value / 0x1_00_00_00_00))
  writeU32(buffer, at + 4, value >>> 0)
}
