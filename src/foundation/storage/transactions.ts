import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Log } from '../base/index.ts'
import { storageErrors } from './errors.ts'
import { asStorageError, isStorageFull } from './sqlite-errors.ts'

/** Synchronous work on the open connection, inside a transaction that somebody else ends. */
export type Work<T> = (raw: DatabaseSync) => T

/** One piece of work in a batch, and whom to tell how it ended. */
export interface BatchMember {
  /** Runs the work; the returned function reports success and is called after the commit. */
  readonly run: (raw: DatabaseSync) => () => void
  readonly reject: (error: unknown) => void
}

/**
 * The transactions of one connection. Everything in them is synchronous, so that nothing else can
 * run on the connection between BEGIN and COMMIT.
 */
export class Transactions {
  readonly #raw: DatabaseSync
  readonly #log: Log
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #savepoint: StatementSync
  readonly #release: StatementSync
  readonly #rollbackTo: StatementSync
  #isFull = false

  constructor(raw: DatabaseSync, log: Log) {
    this.#raw = raw
    this.#log = log
    // IMMEDIATE takes the write lock at the start: a commit can then not fail for a concurrent one.
    this.#begin = raw.prepare('BEGIN IMMEDIATE')
    this.#commit = raw.prepare('COMMIT')
    this.#savepoint = raw.prepare('SAVEPOINT member')
    this.#release = raw.prepare('RELEASE member')
    this.#rollbackTo = raw.prepare('ROLLBACK TO member')
  }

  /** Runs work in one transaction; inside another one, in a savepoint of it. */
  run<T>(work: Work<T>): T {
    try {
      return this.#raw.isTransaction ? this.#nested(work) : this.#outermost(work)
    } catch (cause) {
      throw this.#noted(asStorageError(cause))
    }
  }

  /**
   * Runs many pieces of work in one transaction. A member that throws is rolled back alone; when
   * nothing can be written, the whole batch is refused and nothing is changed.
   */
  runBatch(members: readonly BatchMember[]): void {
    const done: { readonly member: BatchMember; readonly report: () => void }[] = []
    const failed: { readonly member: BatchMember; readonly error: unknown }[] = []
    try {
      this.#outermost(() => {
        for (const member of members) {
          try {
            done.push({ member, report: this.#nested(member.run) })
          } catch (cause) {
            const error = asStorageError(cause)
            // The engine ends the transaction itself on some errors: nobody's work is left then.
            if (isStorageFull(error) || !this.#raw.isTransaction) throw error
            failed.push({ member, error })
          }
        }
      })
    } catch (cause) {
      const error = this.#noted(asStorageError(cause))
      for (const member of members) member.reject(error)
      return
    }
    for (const { member, error } of failed) member.reject(error)
    for (const { report } of done) report()
  }

  #outermost<T>(work: Work<T>): T {
    this.#begin.run()
    try {
      const value = settled(work(this.#raw))
      this.#commit.run()
      this.#isFull = false
      return value
    } catch (cause) {
      if (this.#raw.isTransaction) this.#raw.exec('ROLLBACK')
      throw cause
    }
  }

  #nested<T>(work: Work<T>): T {
    this.#savepoint.run()
    try {
      const value = settled(work(this.#raw))
      this.#release.run()
      return value
    } catch (cause) {
      if (this.#raw.isTransaction) {
        this.#rollbackTo.run()
        this.#release.run()
      }
      throw cause
    }
  }

  /** Reports a full disk once, not once per refused write. */
  #noted(error: unknown): unknown {
    if (isStorageFull(error) && !this.#isFull) {
      this.#isFull = true
      this.#log.event('storage.full', { code: 'KOS_STORAGE_FULL' }, 'error')
    }
    return error
  }
}

/** Refuses a promise: its later steps would run outside the transaction. */
export function settled<T>(value: T): T {
  if (typeof value === 'object' && value !== null && 'then' in value) {
    throw storageErrors.error('KOS_STORAGE_ASYNC')
  }
  return value
}
