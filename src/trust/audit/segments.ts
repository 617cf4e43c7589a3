import { auditErrors } from './errors.ts'
import { type EncodedEntries, HASH_BYTES, SALT_BYTES, type StoredEntry } from './log-storage.ts'
import { entryOf, splitTexts, startOf } from './records.ts'

/** From so many entries on, those of one lot are packed: fewer are not worth it. */
export const MIN_PACKED = 32
/** Entries and bytes of one segment: little enough to be read for the sake of one entry. */
const MAX_SEGMENT_ENTRIES = 1024
const MAX_SEGMENT_BYTES = 64 * 1024
/** An end is a big-endian u32. */
const END_BYTES = 4
/** The first byte of `leaves` when shared texts stand before the records. No record begins with it. */
const HAS_TEXTS = 0xff
/** Bytes before the texts: the mark and their length, u16. */
const TEXTS_AT = 3

/** Consecutive entries in one row. Each is a leaf of its own: packing changes no hash. */
export interface Segment {
  /** Index of the first entry. */
  readonly first: number
  readonly count: number
  /** Leaf hashes, 32 bytes each. */
  readonly hashes: Uint8Array
  /** Where each record ends in `leaves`, u32 each. */
  readonly ends: Uint8Array
  /** The texts that records share, if any: 0xff ‖ their length ‖ texts; then the records. */
  readonly leaves: Uint8Array
  /** 16 bytes each, zeros where there is none or none any more. */
  readonly salts: Uint8Array | undefined
}

/**
 * Cuts the entries of one lot into segments.
 *
 * @param entries - at least one
 * @param first - index of the first
 * @returns views where they can be
 */
export function packSegments(entries: EncodedEntries, first: number): readonly Segment[] {
  const segments: Segment[] = []
  for (let from = 0; from < entries.count;) {
    const to = segmentEnd(entries, from)
    segments.push(segmentOf(entries, { first, from, to }))
    from = to
  }
  return segments
}

function segmentEnd({ count, ends }: EncodedEntries, from: number): number {
  const start = startOf(ends, from)
  const last = Math.min(count, from + MAX_SEGMENT_ENTRIES)
  let to = from + 1
  while (to < last && (ends[to] ?? 0) - start <= MAX_SEGMENT_BYTES) to += 1
  return to
}

function segmentOf(
  { hashes, ends, shared, records, salts }: EncodedEntries,
  { first, from, to }: { readonly first: number; readonly from: number; readonly to: number },
): Segment {
  const count = to - from
  const start = startOf(ends, from)
  const texts = textsBefore(shared)
  const packedEnds = Buffer.allocUnsafe(count * END_BYTES)
  for (let offset = 0; offset < count; offset += 1) {
    const end = (ends[from + offset] ?? 0) - start + texts.length
    packedEnds.writeUInt32BE(end, offset * END_BYTES)
  }
  const packed = records.subarray(start, ends[to - 1])
  return {
    first: first + from,
    count,
    hashes: hashes.subarray(from * HASH_BYTES, to * HASH_BYTES),
    ends: packedEnds,
    leaves: texts.length === 0 ? packed : Buffer.concat([texts, packed]),
    salts: salts?.subarray(from * SALT_BYTES, to * SALT_BYTES),
  }
}

/** What stands before the records. */
function textsBefore(shared: Uint8Array): Uint8Array {
  if (shared.length === 0) return shared
  const head = Buffer.from([HAS_TEXTS, 0, 0])
  head.writeUInt16BE(shared.length, 1)
  return Buffer.concat([head, shared])
}

/** The texts of a segment, and where its records begin. */
function textsOf(leaves: Uint8Array): {
  readonly texts: readonly Uint8Array[]
  readonly recordsAt: number
} {
  if (leaves[0] !== HAS_TEXTS) return { texts: [], recordsAt: 0 }
  const recordsAt = TEXTS_AT + (leaves[1] ?? 0) * 256 + (leaves[2] ?? 0)
  return { texts: splitTexts(leaves.subarray(TEXTS_AT, recordsAt)), recordsAt }
}

/**
 * The entries of a segment from an index on. What a hostile file says of their lengths is not
 * believed: bytes that are not there make an entry that does not have its hash.
 *
 * @param segment - as it was read
 * @param range - index of the first entry wanted, and how many of them
 * @returns the entries
 * @throws {@link KosError} KOS_AUDIT_ENTRY when it holds more than any segment can
 */
export function unpackSegment(
  segment: Segment,
  range: { readonly from: number; readonly limit: number },
): readonly StoredEntry[] {
  const { first, count, hashes, ends, leaves } = segment
  if (count > MAX_SEGMENT_ENTRIES) throw auditErrors.error('KOS_AUDIT_ENTRY', { rule: 'segment' })
  const { texts, recordsAt } = textsOf(leaves)
  const lengths = Buffer.from(ends.buffer, ends.byteOffset, ends.length)
  const endAt = (offset: number): number =>
    (offset + 1) * END_BYTES <= lengths.length ? lengths.readUInt32BE(offset * END_BYTES) : 0
  const entries: StoredEntry[] = []
  const begin = Math.max(0, range.from - first)
  const end = Math.min(count, begin + range.limit)
  for (let offset = begin; offset < end; offset += 1) {
    const start = offset === 0 ? recordsAt : endAt(offset - 1)
    entries.push({
      index: first + offset,
      leafHash: hashes.subarray(offset * HASH_BYTES, (offset + 1) * HASH_BYTES),
      entry: entryOf(leaves.subarray(start, endAt(offset)), texts),
    })
  }
  return entries
}

/** The salt of one entry of a segment; `undefined` when it has none, or none any more. */
export function saltOf({ first, salts }: Segment, index: number): Uint8Array | undefined {
  const salt = salts?.subarray((index - first) * SALT_BYTES, (index - first + 1) * SALT_BYTES)
  return salt?.some((byte) => byte !== 0) ? salt : undefined
}
