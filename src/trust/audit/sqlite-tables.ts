import type { SchemaStep } from '../../foundation/storage/index.ts'

/**
 * The tables of the log proper. `idx` is the index; nothing is ever updated or deleted in
 * `audit_entries`.
 */
const LOG_TABLES: readonly (readonly [name: string, sql: string])[] = [
  [
    'audit_entries',
    `CREATE TABLE audit_entries (
  idx INTEGER PRIMARY KEY,
  leaf_hash BLOB NOT NULL,
  entry BLOB NOT NULL,
  salt BLOB
) STRICT`,
  ],
  [
    'audit_subtrees',
    `CREATE TABLE audit_subtrees (
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID`,
  ],
  [
    'audit_checkpoints',
    `CREATE TABLE audit_checkpoints (
  size INTEGER PRIMARY KEY,
  note TEXT NOT NULL,
  frontier BLOB NOT NULL,
  signed_at_ms INTEGER NOT NULL
) STRICT`,
  ],
]

/** Entries of large changes, packed: `leaves` holds count times 0x00 ‖ entry. */
const SEGMENT_TABLE: readonly [name: string, sql: string] = [
  'audit_segments',
  `CREATE TABLE audit_segments (
  first INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  leaf_hashes BLOB NOT NULL,
  ends BLOB NOT NULL,
  leaves BLOB NOT NULL,
  salts BLOB
) STRICT`,
]

/** What a node remembers of its forwarding, and the authority of its nodes. */
const FORWARDING_TABLES = `
CREATE TABLE audit_forwarding (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  next_index INTEGER NOT NULL
) STRICT;
CREATE TABLE audit_sources (
  source TEXT PRIMARY KEY,
  next_index INTEGER NOT NULL,
  frontier BLOB NOT NULL,
  checkpoint TEXT,
  alarm TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_forwarded (
  source TEXT NOT NULL,
  source_index INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  PRIMARY KEY (source, source_index)
) STRICT, WITHOUT ROWID;
`

/**
 * The schema of the audit log; `apps/` gives it its number among the migrations of the file.
 *
 * @example
 * ```ts
 * import { auditSegments, auditTables } from 'kos/audit'
 * const migrations = [
 *   { version: 1, ...auditTables },
 *   { version: 2, ...auditSegments },
 * ]
 * ```
 */
export const auditTables: SchemaStep = Object.freeze({
  name: 'audit log',
  up: (db: { exec(sql: string): void }): void => {
    for (const [, sql] of LOG_TABLES) db.exec(sql)
    db.exec(FORWARDING_TABLES)
  },
})

/**
 * The second step of the schema: packed entries. What was written before stays as it is.
 *
 * @example
 * ```ts
 * import { auditSegments, auditTables } from 'kos/audit'
 * const migrations = [
 *   { version: 1, ...auditTables },
 *   { version: 2, ...auditSegments },
 * ]
 * ```
 */
export const auditSegments: SchemaStep = Object.freeze({
  name: 'audit log: segments',
  up: (db: { exec(sql: string): void }): void => db.exec(SEGMENT_TABLE[1]),
})

/**
 * Whether a file has the tables of a log, exactly as this release declares them: a view, a virtual
 * table or a trigger in their place would let a hostile file answer queries by computation.
 *
 * @param declared - rows of `sqlite_schema`
 */
export function hasLogTables(
  declared: readonly { readonly type: string; readonly table: string; readonly sql: string }[],
): boolean {
  const isAsDeclared = ([name, sql]: readonly [string, string]): boolean => {
    const about = declared.filter(({ table }) => table === name)
    return about.length === 1 && about[0]?.type === 'table' && about[0].sql === sql
  }
  // A file of the first release has no segments.
  const hasSegments = declared.some(({ table }) => table === SEGMENT_TABLE[0])
  return [...LOG_TABLES, ...(hasSegments ? [SEGMENT_TABLE] : [])].every(isAsDeclared)
}
