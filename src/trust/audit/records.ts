import { MAX_WRAPPED_BYTES } from './entry.ts'
import { LEAF_PREFIX, type Leaves } from './merkle.ts'

/**
 * Entries one after the other, each as a record. Most entries of a log repeat the names of others, so
 * records refer to texts that are kept once:
 *
 * - `0x00 ‖ entry`, which is the leaf as it is hashed, or
 * - `reference ‖ length of the head ‖ head ‖ tail` of an entry that is head ‖ text ‖ tail, where a
 *   reference is the number of a text, from 1 on.
 */
export interface Records {
  readonly count: number
  /** The texts, each behind its length as a big-endian u16; empty when no record refers to one. */
  readonly shared: Uint8Array
  readonly records: Uint8Array
  /** Where each record ends in `records`. */
  readonly ends: Uint32Array
}

/** The first byte of a record that is a whole leaf. */
export const WHOLE: number = LEAF_PREFIX
/** Texts that the records of one change can refer to; what exceeds a limit stands in its record. */
export const MAX_TEXTS = 254
/** Bytes of them, with their lengths. */
export const MAX_SHARED_BYTES: number = 16 * 1024
/** Bytes of the length before a text. */
export const TEXT_HEAD_BYTES = 2
/** Bytes before the head of a record that refers to a text. */
export const RECORD_HEAD_BYTES = 2

const NOTHING = new Uint8Array(0)

/** Texts behind their lengths, as `shared` holds them. */
export function joinTexts(texts: readonly Uint8Array[]): Uint8Array {
  const length = texts.reduce((sum, text) => sum + TEXT_HEAD_BYTES + text.length, 0)
  const shared = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const text of texts) {
    shared.writeUInt16BE(text.length, at)
    shared.set(text, at + TEXT_HEAD_BYTES)
    at += TEXT_HEAD_BYTES + text.length
  }
  return shared
}

/** The texts of `shared`; views. Of what no log holds, none. */
export function splitTexts(shared: Uint8Array): readonly Uint8Array[] {
  const texts: Uint8Array[] = []
  if (shared.length > MAX_SHARED_BYTES) return texts
  for (let at = 0; at + TEXT_HEAD_BYTES <= shared.length;) {
    const start = at + TEXT_HEAD_BYTES
    const end = start + (shared[at] ?? 0) * 256 + (shared[at + 1] ?? 0)
    texts.push(shared.subarray(start, end))
    at = end
  }
  return texts
}

/**
 * The entry of a record. What a hostile file says of lengths is not believed: bytes that are not
 * there, or are too many, make an entry that does not have its hash.
 *
 * @param record - as it was read
 * @param texts - that it may refer to
 */
export function entryOf(record: Uint8Array, texts: readonly Uint8Array[]): Uint8Array {
  const [reference = WHOLE, headLength = 0] = [record[0], record[1]]
  if (reference === WHOLE) return record.subarray(1)
  const text = texts[reference - 1]
  const headEnd = RECORD_HEAD_BYTES + headLength
  if (!text || record.length < headEnd) return NOTHING
  const length = record.length - RECORD_HEAD_BYTES + text.length
  if (length > MAX_WRAPPED_BYTES) return NOTHING
  const entry = new Uint8Array(length)
  entry.set(record.subarray(RECORD_HEAD_BYTES, headEnd))
  entry.set(text, headLength)
  entry.set(record.subarray(headEnd), headLength + text.length)
  return entry
}

/** Where a record begins: where the one before it ends. */
export function startOf(ends: Uint32Array, offset: number): number {
  return offset === 0 ? 0 : (ends[offset - 1] ?? 0)
}

/** Bytes of all entries together, as far as texts that are referred to make them more. */
export function unpackedBytes({ count, shared, records, ends }: Records): number {
  const lengths = splitTexts(shared).map((text) => text.length)
  let bytes = records.length
  for (let offset = 0; offset < count; offset += 1) {
    bytes += lengths[(records[startOf(ends, offset)] ?? WHOLE) - 1] ?? 0
  }
  return bytes
}

/** All entries, one by one. */
export function* entriesIn({ count, shared, records, ends }: Records): Generator<Uint8Array> {
  const texts = splitTexts(shared)
  for (let offset = 0; offset < count; offset += 1) {
    yield entryOf(records.subarray(startOf(ends, offset), ends[offset]), texts)
  }
}

/** All entries as they are hashed. */
export function leavesOf(records: Records): Leaves {
  const prefix = Uint8Array.of(LEAF_PREFIX)
  const parts: Uint8Array[] = []
  const ends = new Uint32Array(records.count)
  let [count, at] = [0, 0]
  for (const entry of entriesIn(records)) {
    parts.push(prefix, entry)
    at += prefix.length + entry.length
    ends[count] = at
    count += 1
  }
  return { count, leaves: Buffer.concat(parts), ends }
}
