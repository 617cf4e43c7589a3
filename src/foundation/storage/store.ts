import type { DatabaseSync } from 'node:sqlite'
import { type Compilable, type CompiledQuery, Kysely } from 'kysely'
import type { Clock, Log } from '../base/index.ts'
import { NodeSqliteDialect } from './dialect.ts'
import { storageErrors } from './errors.ts'
import { createGroupCommit, type GroupCommit } from './group-commit.ts'
import { type Migration, migrate } from './migrate.ts'
import { openDatabase, type OpenDatabase } from './open.ts'
import { type PreparedQuery, prepareQuery } from './prepared.ts'
import { runQuery, StatementCache } from './statements.ts'
import { Transactions, type Work } from './transactions.ts'

/** How many members make a batch due at the end of the turn, whatever the delay. */
const DEFAULT_MAX_MEMBERS = 1024

/**
 * What every database engine offers. A room that must run on PostgreSQL too writes its look-ups
 * against `db`, and declares a port of its own for what it does in transactions.
 */
export interface Database<DB> {
  readonly engine: 'sqlite'
  /** Typed queries, one statement each; durable when the promise resolves. */
  readonly db: Kysely<DB>
  /** The number of the newest applied migration. */
  readonly schemaVersion: number
  /** Commits what waits and closes; calling it again is harmless. */
  close(): void
}

/** One open SQLite database. Transactions are synchronous: nothing can come between their steps. */
export interface Store<DB> extends Database<DB> {
  /** The connection, for prepared statements on hot paths. Writes belong in a transaction. */
  readonly raw: DatabaseSync
  /** Joins the writes of one turn of the event loop into one fsync. */
  readonly group: GroupCommit
  /**
   * Runs synchronous work in one transaction: all of it is durable on return, or none of it when it
   * throws. Inside another transaction it is a savepoint.
   *
   * @param work - gets the connection; must not return a promise
   * @throws what `work` throws, engine errors with their code in `storageErrors`
   */
  transaction<T>(work: Work<T>): T
  /**
   * Runs a typed query at once, for use inside a transaction.
   *
   * @param query - a query of the builder, not yet executed
   * @returns its rows; none for a statement that returns nothing
   */
  rows<R>(query: Compilable<R>): R[]
  /**
   * Makes a query that runs often: it is built and compiled once, and gets its values each time.
   *
   * @param build - makes the query; it must put each value into it as it is, and decide nothing by it
   * @returns what runs it at once, for use inside a transaction; it throws KOS_STORAGE_FAILED for values
   * of other names
   */
  prepare<V extends object, R>(build: (values: V) => Compilable<R>): PreparedQuery<V, R>
}

/** What a store is opened with. */
export interface StoreOptions {
  /** The database file; made with mode 0600 when it is missing. Its folder exists. */
  readonly path: string
  /** All migrations from 1 on, in order. */
  readonly migrations: readonly Migration[]
  /** Upper bound of the file in bytes; absent: the disk is the bound. */
  readonly maxBytes?: number
  /** Longest wait of a group commit in milliseconds; default 0: the end of the turn. */
  readonly maxDelayMs?: number
}

/**
 * Opens a database file: alone, checked, at the newest schema.
 *
 * A backup `<path>.v<version>.backup` is made before a schema upgrade. One process at a time: a
 * lock file `<path>.lock` refuses a second one.
 *
 * @param deps - clock for the group commit, log
 * @param options - path, migrations, bounds
 * @returns the store
 * @throws {@link KosError} KOS_STORAGE_OPEN, _PERMISSION, _LOCKED, _CORRUPT, _NEWER, _MIGRATION or
 * _FULL
 *
 * **Security:** `quick_check` finds damage, not manipulation: a well-formed file with changed rows
 * opens. What must be proof against that stands in the audit log.
 * @example
 * ```ts
 * import { openStore } from 'kos/storage'
 * const store = openStore<Tables>({ clock, log }, { path, migrations: [{ version: 1, ...tables }] })
 * store.transaction((raw) => raw.exec('INSERT INTO devices VALUES (1)'))
 * ```
 */
export function openStore<DB>(
  deps: { readonly clock: Clock; readonly log: Log },
  options: StoreOptions,
): Store<DB> {
  const database = openDatabase(options.path, options.maxBytes)
  try {
    const version = migrate({ raw: database.raw, log: deps.log }, options)
    return assemble<DB>(deps, { ...options, database, version })
  } catch (error) {
    database.close()
    throw error
  }
}

function assemble<DB>(
  deps: { readonly clock: Clock; readonly log: Log },
  opened: StoreOptions & { readonly database: OpenDatabase; readonly version: number },
): Store<DB> {
  const { raw } = opened.database
  const cache = new StatementCache(raw)
  const transactions = new Transactions(raw, deps.log)
  const group = createGroupCommit(
    { clock: deps.clock, transactions },
    { maxDelayMs: opened.maxDelayMs ?? 0, maxMembers: DEFAULT_MAX_MEMBERS },
  )
  const run = <R>(query: CompiledQuery<R>): R[] => runQuery<R>(cache, query).rows
  const requireOpen = (): void => {
    if (!raw.isOpen) throw storageErrors.error('KOS_STORAGE_CLOSED')
  }
  return Object.freeze({
    engine: 'sqlite',
    db: new Kysely<DB>({ dialect: new NodeSqliteDialect(raw, cache) }),
    schemaVersion: opened.version,
    raw,
    group,
    transaction: <T>(work: Work<T>): T => {
      requireOpen()
      return transactions.run(work)
    },
    rows: <R>(query: Compilable<R>): R[] => run(query.compile()),
    prepare: <V extends object, R>(build: (values: V) => Compilable<R>) => prepareQuery(build, run),
    close: (): void => {
      if (!raw.isOpen) return
      group.close()
      opened.database.close()
    },
  })
}
