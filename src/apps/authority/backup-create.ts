import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type Clock,
  parsePrincipal,
  type Random,
  type Secret,
} from '../../foundation/base/index.ts'
import { readJournalFile, snapshotDatabase, syncFolder } from '../../foundation/storage/index.ts'
import { JOURNAL_BYTES, journalPath } from '../../trust/audit/index.ts'
import { BACKUP_FILES, type BackupSummary, writeBackup } from './backup-archive.ts'
import { authorityErrors } from './errors.ts'
import { writeLastBackup } from './last-backup.ts'

const DATABASE = 'authority.sqlite'
const JOURNAL = 'authority.sqlite.audit-journal'

/** Which authority is backed up, and where to. */
export interface BackupOptions {
  /** State folder; its authority may run. */
  readonly folder: string
  /** Must not exist yet. */
  readonly file: string
  readonly passphrase: Secret
}

/** A backup that was made. */
export interface CreatedBackup extends BackupSummary {
  readonly bytes: number
}

/**
 * Backs an authority up while it serves: registry, signed objects, audit log, keys and floors as they stand
 * at one moment, sealed under a passphrase. What is acknowledged before it begins is in it.
 *
 * The journal of the audit log is read before the database, and the keys after it: a key that the database
 * needs is there, and one that is newer does no harm.
 *
 * @returns what is in it; the file is durable
 * @throws {@link KosError} KOS_AUTHORITY_BACKUP `no-authority`, `exists`; KOS_KEYS_UNLOCK for a passphrase that
 *   is too short; storage errors. No file is left then.
 */
export async function createBackup(
  deps: { readonly clock: Clock; readonly random: Random },
  options: BackupOptions,
): Promise<CreatedBackup> {
  const { folder, file } = options
  const database = join(folder, DATABASE)
  if (!existsSync(database)) throw backupError('no-authority')
  if (existsSync(file)) throw backupError('exists')
  const partial = `${file}.partial`
  const copy = join(folder, `${DATABASE}.copy`)
  const clean = (): void => {
    for (const path of [copy, `${copy}-wal`, `${copy}-shm`, partial]) rmSync(path, { force: true })
  }
  // Left behind by one that was killed.
  clean()
  try {
    const journal = readJournalFile(journalPath(database), JOURNAL_BYTES)
    await snapshotDatabase(database, copy)
    const created = write(deps, options, { partial, copy, journal })
    if (existsSync(file)) throw backupError('exists')
    renameSync(partial, file)
    syncFolder(file)
    const { createdAt } = created
    writeLastBackup(folder, { at: createdAt, bytes: created.bytes })
    return created
  } finally {
    clean()
  }
}

function write(
  deps: { readonly clock: Clock; readonly random: Random },
  { folder, passphrase }: BackupOptions,
  from: {
    readonly partial: string
    readonly copy: string
    readonly journal: Uint8Array | undefined
  },
): CreatedBackup {
  const summary = summaryOf(from.copy, deps.clock)
  const descriptor = openSync(from.partial, 'wx', 0o600)
  try {
    const backup = writeBackup(deps, { descriptor, passphrase }, summary)
    if (from.journal) backup.addBytes(JOURNAL, from.journal)
    backup.addFile(DATABASE, from.copy)
    // The others are written as a whole each time: what is read is one version or the next.
    for (const name of BACKUP_FILES.filter((file) => file !== JOURNAL && file !== DATABASE)) {
      const path = join(folder, name)
      if (existsSync(path)) backup.addBytes(name, readFileSync(path))
    }
    backup.end()
  } finally {
    closeSync(descriptor)
  }
  return { ...summary, bytes: statSync(from.partial).size }
}

/** What stands in a copy of the database. */
function summaryOf(copy: string, clock: Clock): BackupSummary {
  const raw = new DatabaseSync(copy, { readOnly: true, defensive: true })
  try {
    const rows = (sql: string): Record<string, unknown>[] => raw.prepare(sql).all()
    const principals = rows(
      `SELECT kind, COUNT(*) AS count, MIN(uri) AS uri FROM principal WHERE state <> 'removed' GROUP BY kind`,
    )
    const objects = rows('SELECT kind, era, number FROM signed_object')
    const [version] = rows('PRAGMA user_version')
    const [audit] = rows('SELECT COALESCE(MAX(size), 0) AS count FROM audit_checkpoints')
    const [named] = principals
    return {
      createdAt: clock.wallMs(),
      trustDomain: parsePrincipal(String(named?.['uri']))?.trustDomain ?? '-',
      schemaVersion: Number(version?.['user_version']),
      principals: Object.fromEntries(
        principals.map((row) => [String(row['kind']), Number(row['count'])]),
      ),
      objects: Object.fromEntries(
        objects.map((row) => [
          String(row['kind']),
          `${Number(row['era'])}.${Number(row['number'])}`,
        ]),
      ),
      auditEntries: Number(audit?.['count']),
    }
  } finally {
    raw.close()
  }
}

function backupError(rule: 'exists' | 'no-authority'): Error {
  return authorityErrors.error('KOS_AUTHORITY_BACKUP', { rule })
}
