import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { asStorageError } from '../../foundation/storage/index.ts'
import { auditErrors } from './errors.ts'
import type { LogReader, StoredCheckpoint, StoredEntry } from './log-storage.ts'

/** A row of a result. */
export type Row = Record<string, SQLOutputValue>

/** Reads a log from SQLite, by statements prepared once. */
export class SqliteLogReader implements LogReader {
  readonly #entries: StatementSync
  readonly #leafHashes: StatementSync
  readonly #subtrees: StatementSync
  readonly #checkpointFrom: StatementSync
  readonly #newestCheckpoint: StatementSync

  constructor(raw: DatabaseSync) {
    this.#entries = raw.prepare(
      'SELECT idx, leaf_hash, entry FROM audit_entries WHERE idx >= ? ORDER BY idx LIMIT ?',
    )
    this.#leafHashes = raw.prepare(
      'SELECT leaf_hash AS hash FROM audit_entries WHERE idx >= ? AND idx < ? ORDER BY idx',
    )
    this.#subtrees = raw.prepare(
      'SELECT hash FROM audit_subtrees WHERE idx >= ? AND idx < ? AND level = ? ORDER BY idx',
    )
    const columns = 'SELECT size, note, frontier, signed_at_ms FROM audit_checkpoints'
    this.#checkpointFrom = raw.prepare(`${columns} WHERE size >= ? ORDER BY size LIMIT 1`)
    this.#newestCheckpoint = raw.prepare(`${columns} ORDER BY size DESC LIMIT 1`)
  }

  entries(first: number, limit: number): Promise<readonly StoredEntry[]> {
    return attempt(() => this.#entries.all(first, limit).map(storedEntry))
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
      const rows =
        level === 0 ? this.#leafHashes.all(first, end) : this.#subtrees.all(first, end, level)
      return rows.map((row) => bytesOf(row, 'hash'))
    })
  }
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
