import type { StatementSync } from 'node:sqlite'
import { type Store, syncWritten } from '../../foundation/storage/index.ts'
import { auditErrors } from './errors.ts'
import {
  type EncodedEntries,
  type EntryOrigin,
  HASH_BYTES,
  type LogChange,
  type LogStorage,
  SALT_BYTES,
  type SourceState,
  type StoredCheckpoint,
  type StoredEntry,
} from './log-storage.ts'
import { entriesIn } from './records.ts'
import { MIN_PACKED, packSegments, saltOf } from './segments.ts'
import { attempt, bytesOf, numberOf, type Row, SqliteLogReader, textOf } from './sqlite-reader.ts'

/** Checkpoints are thinned to one per hour; the newest one is always kept. */
const KEEP_EVERY_MS = 3_600_000

/** What of a store the log needs; any store has it. */
export type AuditStore = Pick<Store<unknown>, 'raw' | 'transaction'>

/** Keeps a log in SQLite: one transaction per change. */
export class SqliteLogStorage extends SqliteLogReader implements LogStorage {
  readonly #store: AuditStore
  readonly #insertEntry: StatementSync
  readonly #insertSegment: StatementSync
  readonly #insertSubtree: StatementSync
  readonly #insertForwarded: StatementSync
  readonly #upsertSource: StatementSync

  constructor(store: AuditStore) {
    super(store.raw)
    this.#store = store
    const { raw } = store
    this.#insertEntry = raw.prepare('INSERT INTO audit_entries VALUES (?, ?, ?, ?)')
    this.#insertSegment = raw.prepare('INSERT INTO audit_segments VALUES (?, ?, ?, ?, ?, ?)')
    this.#insertSubtree = raw.prepare('INSERT INTO audit_subtrees VALUES (?, ?, ?)')
    this.#insertForwarded = raw.prepare('INSERT INTO audit_forwarded VALUES (?, ?, ?)')
    this.#upsertSource = raw.prepare('INSERT OR REPLACE INTO audit_sources VALUES (?, ?, ?, ?, ?)')
  }

  size(): Promise<number> {
    return attempt(() => this.endNow())
  }

  append(change: LogChange): Promise<void> {
    return attempt(() => this.#store.transaction(() => this.#append(change)))
  }

  stage(change: LogChange): Promise<void> {
    return attempt(() => this.#relaxed(() => this.#append(change)))
  }

  /** The main file needs no flush: the engine flushes it before it gives up a page of the log. */
  async settle(): Promise<void> {
    await syncWritten(`${this.#store.raw.location()}-wal`)
  }

  /**
   * A transaction whose commit is written, but not flushed.
   *
   * @see https://sqlite.org/pragma.html#pragma_synchronous: NORMAL in WAL mode
   */
  #relaxed<T>(work: (raw: AuditStore['raw']) => T): T {
    const { raw } = this.#store
    raw.exec('PRAGMA synchronous = NORMAL')
    try {
      return this.#store.transaction(work)
    } finally {
      raw.exec('PRAGMA synchronous = FULL')
    }
  }

  #append({ first, lots, subtrees, source }: LogChange): void {
    // Refuses a second writer: an index is never written twice, in whichever table.
    const size = this.endNow()
    if (size !== first) throw auditErrors.error('KOS_AUDIT_RANGE', { index: first, size })
    let next = first
    for (const lot of lots) {
      if (lot.count < MIN_PACKED) this.#appendRows(lot, next)
      else this.#appendSegments(lot, next)
      for (const [offset, { source: from, sourceIndex }] of lot.origins) {
        this.#insertForwarded.run(from, sourceIndex, next + offset)
      }
      next += lot.count
    }
    for (const subtree of subtrees) {
      this.#insertSubtree.run(subtree.level, subtree.index, subtree.hash)
    }
    if (source) this.#putSource(source)
  }

