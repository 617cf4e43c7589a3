import { auditErrors } from './errors.ts'
import { type EncodedEntries, HASH_BYTES, SALT_BYTES, type StoredEntry } from './log-storage.ts'

/** From so many entries on, those of one change are packed: fewer are not worth it. */
export const MIN_PACKED = 32
/** Entries and bytes of one segment: little enough to be read for the sake of one entry. */
const MAX_SEGMENT_ENTRIES = 256
const MAX_SEGMENT_BYTES = 64 * 1024
/** An end is a big-endian u32. */
const END_BYTES = 4
const PREFIX_BYTES = 1

/** Consecutive entries in one row. Each is a leaf of its own: packing changes no hash. */
export interface Segment {
  /** Index of the first entry. */
  readonly first: number
  readonly count: number
  /** Leaf hashes, 32 bytes each. */
  readonly hashes: Uint8Array
  /** Where each leaf ends in `leaves`, u32 each. */
  readonly ends: Uint8Array
  /** 0x00 ‖ entry, one after the other. */
  readonly leaves: Uint8Array
  /** 16 bytes each, zeros where there is none or none any more. */
  readonly salts: Uint8Array | undefined
}

/**
 * Cuts the entries of one change into segments.
 *
 * @param entries - at least one
 * @param first - index of the first
 * @returns views, but for the ends
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
  { hashes, ends, leaves, salts }: EncodedEntries,
  { first, from, to }: { readonly first: number; readonly from: number; readonly to: number },
): Segment {
  const count = to - from
  const start = startOf(ends, from)
  const packedEnds = Buffer.allocUnsafe(count * END_BYTES)
  for (let offset = 0; offset < count; offset += 1) {
    packedEnds.writeUInt32BE((ends[from + offset] ?? 0) - start, offset * END_BYTES)
  }
  return {
    first: first + from,
    count,
    hashes: hashes.subarray(from * HASH_BYTES, to * HASH_BYTES),
    ends: packedEnds,
    leaves: leaves.subarray(start, ends[to - 1]),
    salts: salts?.subarray(from * SALT_BYTES, to * SALT_BYTES),
  }
}

/** Where a leaf begins: where the one before it ends. */
export function startOf(ends: Uint32Array, offset: number): number {
  return offset === 0 ? 0 : (ends[offset - 1] ?? 0)
}

/**
 * The entries of a segment from an index on. What a hostile file says of their lengths is not
 * believed: bytes that are not there make an entry that does not have its hash.
 *
 * @param segment - as it was read
 * @param from - index of the first entry wanted
 * @param into - gets the entries
 * @throws {@link KosError} KOS_AUDIT_ENTRY when it holds more than any segment can
 */
export function unpackSegment(segment: Segment, from: number, into: StoredEntry[]): void {
  const { first, count, hashes, ends, leaves } = segment
  if (count > MAX_SEGMENT_ENTRIES) throw auditErrors.error('KOS_AUDIT_ENTRY', { rule: 'segment' })
  const lengths = Buffer.from(ends.buffer, ends.byteOffset, ends.length)
  const endAt = (offset: number): number =>
    (offset + 1) * END_BYTES <= lengths.length ? lengths.readUInt32BE(offset * END_BYTES) : 0
  for (let offset = Math.max(0, from - first); offset < count; offset += 1) {
    const start = offset === 0 ? 0 : endAt(offset - 1)
    into.push({
      index: first + offset,
      leafHash: hashes.subarray(offset * HASH_BYTES, (offset + 1) * HASH_BYTES),
      entry: leaves.subarray(start + PREFIX_BYTES, endAt(offset)),
    })
  }
}

/** The salt of one entry of a segment; `undefined` when it has none, or none any more. */
export function saltOf({ first, salts }: Segment, index: number): Uint8Array | undefined {
  const salt = salts?.subarray((index - first) * SALT_BYTES, (index - first + 1) * SALT_BYTES)
  return salt?.some((byte) => byte !== 0) ? salt : undefined
}
