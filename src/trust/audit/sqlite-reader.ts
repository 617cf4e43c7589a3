import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { asStorageError } from '../../foundation/storage/index.ts'
import { auditErrors } from './errors.ts'
import type { LogReader, StoredCheckpoint, StoredEntry } from './log-storage.ts'
import { type Segment, unpackSegment } from './segments.ts'

/** A row of a result. */
export type Row = Record<string, SQLOutputValue>

const LAST_SEGMENT = 'SELECT first + count FROM audit_segments ORDER BY first DESC LIMIT 1'

/** Reads a log from SQLite, by statements prepared once. */
export class SqliteLogReader implements LogReader {
  readonly #entries: StatementSync
  readonly #segments: StatementSync | undefined
  readonly #end: StatementSync
  readonly #subtrees: StatementSync
  readonly #checkpointFrom: StatementSync
  readonly #newestCheckpoint: StatementSync

  constructor(raw: DatabaseSync) {
    this.#entries = raw.prepare(
      'SELECT idx, leaf_hash, entry FROM audit_entries WHERE idx >= ? ORDER BY idx LIMIT ?',
    )
    // A file of the first release has no segments.
    const tables = "SELECT name FROM sqlite_schema WHERE name = 'audit_segments'"
    const hasSegments = raw.prepare(tables).get() !== undefined
    this.#end = raw.prepare(
      `SELECT MAX(
         COALESCE((SELECT MAX(idx) + 1 FROM audit_entries), 0),
         COALESCE((${hasSegments ? LAST_SEGMENT : 'NULL'}), 0)
       ) AS size`,
    )
    this.#segments =
      (hasSegments || undefined) &&
      raw.prepare(
        `SELECT first, count, leaf_hashes, ends, leaves, salts FROM audit_segments
         WHERE first >= COALESCE((SELECT MAX(first) FROM audit_segments WHERE first <= ?), 0)
         ORDER BY first`,
      )
    this.#subtrees = raw.prepare(
      'SELECT hash FROM audit_subtrees WHERE idx >= ? AND idx < ? AND level = ? ORDER BY idx',
    )
    const columns = 'SELECT size, note, frontier, signed_at_ms FROM audit_checkpoints'
    this.#checkpointFrom = raw.prepare(`${columns} WHERE size >= ? ORDER BY size LIMIT 1`)
    this.#newestCheckpoint = raw.prepare(`${columns} ORDER BY size DESC LIMIT 1`)
  }

  entries(first: number, limit: number): Promise<readonly StoredEntry[]> {
    return attempt(() => this.entriesNow(first, limit))
  }

  /** Where the tables end: the highest index plus one. */
  protected endNow(): number {
    const row = this.#end.get()
    return row ? numberOf(row, 'size') : 0
  }

  /** As {@link entries}: rows and segments, merged by index. */
  protected entriesNow(first: number, limit: number): readonly StoredEntry[] {
    const rows = this.#entries.all(first, limit).map(storedEntry)
    const packed: StoredEntry[] = []
    for (const segment of this.segmentsFrom(first)) {
      const left = limit - packed.length
      packed.push(...unpackSegment(segment, { from: first, limit: left }))
      if (packed.length >= limit) break
    }
    if (packed.length === 0) return rows
    const all = rows.length === 0 ? packed : [...packed, ...rows].toSorted(byIndex)
    return all.length > limit ? all.slice(0, limit) : all
  }

  /** The segment that an index falls into, and all behind it. */
  protected *segmentsFrom(index: number): Generator<Segment> {
    for (const row of this.#segments?.iterate(index) ?? []) yield segmentOf(row)
  }

  checkpointFrom(size: number): Promise<StoredCheckpoint | undefined> {
    return attempt(() => storedCheckpoint(this.#checkpointFrom.get(size)))
  }

  newestCheckpoint(): Promise<StoredCheckpoint | undefined> {
    return attempt(() => storedCheckpoint(this.#newestCheckpoint.get()))
  }

  subtrees(level: number, first: number, count: number): Promise<readonly Uint8Array[]> {
    return attempt(() => {
      const end = first + count
      if (level > 0) {
        return this.#subtrees.all(first, end, level).map((row) => bytesOf(row, 'hash'))
      }
      const leaves = this.entriesNow(first, count).filter(({ index }) => index < end)
      return leaves.map(({ leafHash }) => leafHash)
    })
  }
}

function byIndex(a: StoredEntry, b: StoredEntry): number {
  return a.index - b.index
}

/** Runs a synchronous query as the promise that the port asks for. */
export async function attempt<T>(query: () => T): Promise<T> {
  try {
    return query()
  } catch (cause) {
    throw asStorageError(cause)
  }
}

/** An entry from its row. */
export function storedEntry(row: Row): StoredEntry {
  return {
    index: numberOf(row, 'idx'),
    leafHash: bytesOf(row, 'leaf_hash'),
    entry: bytesOf(row, 'entry'),
  }
}

function segmentOf(row: Row): Segment {
  return {
    first: numberOf(row, 'first'),
    count: numberOf(row, 'count'),
    hashes: bytesOf(row, 'leaf_hashes'),
    ends: bytesOf(row, 'ends'),
    leaves: bytesOf(row, 'leaves'),
    salts: row['salts'] instanceof Uint8Array ? row['salts'] : undefined,
  }
}

function storedCheckpoint(row: Row | undefined): StoredCheckpoint | undefined {
  return (
    row && {
      size: numberOf(row, 'size'),
      note: textOf(row, 'note') ?? '',
      frontier: bytesOf(row, 'frontier'),
      signedAtMs: numberOf(row, 'signed_at_ms'),
    }
  )
}

/** An integer column. */
export function numberOf(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw auditErrors.error('KOS_AUDIT_ENTRY', { rule: column })
  return value
}

/** A blob column. */
export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw auditErrors.error('KOS_AUDIT_ENTRY', { rule: column })
  return value
}

/** A text column; `undefined` for null. */
export function textOf(row: Row, column: string): string | undefined {
  const value = row[column]
  return typeof value === 'string' ? value : undefined
}
