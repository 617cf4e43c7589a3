import { KosError } from '../base/index.ts'
import { storageErrors, type StorageErrorCode } from './errors.ts'

/**
 * Primary result codes that have a meaning of their own here.
 *
 * SQLITE_IOERR counts as full: a write or fsync that fails with ENOSPC, EDQUOT or EIO leaves the
 * transaction undone and may succeed later, exactly like SQLITE_FULL.
 *
 * @see https://sqlite.org/rescode.html
 */
const BY_RESULT_CODE: Readonly<Record<number, StorageErrorCode>> = Object.freeze({
  5: 'KOS_STORAGE_LOCKED', // SQLITE_BUSY
  6: 'KOS_STORAGE_LOCKED', // SQLITE_LOCKED
  8: 'KOS_STORAGE_OPEN', // SQLITE_READONLY
  10: 'KOS_STORAGE_FULL', // SQLITE_IOERR
  11: 'KOS_STORAGE_CORRUPT', // SQLITE_CORRUPT
  13: 'KOS_STORAGE_FULL', // SQLITE_FULL
  14: 'KOS_STORAGE_OPEN', // SQLITE_CANTOPEN
  19: 'KOS_STORAGE_CONFLICT', // SQLITE_CONSTRAINT
  26: 'KOS_STORAGE_CORRUPT', // SQLITE_NOTADB
})

/**
 * Gives an error of the database engine its code in {@link storageErrors}; any other value comes
 * back as it is. For code that runs prepared statements itself.
 *
 * @param cause - what was caught
 * @returns a `KosError` for an engine error, else `cause`
 */
export function asStorageError(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof KosError || !('code' in cause)) return cause
  if (cause.code === 'ERR_INVALID_STATE') {
    return storageErrors.error('KOS_STORAGE_CLOSED', {}, cause)
  }
  if (cause.code !== 'ERR_SQLITE_ERROR') return cause
  const extended = 'errcode' in cause && typeof cause.errcode === 'number' ? cause.errcode : 0
  const code = BY_RESULT_CODE[extended & 0xff] ?? 'KOS_STORAGE_FAILED'
  return storageErrors.error(code, { resultCode: extended }, cause)
}

/** Whether an error says that nothing can be written at the moment. */
export function isStorageFull(error: unknown): boolean {
  return storageErrors.has(error) && error.code === 'KOS_STORAGE_FULL'
}
