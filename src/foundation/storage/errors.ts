import { defineErrors, type ErrorTable } from '../base/index.ts'

/** The codes of {@link storageErrors}. */
export type StorageErrorCode =
  | 'KOS_STORAGE_ASYNC'
  | 'KOS_STORAGE_CLOSED'
  | 'KOS_STORAGE_CONFLICT'
  | 'KOS_STORAGE_CORRUPT'
  | 'KOS_STORAGE_FAILED'
  | 'KOS_STORAGE_FULL'
  | 'KOS_STORAGE_LOCKED'
  | 'KOS_STORAGE_MIGRATION'
  | 'KOS_STORAGE_NEWER'
  | 'KOS_STORAGE_OPEN'
  | 'KOS_STORAGE_PERMISSION'
  | 'KOS_STORAGE_TRANSACTION'

/** The errors of this room. */
export const storageErrors: ErrorTable<StorageErrorCode> = defineErrors({
  KOS_STORAGE_ASYNC: {
    message: 'The work of a transaction must be synchronous, but it returned a promise.',
    hint: 'Do the asynchronous part before the transaction; this is a bug in kOS.',
    retry: 'never',
  },
  KOS_STORAGE_CLOSED: {
    message: 'The database is closed.',
    hint: 'Start the daemon again; if it happens while the daemon runs, this is a bug in kOS.',
    retry: 'never',
  },
  KOS_STORAGE_CONFLICT: {
    message: 'The change contradicts a rule of the database, for example that a key is unique.',
    hint: 'Read the current state and decide again.',
    retry: 'never',
  },
  KOS_STORAGE_CORRUPT: {
    message: 'The database file is damaged or is not a database.',
    hint: 'Stop the daemon, keep the file as evidence, and restore the newest backup.',
    retry: 'never',
  },
  KOS_STORAGE_FAILED: {
    message: 'The database refused an operation.',
    hint: 'The log names the cause; if it comes back after a restart, this is a bug in kOS.',
    retry: 'never',
  },
  KOS_STORAGE_FULL: {
    message: 'The disk is full or cannot be written; nothing was changed.',
    hint: 'Free disk space; work continues by itself as soon as writing succeeds.',
    retry: 'later',
  },
  KOS_STORAGE_LOCKED: {
    message: 'Another process uses this database.',
    hint: 'Stop the other daemon that runs on the same state folder.',
    retry: 'later',
  },
  KOS_STORAGE_MIGRATION: {
    message: 'The database could not be brought to the current schema; it is unchanged.',
    hint: 'Go back to the earlier release and report the log; the backup lies beside the file.',
    retry: 'never',
  },
  KOS_STORAGE_NEWER: {
    message: 'The database was written by a newer release.',
    hint: 'Install that release again, or restore the backup made before the upgrade.',
    retry: 'never',
  },
  KOS_STORAGE_OPEN: {
    message: 'The database file cannot be opened.',
    hint: 'Check that the state folder exists and that its owner runs the daemon.',
    retry: 'never',
  },
  KOS_STORAGE_PERMISSION: {
    message: 'The database file is open to other users or belongs to another user.',
    hint: 'Make it the daemon user’s own with mode 0600, and find out who read it.',
    retry: 'never',
  },
  KOS_STORAGE_TRANSACTION: {
    message: 'Transactions of the query builder are not available on this database.',
    hint: 'Use store.transaction with store.rows; this is a bug in kOS.',
    retry: 'never',
  },
})
