import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { CompiledQuery, QueryResult } from 'kysely'
import { asStorageError } from './sqlite-errors.ts'
import { storageErrors } from './errors.ts'

/** Enough for every query of one program; a program with more of them builds SQL from input. */
const MAX_STATEMENTS = 256

/** A prepared statement and whether it returns rows. */
export interface Prepared {
  readonly statement: StatementSync
  readonly isReader: boolean
}

/** Prepared statements by their SQL text: preparing costs more than running a look-up. */
export class StatementCache {
  readonly #raw: DatabaseSync
  readonly #bySql = new Map<string, Prepared>()

  constructor(raw: DatabaseSync) {
    this.#raw = raw
  }

  get(sql: string): Prepared {
    const known = this.#bySql.get(sql)
    if (known) return known
    if (this.#bySql.size >= MAX_STATEMENTS) this.#bySql.clear()
    const prepared = prepare(this.#raw, sql)
    this.#bySql.set(sql, prepared)
    return prepared
  }
}

function prepare(raw: DatabaseSync, sql: string): Prepared {
  const statement = raw.prepare(sql)
  return { statement, isReader: statement.columns().length > 0 }
}

/**
 * Runs one compiled query at once and to its end. The row type is what the query builder derived
 * from the declared tables; the migrations are what makes it true.
 */
export function runQuery<R>(cache: StatementCache, query: CompiledQuery<unknown>): QueryResult<R> {
  try {
    const { statement, isReader } = cache.get(query.sql)
    const inputs = query.parameters.map(toInput)
    if (isReader) return { rows: statement.all(...inputs) as R[] }
    const { changes, lastInsertRowid } = statement.run(...inputs)
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  } catch (cause) {
    throw asStorageError(cause)
  }
}

/** Rows of one compiled query, one at a time, from a statement that nobody else can reset. */
export function* iterateQuery<R>(
  raw: DatabaseSync,
  query: CompiledQuery<unknown>,
): Generator<R, void, undefined> {
  try {
    for (const row of raw.prepare(query.sql).iterate(...query.parameters.map(toInput))) {
      yield row as R
    }
  } catch (cause) {
    throw asStorageError(cause)
  }
}

function toInput(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'bigint' || value instanceof Uint8Array) return value
  // SQLite has no boolean: STRICT tables keep 0 and 1.
  if (typeof value === 'boolean') return value ? 1 : 0
  throw storageErrors.error('KOS_STORAGE_FAILED', { rule: `parameter of type ${typeof value}` })
}
