import type { DatabaseSync } from 'node:sqlite'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type DialectAdapter,
  type DatabaseIntrospector,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { storageErrors } from './errors.ts'
import { iterateQuery, runQuery, type StatementCache } from './statements.ts'

/**
 * Kysely over `node:sqlite`: every query is one statement that runs at once and to its end.
 *
 * The connection is shared with {@link Store.transaction} and the group commit, so a transaction
 * that spans several turns of the event loop would swallow their writes: it is refused.
 */
export class NodeSqliteDialect implements Dialect {
  readonly #raw: DatabaseSync
  readonly #cache: StatementCache

  constructor(raw: DatabaseSync, cache: StatementCache) {
    this.#raw = raw
    this.#cache = cache
  }

  createDriver(): Driver {
    return new NodeSqliteDriver(new NodeSqliteConnection(this.#raw, this.#cache))
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler()
  }

  createAdapter(): DialectAdapter {
    return new SqliteAdapter()
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db)
  }
}

class NodeSqliteDriver implements Driver {
  readonly #connection: DatabaseConnection

  constructor(connection: DatabaseConnection) {
    this.#connection = connection
  }

  init(): Promise<void> {
    return Promise.resolve()
  }

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(this.#connection)
  }

  beginTransaction(): Promise<void> {
    return Promise.reject(storageErrors.error('KOS_STORAGE_TRANSACTION'))
  }

  commitTransaction(): Promise<void> {
    return Promise.reject(storageErrors.error('KOS_STORAGE_TRANSACTION'))
  }

  rollbackTransaction(): Promise<void> {
    // Kysely rolls back what failed to begin: there is nothing to undo.
    return Promise.resolve()
  }

  releaseConnection(): Promise<void> {
    return Promise.resolve()
  }

  destroy(): Promise<void> {
    // The store owns the database and closes it.
    return Promise.resolve()
  }
}

class NodeSqliteConnection implements DatabaseConnection {
  readonly #raw: DatabaseSync
  readonly #cache: StatementCache

  constructor(raw: DatabaseSync, cache: StatementCache) {
    this.#raw = raw
    this.#cache = cache
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return runQuery<R>(this.#cache, query)
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    for (const row of iterateQuery<R>(this.#raw, query)) yield { rows: [row] }
  }
}
