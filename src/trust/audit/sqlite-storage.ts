import type { StatementSync } from 'node:sqlite'
import type { Store } from '../../foundation/storage/index.ts'
import type {
  EntryOrigin,
  LogChange,
  LogStorage,
  SourceState,
  StoredCheckpoint,
  StoredEntry,
} from './log-storage.ts'
import {
  attempt,
  bytesOf,
  numberOf,
  type Row,
  SqliteLogReader,
  storedEntry,
  textOf,
} from './sqlite-reader.ts'

/** Checkpoints are thinned to one per hour; the newest one is always kept. */
const KEEP_EVERY_MS = 3_600_000

/** What of a store the log needs; any store has it. */
export type AuditStore = Pick<Store<unknown>, 'raw' | 'transaction'>

/** Keeps a log in SQLite: one transaction, hence one fsync, per change. */
export class SqliteLogStorage extends SqliteLogReader implements LogStorage {
  readonly #store: AuditStore
  readonly #insertEntry: StatementSync
  readonly #insertSubtree: StatementSync
  readonly #insertForwarded: StatementSync
  readonly #upsertSource: StatementSync

  constructor(store: AuditStore) {
    super(store.raw)
    this.#store = store
    const { raw } = store
    this.#insertEntry = raw.prepare('INSERT INTO audit_entries VALUES (?, ?, ?, ?)')
    this.#insertSubtree = raw.prepare('INSERT INTO audit_subtrees VALUES (?, ?, ?)')
    this.#insertForwarded = raw.prepare('INSERT INTO audit_forwarded VALUES (?, ?, ?)')
    this.#upsertSource = raw.prepare('INSERT OR REPLACE INTO audit_sources VALUES (?, ?, ?, ?, ?)')
  }

  size(): Promise<number> {
    return this.#get('SELECT MAX(idx) AS idx FROM audit_entries').then((row) =>
      row?.['idx'] === null || row === undefined ? 0 : numberOf(row, 'idx') + 1,
    )
  }

  append(change: LogChange): Promise<void> {
    return attempt(() => this.#store.transaction(() => this.#append(change)))
  }

  #append({ first, entries, subtrees, source }: LogChange): void {
    let index = first
    for (const { leafHash, entry, salt, origin } of entries) {
      // The primary key refuses a second writer: an index is never written twice.
      this.#insertEntry.run(index, leafHash, entry, salt ?? null)
      if (origin) this.#insertForwarded.run(origin.source, origin.sourceIndex, index)
      index += 1
    }
    for (const subtree of subtrees) {
      this.#insertSubtree.run(subtree.level, subtree.index, subtree.hash)
    }
    if (source) this.#putSource(source)
  }

  addCheckpoint({ size, note, frontier, signedAtMs }: StoredCheckpoint): Promise<void> {
    return attempt(() =>
      this.#store.transaction((raw) => {
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
    return row?.['salt'] instanceof Uint8Array ? row['salt'] : undefined
  }

  async forwardedIndex(): Promise<number> {
    const row = await this.#get('SELECT next_index FROM audit_forwarding')
    return row ? numberOf(row, 'next_index') : 0
  }

  setForwardedIndex(index: number): Promise<void> {
    return attempt(() =>
      this.#store.transaction((raw) => {
        raw.prepare('INSERT OR REPLACE INTO audit_forwarding VALUES (1, ?)').run(index)
      }),
    )
  }

  async source(name: string): Promise<SourceState | undefined> {
    const row = await this.#get('SELECT * FROM audit_sources WHERE source = ?', name)
    return (
      row && {
        source: name,
        nextIndex: numberOf(row, 'next_index'),
        frontier: bytesOf(row, 'frontier'),
        checkpoint: textOf(row, 'checkpoint'),
        alarm: textOf(row, 'alarm'),
      }
    )
  }

  setSource(state: SourceState): Promise<void> {
    return attempt(() => this.#store.transaction(() => this.#putSource(state)))
  }

  async forwarded({ source, sourceIndex }: EntryOrigin): Promise<StoredEntry | undefined> {
    const row = await this.#get(
      `SELECT e.idx, e.leaf_hash, e.entry FROM audit_forwarded f JOIN audit_entries e USING (idx)
       WHERE f.source = ? AND f.source_index = ?`,
      source,
      sourceIndex,
    )
    return row && storedEntry(row)
  }

  #putSource({ source, nextIndex, frontier, checkpoint, alarm }: SourceState): void {
    this.#upsertSource.run(source, nextIndex, frontier, checkpoint ?? null, alarm ?? null)
  }

  #get(sql: string, ...parameters: (string | number)[]): Promise<Row | undefined> {
    return attempt(() => this.#store.raw.prepare(sql).get(...parameters))
  }
}
