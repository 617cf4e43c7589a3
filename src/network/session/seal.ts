import { createHmac, timingSafeEqual } from 'node:crypto'
import type { DirectionKeys, Role } from './key-schedule.ts'
import { FRAME, type FrameWriter, readU64, SEAL_BYTES, writeU32, writeU64 } from './frames.ts'

const KEY_ID_BYTES = 32
const MAC_BYTES = 32
const TIME_BYTES = 8
/** Key id 32, direction 1, epoch 4, time 8, number 8. */
const CONTEXT_BYTES = 53
const [EPOCH_AT, TIME_AT, NUMBER_AT] = [33, 37, 45]

/** For one MAC at a time: buffers of their own would be a good part of what an idle session takes. */
const CONTEXT: Buffer = Buffer.alloc(CONTEXT_BYTES)
const EXPECTED: Buffer = Buffer.alloc(MAC_BYTES)

/**
 * What both ends of a direction know of it: whose key id, which way, how many SEALs. It is
 * prepended to the frames under the MAC, so that a SEAL fits one place of one session only.
 */
class SealContext {
  readonly keys: DirectionKeys
  readonly #keyId: Uint8Array
  readonly #role: 1 | 2
  number = 0

  constructor(keys: DirectionKeys, { role, keyId }: SealSender) {
    this.keys = keys
    this.#keyId = keyId.length === KEY_ID_BYTES ? keyId : keyId.subarray(0, KEY_ID_BYTES)
    this.#role = role === 'dialler' ? 1 : 2
  }

  /** HMAC-SHA256 over context and frames, as latin1: a string is cheaper than a new buffer. */
  mac(frames: Uint8Array, timeMs: number): string {
    const { keys } = this
    CONTEXT.set(this.#keyId, 0)
    CONTEXT[KEY_ID_BYTES] = this.#role
    writeU32(CONTEXT, EPOCH_AT, keys.epoch)
    writeU64(CONTEXT, TIME_AT, timeMs)
    writeU64(CONTEXT, NUMBER_AT, this.number)
    return createHmac('sha256', keys.key).update(CONTEXT).update(frames).digest('latin1')
  }
}

/**
 * Who sends in a direction: role and key id (SHA-256 of the identity key's SPKI), which must not
 * change afterwards.
 */
export interface SealSender {
  readonly role: Role
  readonly keyId: Uint8Array
}

/** Seals what one end sends. */
export class SealWriter {
  readonly #context: SealContext
  #sealed = 0

  constructor(keys: DirectionKeys, sender: SealSender) {
    this.#context = new SealContext(keys, sender)
  }

  /** Number of SEALs written. */
  get count(): number {
    return this.#context.number
  }

  /** Epoch of the current key. */
  get epoch(): number {
    return this.#context.keys.epoch
  }

  /** Whether the writer holds frames that no SEAL covers. */
  pending(writer: FrameWriter): number {
    return writer.length - this.#sealed
  }

  /**
   * Appends a SEAL over every frame since the last one.
   *
   * @param writer - holds the frames
   * @param timeMs - own wall clock
   */
  seal(writer: FrameWriter, timeMs: number): void {
    const end = writer.length
    const mac = this.#context.mac(writer.buffer.subarray(this.#sealed, end), timeMs)
    const at = writer.begin(FRAME.SEAL, 0, SEAL_BYTES)
    writeU64(writer.buffer, at, timeMs)
    writer.buffer.write(mac, at + TIME_BYTES, MAC_BYTES, 'latin1')
    this.#context.number += 1
    this.#sealed = writer.length
  }

  /** Takes all sealed frames out of the writer. */
  take(writer: FrameWriter): Buffer {
    this.#sealed = 0
    return writer.take()
  }

  /** Moves to the next key; the REKEY frame was sealed before, under the old one. */
  rekey(): void {
    this.#context.keys.advance()
  }

  /** Erases the secret. */
  [Symbol.dispose](): void {
    this.#context.keys[Symbol.dispose]()
  }
}

/** Verifies the SEALs of the other end. */
export class SealReader {
  readonly #context: SealContext

  constructor(keys: DirectionKeys, sender: SealSender) {
    this.#context = new SealContext(keys, sender)
  }

  /** Number of SEALs verified. */
  get count(): number {
    return this.#context.number
  }

  /** Epoch of the current key. */
  get epoch(): number {
    return this.#context.keys.epoch
  }

  /**
   * Verifies one SEAL. The running number is not on the wire: a replayed, dropped or moved SEAL is
   * wrong by its number.
   *
   * @param frames - every frame since the last SEAL, header and payload
   * @param payload - of the SEAL
   * @returns the sender's time when the MAC is right, else `undefined`
   */
  verify(frames: Uint8Array, payload: Uint8Array): number | undefined {
    const timeMs = readU64(payload, 0)
    if (timeMs === Number.POSITIVE_INFINITY) return undefined
    EXPECTED.write(this.#context.mac(frames, timeMs), 0, MAC_BYTES, 'latin1')
    if (!timingSafeEqual(EXPECTED, payload.subarray(TIME_BYTES, SEAL_BYTES))) return undefined
    this.#context.number += 1
    return timeMs
  }

  /** Moves to the next key, after a verified REKEY. */
  rekey(): void {
    this.#context.keys.advance()
  }

  /** Erases the secret. */
  [Symbol.dispose](): void {
    this.#context.keys[Symbol.dispose]()
  }
}
