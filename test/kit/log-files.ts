/** Looks into the database files of daemons, also while they run: for reading only. */
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite'
import { openMember } from '../../src/apps/node/index.ts'
import { systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { type AuditVerification, verifyAuditFile } from '../../src/trust/audit/index.ts'
import type { StoredEntry } from '../../src/trust/audit/log-storage.ts'
import { continuation, JOURNAL_BYTES, journalPath } from '../../src/trust/audit/journal.ts'
import { JournaledLogReader } from '../../src/trust/audit/journaled-reader.ts'
import { readJournalFile } from '../../src/foundation/storage/index.ts'

/** Rows of one query on a database file. */
export function queryFile(
  path: string,
  sql: string,
  ...values: readonly SQLInputValue[]
): readonly Record<string, SQLOutputValue>[] {
  const raw = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  try {
    return raw.prepare(sql).all(...values)
  } finally {
    raw.close()
  }
}

class WholeLogReader extends JournaledLogReader {
  all(): readonly StoredEntry[] {
    return this.entriesNow(0, Number.MAX_SAFE_INTEGER)
  }
}

/** Every durable entry of a log, in its own row, packed or in the journal, in order. */
export function storedEntries(path: string): readonly StoredEntry[] {
  const journal = readJournalFile(journalPath(path), JOURNAL_BYTES)
  const raw = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  try {
    raw.exec('BEGIN')
    return new WholeLogReader(raw, (size) => continuation(journal, size).frames).all()
  } finally {
    raw.close()
  }
}

/** The leaf hashes of a log in hexadecimal, in order: two logs are one when one begins the other. */
export function leafHashes(path: string): readonly string[] {
  return storedEntries(path).map(({ leafHash }) => Buffer.from(leafHash).toString('hex'))
}

/** Which entries of one member's log the authority has taken in, in order. */
export function forwardedIndexes(authorityFile: string, memberId: string): readonly number[] {
  const sql = 'SELECT source_index FROM audit_forwarded WHERE source LIKE ? ORDER BY source_index'
  return queryFile(authorityFile, sql, `%/${memberId}`).map((row) => Number(row['source_index']))
}

/** Verifies the log of a node with the keys of its own folder. */
export async function verifyNodeLog(folder: string): Promise<AuditVerification> {
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  if (!member) throw new TypeError(`${folder} holds no member`)
  try {
    const keys = {
      ed25519: member.keys.require('log-ed25519').spki,
      mlDsa44: member.keys.require('log-ml-dsa-44').spki,
    }
    return await verifyAuditFile(join(folder, 'node.sqlite'), { keys })
  } finally {
    member.close()
  }
}
