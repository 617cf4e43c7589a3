import { backup, DatabaseSync } from 'node:sqlite'
import { ensurePrivateFile, syncFile } from './file.ts'
import { asStorageError } from './sqlite-errors.ts'

/** More pages than a database can have: all are copied in one step. */
const ALL_PAGES = 2 ** 31 - 1

/**
 * Copies a database as it stands at one moment, while another process goes on writing it: no writer
 * waits for the copy, and nothing that is written meanwhile stands in it.
 *
 * @param path - the database file
 * @param copy - where to; made with mode 0600, durable when the promise resolves
 * @throws {@link KosError} KOS_STORAGE_OPEN, _PERMISSION, _FULL, _CORRUPT
 * @see https://sqlite.org/backup.html
 */
export async function snapshotDatabase(path: string, copy: string): Promise<void> {
  ensurePrivateFile(path)
  ensurePrivateFile(copy)
  try {
    const source = new DatabaseSync(path, { readOnly: true })
    try {
      // One step: a copy in several begins again with every write of another process.
      await backup(source, copy, { rate: ALL_PAGES })
    } finally {
      source.close()
    }
    syncFile(copy)
  } catch (cause) {
    throw asStorageError(cause)
  }
}
