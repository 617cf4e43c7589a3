import { renameSync, rmSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Log } from '../base/index.ts'
import { storageErrors } from './errors.ts'
import { ensurePrivateFile, syncFile, syncFolder } from './file.ts'
import { asStorageError, isStorageFull } from './sqlite-errors.ts'

/** What one step does to the schema; rooms export these, `apps/` numbers them. */
export interface SchemaStep {
  /** For people: what the step brings. */
  readonly name: string
  /** Changes the schema and moves the data; synchronous, inside the upgrade's transaction. */
  readonly up: (db: DatabaseSync) => void
}

/** A numbered step. Published steps are never changed: a correction is a further step. */
export interface Migration extends SchemaStep {
  /** 1, 2, 3 … without gaps. */
  readonly version: number
}

/**
 * Brings a database to the newest schema: all missing steps in one transaction, after a backup
 * beside the file when there is something to lose.
 *
 * @param deps - the open database and the log
 * @param options - path of the file, and all migrations in order
 * @returns the schema version
 */
export function migrate(
  deps: { readonly raw: DatabaseSync; readonly log: Log },
  options: { readonly path: string; readonly migrations: readonly Migration[] },
): number {
  const newest = requireNumbered(options.migrations)
  const current = schemaVersion(deps.raw)
  if (current > newest) {
    throw storageErrors.error('KOS_STORAGE_NEWER', { found: current, known: newest })
  }
  if (current === newest) return newest
  if (current > 0) backUp(deps.raw, options.path, current)
  applySteps(deps.raw, options.migrations.slice(current))
  deps.log.event('storage.migrated', { file: options.path, version: newest })
  return newest
}

function requireNumbered(migrations: readonly Migration[]): number {
  migrations.forEach((migration, index) => {
    if (migration.version !== index + 1) {
      throw storageErrors.error('KOS_STORAGE_MIGRATION', { rule: `number of ${migration.name}` })
    }
  })
  return migrations.length
}

/** The version stands in the database header, so it changes in the same transaction as the schema. */
function schemaVersion(raw: DatabaseSync): number {
  return Number(raw.prepare('PRAGMA user_version').get()?.['user_version'])
}

/** Writes `<path>.v<version>.backup`: complete, private and durable before the upgrade begins. */
function backUp(raw: DatabaseSync, path: string, version: number): void {
  const backup = `${path}.v${version}.backup`
  const partial = `${backup}.partial`
  try {
    rmSync(partial, { force: true })
    // VACUUM INTO accepts an empty file, and keeps its mode.
    ensurePrivateFile(partial)
    raw.prepare('VACUUM INTO ?').run(partial)
    syncFile(partial)
    renameSync(partial, backup)
    syncFolder(backup)
  } catch (cause) {
    const error = asStorageError(cause)
    if (isStorageFull(error)) throw error
    throw storageErrors.error('KOS_STORAGE_MIGRATION', { rule: 'backup' }, cause)
  }
}

function applySteps(raw: DatabaseSync, steps: readonly Migration[]): void {
  let name = ''
  raw.exec('BEGIN IMMEDIATE')
  try {
    for (const step of steps) {
      name = step.name
      step.up(raw)
      raw.exec(`PRAGMA user_version = ${step.version}`)
    }
    raw.exec('COMMIT')
  } catch (cause) {
    if (raw.isTransaction) raw.exec('ROLLBACK')
    const error = asStorageError(cause)
    if (isStorageFull(error)) throw error
    throw storageErrors.error('KOS_STORAGE_MIGRATION', { rule: name }, error)
  }
}
