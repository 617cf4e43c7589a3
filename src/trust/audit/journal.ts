import { hash } from 'node:crypto'
import { equalBytes } from '../../foundation/base/index.ts'
import type { JournalFile } from '../../foundation/storage/index.ts'
import { auditErrors } from './errors.ts'
import { type EncodedBatch, HASH_BYTES, SALT_BYTES, type StoredEntry } from './log-storage.ts'
import { leafHash, sha256Into } from './merkle.ts'
import { entriesIn, unpackedBytes } from './records.ts'

/** Size of a journal file: two halves, of which one is written while the other is folded. */
export const JOURNAL_BYTES: number = 2 * 1024 * 1024
/** Bytes before the leaves of a frame. */
export const FRAME_HEAD_BYTES = 64
/** Where the check stands in the head of a frame. */
const CHECK_AT = FRAME_HEAD_BYTES - HASH_BYTES
const END_BYTES = 4
/** "kOSj" */
const MAGIC = 0x6b4f536a
const HAS_SALTS = 1
/** No change of the log has more entries: what a frame says of itself is not believed beyond that. */
const MAX_FRAME_ENTRIES = 65_536
/** Nor more bytes of entries: shared texts must not make a small file fill the memory. */
const MAX_UNPACKED_BYTES = 2 * 1024 * 1024

/** The path of the journal that belongs to a database file. */
export function journalPath(databasePath: string): string {
  return `${databasePath}.audit-journal`
}

/**
 * Makes a frame: head ‖ shared texts ‖ records ‖ ends ‖ salts, with its SHA-256 in the head.
 *
 * @param batch - what it holds
 * @returns the batch in the frame
 */
export function encodeFrame(batch: Omit<EncodedBatch, 'frame'>): EncodedBatch {
  const { first, count, shared, records, ends, salts } = batch
  const recordsAt = FRAME_HEAD_BYTES + shared.length
  const endsAt = recordsAt + records.length
  const saltsAt = endsAt + count * END_BYTES
  const frame = Buffer.allocUnsafeSlow(saltsAt + (salts?.length ?? 0))
  frame.fill(0, 0, FRAME_HEAD_BYTES)
  frame.writeUInt32BE(MAGIC, 0)
  frame.writeUInt32BE(count, 4)
  frame.writeBigUInt64BE(BigInt(first), 8)
  frame.writeUInt32BE(records.length, 16)
  frame.writeUInt32BE(salts ? HAS_SALTS : 0, 20)
  frame.writeUInt32BE(shared.length, 24)
  frame.set(shared, FRAME_HEAD_BYTES)
  frame.set(records, recordsAt)
  for (let offset = 0, at = endsAt; offset < count; offset += 1, at += END_BYTES) {
    frame.writeUInt32BE(ends[offset] ?? 0, at)
  }
  if (salts) frame.set(salts, saltsAt)
  sha256Into(frame, frame, CHECK_AT)
  return { ...batch, records: frame.subarray(recordsAt, endsAt), frame }
}

/** The frame at a position; `undefined` when there is none, or one that was not written to its end. */
function frameAt(bytes: Buffer, at: number): EncodedBatch | undefined {
  if (at + FRAME_HEAD_BYTES > bytes.length || bytes.readUInt32BE(at) !== MAGIC) return undefined
  const count = bytes.readUInt32BE(at + 4)
  const first = Number(bytes.readBigUInt64BE(at + 8))
  const recordsAt = at + FRAME_HEAD_BYTES + bytes.readUInt32BE(at + 24)
  const endsAt = recordsAt + bytes.readUInt32BE(at + 16)
  const saltsAt = endsAt + count * END_BYTES
  const hasSalts = bytes.readUInt32BE(at + 20) === HAS_SALTS
  const end = saltsAt + (hasSalts ? count * SALT_BYTES : 0)
  if (count > MAX_FRAME_ENTRIES || end > bytes.length || !Number.isSafeInteger(first)) {
    return undefined
  }
  const frame = Buffer.from(bytes.subarray(at, end))
  const check = Uint8Array.from(frame.subarray(CHECK_AT, FRAME_HEAD_BYTES))
  frame.fill(0, CHECK_AT, FRAME_HEAD_BYTES)
  if (!equalBytes(hash('sha256', frame, 'buffer'), check)) return undefined
  const batch: EncodedBatch = {
    first,
    count,
    shared: frame.subarray(FRAME_HEAD_BYTES, recordsAt - at),
    records: frame.subarray(recordsAt - at, endsAt - at),
    ends: Uint32Array.from({ length: count }, (_, offset) =>
      frame.readUInt32BE(endsAt - at + offset * END_BYTES),
    ),
    salts: hasSalts ? frame.subarray(saltsAt - at) : undefined,
    origins: new Map(),
    frame,
  }
  return unpackedBytes(batch) > MAX_UNPACKED_BYTES ? undefined : batch
}

