import { DatabaseSync } from 'node:sqlite'
import { storageErrors } from './errors.ts'
import { ensurePrivateFile } from './file.ts'
import { asStorageError } from './sqlite-errors.ts'

/** How long a write waits for a reader of another process, such as an offline verification. */
const BUSY_TIMEOUT_MS = 5_000

/** Page size of new files; an existing file keeps its own. */
const PAGE_BYTES = 16_384

/**
 * Settings of every connection. WAL with FULL: a commit is one append and one fsync, and what was
 * committed survives a loss of power. `trusted_schema` off and `cell_size_check` on: a file that
 * somebody else wrote must not run functions of its choice or make the parser read past a page.
 *
 * @see https://sqlite.org/wal.html#performance_considerations
 * @see https://sqlite.org/security.html
 */
const SETTINGS = `
  PRAGMA synchronous = FULL;
  PRAGMA trusted_schema = OFF;
  PRAGMA cell_size_check = ON;
  PRAGMA temp_store = MEMORY;
`

/** An open, checked connection and the lock that keeps other daemons away. */
export interface OpenDatabase {
  readonly raw: DatabaseSync
  close(): void
}

/**
 * Opens a database file for one process alone.
 *
 * @param path - the file, made with mode 0600 when it is missing
 * @param maxBytes - bound of the file's size; `undefined`: the disk is the bound
 * @throws {@link KosError} of the storage table
 */
export function openDatabase(path: string, maxBytes: number | undefined): OpenDatabase {
  ensurePrivateFile(path)
  const lock = takeLock(`${path}.lock`)
  let raw: DatabaseSync | undefined
  try {
    raw = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, defensive: true })
    configure(raw, maxBytes)
    refuseDamaged(raw)
    const opened = raw
    return {
      raw,
      close: (): void => {
        opened.close()
        lock.close()
      },
    }
  } catch (cause) {
    if (raw?.isOpen) raw.close()
    lock.close()
    throw asStorageError(cause)
  }
}

/** The lock of a database file, held. */
export interface StoreLock {
  close(): void
}

/**
 * Takes the lock that a process has which opened the database file, without opening it: nobody opens it
 * meanwhile.
 *
 * @param path - the database file
 * @throws {@link KosError} KOS_STORAGE_LOCKED when a process has it
 */
export function lockStore(path: string): StoreLock {
  return takeLock(`${path}.lock`)
}

/**
 * Holds an operating-system lock until it is closed or the process ends, however it ends: an
 * exclusive transaction on an empty database of its own. Other processes may still read the real
 * file, which a lock on that file would forbid.
 */
function takeLock(path: string): DatabaseSync {
  ensurePrivateFile(path)
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (cause) {
    lock.close()
    throw asStorageError(cause)
  }
}

function configure(raw: DatabaseSync, maxBytes: number | undefined): void {
  // Before the first table only: fewer, larger pages make batches of small rows cheaper.
  raw.exec(`PRAGMA page_size = ${PAGE_BYTES}`)
  const mode = raw.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode']
  if (mode !== 'wal') throw storageErrors.error('KOS_STORAGE_OPEN', { rule: 'WAL' })
  raw.exec(SETTINGS)
  if (maxBytes === undefined) return
  const pageBytes = Number(raw.prepare('PRAGMA page_size').get()?.['page_size'])
  raw.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`)
}

/** Reads every page once: damage is found at start, not in the middle of a decision. */
function refuseDamaged(raw: DatabaseSync): void {
  const finding = raw.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
  if (finding !== 'ok') throw storageErrors.error('KOS_STORAGE_CORRUPT', {}, finding)
}
