import type { DatabaseSync } from 'node:sqlite'
import { unixMs } from '../../foundation/base/index.ts'
import type { SchemaStep, Store } from '../../foundation/storage/index.ts'
import type { EnrolmentTransaction, PskRecord } from '../../lifecycle/enrolment/index.ts'
import type { AuthorityTables, PskRow } from './schema.ts'

/** The schema step of pre-shared keys; roots are sealed, see `createPskVault`. */
export const pskSchema: SchemaStep = Object.freeze({
  name: 'pre-shared keys',
  up: (raw: DatabaseSync): void => {
    raw.exec(`CREATE TABLE psk (
      handle TEXT PRIMARY KEY, principal_id TEXT NOT NULL, generation INTEGER NOT NULL,
      sealed_root BLOB NOT NULL, created_at INTEGER NOT NULL, first_used_at INTEGER,
      ends_at INTEGER
    ) STRICT`)
    raw.exec('CREATE UNIQUE INDEX psk_of ON psk (principal_id, generation)')
  },
})

/** What the registry does with pre-shared keys. */
export function pskSteps(
  store: Store<AuthorityTables>,
): Pick<EnrolmentTransaction, 'psk' | 'pskOf' | 'insertPsk' | 'changePsk'> {
  const { db } = store
  const psk = store.prepare(({ handle }: { handle: string }) =>
    db.selectFrom('psk').selectAll().where('handle', '=', handle),
  )
  return {
    psk: (handle) => psk({ handle }).map(toPskRecord)[0],
    pskOf: (principalId) =>
      store
        .rows(
          db
            .selectFrom('psk')
            .selectAll()
            .where('principal_id', '=', principalId)
            .orderBy('generation'),
        )
        .map(toPskRecord),
    insertPsk: (record) => {
      store.rows(db.insertInto('psk').values(toPskRow(record)))
    },
    changePsk: (handle, { firstUsedAt, endsAt }) => {
      const row = {
        ...(firstUsedAt !== undefined && { first_used_at: firstUsedAt }),
        ...(endsAt !== undefined && { ends_at: endsAt }),
      }
      store.rows(db.updateTable('psk').set(row).where('handle', '=', handle))
    },
  }
}

function toPskRecord(row: PskRow): PskRecord {
  return {
    handle: row.handle,
    principalId: row.principal_id,
    generation: row.generation,
    sealedRoot: row.sealed_root,
    createdAt: unixMs(row.created_at),
    firstUsedAt: row.first_used_at === null ? undefined : unixMs(row.first_used_at),
    endsAt: row.ends_at === null ? undefined : unixMs(row.ends_at),
  }
}

function toPskRow(record: PskRecord): PskRow {
  return {
    handle: record.handle,
    principal_id: record.principalId,
    generation: record.generation,
    sealed_root: record.sealedRoot,
    created_at: record.createdAt,
    first_used_at: record.firstUsedAt ?? null,
    ends_at: record.endsAt ?? null,
  }
}