  #appendRows(lot: EncodedEntries, first: number): void {
    let offset = 0
    for (const entry of entriesIn(lot)) {
      const hash = lot.hashes.subarray(offset * HASH_BYTES, (offset + 1) * HASH_BYTES)
      const salt = lot.salts?.subarray(offset * SALT_BYTES, (offset + 1) * SALT_BYTES)
      const hasSalt = salt?.some((byte) => byte !== 0) ?? false
      this.#insertEntry.run(first + offset, hash, entry, hasSalt && salt ? salt : null)
      offset += 1
    }
  }

  #appendSegments(entries: EncodedEntries, first: number): void {
    for (const segment of packSegments(entries, first)) {
      const { count, hashes, ends, leaves, salts } = segment
      this.#insertSegment.run(segment.first, count, hashes, ends, leaves, salts ?? null)
    }
  }

  addCheckpoint({ size, note, frontier, signedAtMs }: StoredCheckpoint): Promise<void> {
    return attempt(() =>
      this.#relaxed((raw) => {
        const [last, before] = raw
          .prepare('SELECT size, signed_at_ms FROM audit_checkpoints ORDER BY size DESC LIMIT 2')
          .all()
        const isNear =
          last &&
          before &&
          numberOf(last, 'signed_at_ms') - numberOf(before, 'signed_at_ms') < KEEP_EVERY_MS
        if (isNear) {
          raw.prepare('DELETE FROM audit_checkpoints WHERE size = ?').run(numberOf(last, 'size'))
        }
        raw
          .prepare('INSERT OR REPLACE INTO audit_checkpoints VALUES (?, ?, ?, ?)')
          .run(size, note, frontier, signedAtMs)
      }),
    )
  }

  async salt(index: number): Promise<Uint8Array | undefined> {
    const row = await this.#get('SELECT salt FROM audit_entries WHERE idx = ?', index)
    if (row) return row['salt'] instanceof Uint8Array ? row['salt'] : undefined
    const [segment] = this.segmentsFrom(index)
    return segment && saltOf(segment, index)
  }

  async forwardedIndex(): Promise<number> {
    const row = await this.#get('SELECT next_index FROM audit_forwarding')
    return row ? numberOf(row, 'next_index') : 0
  }

  setForwardedIndex(index: number): Promise<void> {
    return attempt(() =>
      this.#relaxed((raw) => {
        raw.prepare('INSERT OR REPLACE INTO audit_forwarding VALUES (1, ?)').run(index)
      }),
    )
  }

  async source(name: string): Promise<SourceState | undefined> {
    const row = await this.#get('SELECT * FROM audit_sources WHERE source = ?', name)
    return row && sourceState(row)
  }

  sources(): Promise<readonly SourceState[]> {
    return attempt(() =>
      this.#store.raw.prepare('SELECT * FROM audit_sources ORDER BY source').all().map(sourceState),
    )
  }

  setSource(state: SourceState): Promise<void> {
    return attempt(() => this.#store.transaction(() => this.#putSource(state)))
  }

  async forwarded({ source, sourceIndex }: EntryOrigin): Promise<StoredEntry | undefined> {
    const row = await this.#get(
      'SELECT idx FROM audit_forwarded WHERE source = ? AND source_index = ?',
      source,
      sourceIndex,
    )
    if (!row) return undefined
    const index = numberOf(row, 'idx')
    const [entry] = await this.entries(index, 1)
    return entry?.index === index ? entry : undefined
  }

  #putSource({ source, nextIndex, frontier, checkpoint, alarm }: SourceState): void {
    this.#upsertSource.run(source, nextIndex, frontier, checkpoint ?? null, alarm ?? null)
  }

  #get(sql: string, ...parameters: (string | number)[]): Promise<Row | undefined> {
    return attempt(() => this.#store.raw.prepare(sql).get(...parameters))
  }
}

function sourceState(row: Row): SourceState {
  return {
    source: textOf(row, 'source') ?? '',
    nextIndex: numberOf(row, 'next_index'),
    frontier: bytesOf(row, 'frontier'),
    checkpoint: textOf(row, 'checkpoint'),
    alarm: textOf(row, 'alarm'),
  }
}
