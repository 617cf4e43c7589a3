/** One SQLite file behind a small port: schema upgrades, typed queries, durable group commits. */
export { type StorageErrorCode, storageErrors } from './errors.ts'
export type { GroupCommit } from './group-commit.ts'
export { syncFile, syncFolder } from './file.ts'
export {
  type JournalFile,
  openJournalFile,
  type OpenJournalFile,
  readJournalFile,
  syncWritten,
} from './journal-file.ts'
export type { Migration, SchemaStep } from './migrate.ts'
export { lockStore, type StoreLock } from './open.ts'
export type { PreparedQuery } from './prepared.ts'
export { snapshotDatabase } from './snapshot.ts'
export { asStorageError, isStorageFull } from './sqlite-errors.ts'
export { type Database, openStore, type Store, type StoreOptions } from './store.ts'
export type { Work } from './transactions.ts'