/** The frames from the start of a half; those of an earlier use of it stand behind and end it. */
function framesOf(half: Buffer): EncodedBatch[] {
  const frames: EncodedBatch[] = []
  let at = 0
  let expected = 0
  for (;;) {
    const frame = frameAt(half, at)
    if (!frame || frame.first < expected) return frames
    frames.push(frame)
    expected = frame.first + frame.count
    at += frame.frame.length
  }
}

/**
 * What a journal holds that the tables do not: the frames that continue a log of this size.
 *
 * @param bytes - the file's contents; `undefined`: there is none
 * @param size - number of entries in the tables, read after the journal was
 * @returns the frames in order, and whether there are later ones behind a gap
 */
export function continuation(
  bytes: Uint8Array | undefined,
  size: number,
): { readonly frames: readonly EncodedBatch[]; readonly hasGap: boolean } {
  if (!bytes) return { frames: [], hasGap: false }
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const half = JOURNAL_BYTES / 2
  const all = [...framesOf(whole.subarray(0, half)), ...framesOf(whole.subarray(half))]
  const frames: EncodedBatch[] = []
  let next = size
  for (const frame of all.toSorted((a, b) => a.first - b.first)) {
    // What begins before is folded, or was refused and replaced by what stands in the tables.
    if (frame.first < next) continue
    if (frame.first > next) return { frames, hasGap: true }
    frames.push(frame)
    next += frame.count
  }
  return { frames, hasGap: false }
}

/** The entries of a frame one by one. */
export function* entriesOf(batch: EncodedBatch): Generator<StoredEntry> {
  let index = batch.first
  for (const entry of entriesIn(batch)) {
    yield { index, leafHash: leafHash(entry), entry }
    index += 1
  }
}

/** One half, and where the log ended with its last frame. */
interface Half {
  readonly start: number
  used: number
  end: number
}

/**
 * Places frames in a journal file. A half is written anew when everything in it stands durably in the
 * tables.
 */
export class Journal {
  readonly #file: JournalFile
  readonly #halfBytes: number
  #current: Half
  #other: Half
  /** Entries below it stand durably in the tables. */
  #settled: number

  constructor(file: JournalFile, settled: number) {
    this.#file = file
    this.#halfBytes = file.size / 2
    this.#current = { start: 0, used: 0, end: settled }
    this.#other = { start: this.#halfBytes, used: 0, end: settled }
    this.#settled = settled
  }

  /** Whether it is time to make what stands in it durable in the tables. */
  get isPressed(): boolean {
    return this.#other.end > this.#settled && this.#current.used > this.#halfBytes / 4
  }

  /** Whether a frame finds room now. */
  hasRoom(bytes: number): boolean {
    return this.#fits(bytes) || this.#other.end <= this.#settled
  }

  /**
   * Writes a frame; durable when the promise resolves. One at a time.
   *
   * @throws {@link KosError} KOS_STORAGE_FULL; the next frame takes its place then
   */
  async write({ first, count, frame }: EncodedBatch): Promise<void> {
    if (!this.#fits(frame.length)) {
      if (!this.hasRoom(frame.length)) throw auditErrors.error('KOS_AUDIT_UNAVAILABLE')
      const free = this.#other
      this.#other = this.#current
      this.#current = free
      free.used = 0
    }
    const half = this.#current
    await this.#file.write(frame, half.start + half.used)
    half.used += frame.length
    half.end = first + count
  }

  /** Says that the entries below an index stand durably in the tables. */
  settle(index: number): void {
    this.#settled = Math.max(this.#settled, index)
  }

  /** Ends it; the file goes when nothing in it is needed any more. */
  close(): void {
    const end = Math.max(this.#current.end, this.#other.end)
    if (end <= this.#settled) this.#file.remove()
    else this.#file.close()
  }

  #fits(bytes: number): boolean {
    return this.#current.used + bytes <= this.#halfBytes
  }
}
