import type { DatabaseSync } from 'node:sqlite'
import { STORED_LEVELS } from './batch.ts'
import { entriesOf } from './journal.ts'
import type { EncodedBatch, StoredEntry } from './log-storage.ts'
import { SqliteLogReader } from './sqlite-reader.ts'
import { joinPairs } from './subtrees.ts'

const WIDTH = 2 ** STORED_LEVELS

/**
 * Reads a log from the tables and, behind their end, from the journal: everything that is durable, also
 * while its process runs or after it was killed.
 */
export class JournaledLogReader extends SqliteLogReader {
  /** The entries behind the tables' end as it was when this was made. */
  readonly #tail: readonly StoredEntry[]
  readonly #size: number

  /**
   * @param raw - the database
   * @param tail - what follows in the journal on tables of a size; read before the database was opened,
   * so that what was folded meanwhile is not missed
   */
  constructor(raw: DatabaseSync, tail: (size: number) => readonly EncodedBatch[]) {
    super(raw)
    this.#size = this.endNow()
    this.#tail = tail(this.#size).flatMap((batch) => [...entriesOf(batch)])
  }

  protected override entriesNow(first: number, limit: number): readonly StoredEntry[] {
    const stored = super.entriesNow(first, limit)
    const next = Math.max(first, (stored.at(-1)?.index ?? -1) + 1)
    // What was folded meanwhile is read from the tables: it is the same.
    if (stored.length >= limit || next < this.#size) return stored
    const from = next - this.#size
    return [...stored, ...this.#tail.slice(from, from + limit - stored.length)]
  }

  override subtrees(level: number, first: number, count: number): Promise<readonly Uint8Array[]> {
    return level === 0 ? super.subtrees(level, first, count) : this.#roots(level, first, count)
  }

  /** Stored roots, and those of subtrees that the journal completes. */
  async #roots(level: number, first: number, count: number): Promise<readonly Uint8Array[]> {
    const stored = await super.subtrees(level, first, count)
    const roots = [...stored]
    const end = this.#size + this.#tail.length
    for (let index = first + stored.length; index < first + count; index += 1) {
      const isFolded = (index + 1) * 2 ** level <= this.#size
      if (isFolded || (index + 1) * 2 ** level > end) break
      let hashes = await this.subtrees(level - STORED_LEVELS, index * WIDTH, WIDTH)
      if (hashes.length !== WIDTH) break
      while (hashes.length > 1) hashes = joinPairs(hashes)
      roots.push(...hashes)
    }
    return roots
  }
}
