import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { asStorageError, readJournalFile, storageErrors } from '../../foundation/storage/index.ts'
import { claimedOrigin, createCheckpointVerifier, type LogPublicKeys } from './checkpoint.ts'
import { MAX_WRAPPED_BYTES } from './entry.ts'
import { auditErrors } from './errors.ts'
import { continuation, JOURNAL_BYTES, journalPath } from './journal.ts'
import { JournaledLogReader } from './journaled-reader.ts'
import type { SignedNote } from './signed-note.ts'
import { hasLogTables } from './sqlite-tables.ts'
import { type AuditVerification, verifyLog } from './verify.ts'

/** What a file is verified with. */
export interface VerifyFileOptions {
  /** The log's public keys, from a source other than the file. */
  readonly keys: LogPublicKeys
  /** The name the log must have; absent: the name it claims, reported in the result. */
  readonly origin?: string
  /** Checkpoints kept elsewhere, which the log must still agree with. */
  readonly trusted?: readonly SignedNote[]
}

/**
 * Verifies a log file without the daemon, also while the daemon runs. Opens it for reading only and
 * trusts nothing in it.
 *
 * @param path - database file of a node or authority
 * @param options - public keys, expected origin, checkpoints kept elsewhere
 * @returns the result and the origin; the first bad entry by index
 * @throws {@link KosError} KOS_AUDIT_FILE when it is no log, KOS_STORAGE_CORRUPT when it is damaged,
 * KOS_AUDIT_KEY for wrong keys
 *
 * **Security:** see `docs/audit.md` for what a positive result does not say.
 */
export async function verifyAuditFile(
  path: string,
  options: VerifyFileOptions,
): Promise<AuditVerification & { readonly origin: string }> {
  // The journal first: what is folded while it is read stands in the tables then.
  const journal = readJournalFile(journalPath(path), JOURNAL_BYTES)
  const raw = openReadOnly(path)
  try {
    // One view of the file to the end: a checkpoint that comes meanwhile covers entries that were not read.
    raw.exec('BEGIN')
    requireLog(raw)
    const reader = new JournaledLogReader(raw, (size) => continuation(journal, size).frames)
    const newest = await reader.newestCheckpoint()
    const origin = options.origin ?? (newest && claimedOrigin(newest.note)) ?? 'unknown'
    const verifier = createCheckpointVerifier(origin, options.keys)
    const { trusted } = options
    const result = await verifyLog(reader, { verifier, ...(trusted && { trusted }) })
    return { ...result, origin }
  } catch (cause) {
    throw asStorageError(cause)
  } finally {
    raw.close()
  }
}

/** Opens a file that somebody else may have made. @see https://sqlite.org/security.html */
function openReadOnly(path: string): DatabaseSync {
  if (!existsSync(path)) throw auditErrors.error('KOS_AUDIT_FILE', { rule: 'exists' })
  const options = {
    readOnly: true,
    defensive: true,
    // No value of a log is larger; a larger one must not be read into memory.
    limits: { length: 4 * MAX_WRAPPED_BYTES },
  }
  try {
    return opened(new DatabaseSync(path, options))
  } catch (cause) {
    const error = asStorageError(cause)
    if (!storageErrors.has(error) || error.code !== 'KOS_STORAGE_OPEN') throw error
    // A copy on a read-only medium has no place for the shared-memory index of a WAL file. It may be
    // read as immutable when there is no WAL that this would skip.
    if (existsSync(`${path}-wal`)) throw error
    const url = pathToFileURL(path)
    url.searchParams.set('immutable', '1')
    return opened(new DatabaseSync(url, options))
  }
}

function opened(raw: DatabaseSync): DatabaseSync {
  try {
    raw.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON')
    // The first read opens the file for good.
    raw.prepare('SELECT COUNT(*) FROM sqlite_schema').get()
    return raw
  } catch (error) {
    raw.close()
    throw error
  }
}

function requireLog(raw: DatabaseSync): void {
  const declared = raw
    .prepare('SELECT type, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL')
    .all()
    .map((row) => ({
      type: String(row['type']),
      table: String(row['tbl_name']),
      sql: String(row['sql']),
    }))
  if (!hasLogTables(declared)) throw auditErrors.error('KOS_AUDIT_FILE', { rule: 'tables' })
}
