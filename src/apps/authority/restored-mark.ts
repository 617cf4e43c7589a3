import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseJson, type UnixMs, unixMs, validate, z } from '../../foundation/base/index.ts'
import { syncFolder } from '../../foundation/storage/index.ts'
import { writePrivate } from '../node/index.ts'
import { authorityErrors } from './errors.ts'

const NAME = 'restored.json'
const MAX_BYTES = 4096

/** Says that a state folder came from a backup, and that its members were not asked yet. */
export interface RestoredMark {
  /** When the backup was made; 0: unknown, the folder itself was brought back. */
  readonly backupAt: UnixMs
  /** The era that was opened for it; absent: none yet. */
  readonly era?: number | undefined
}

const schema = z.strictObject({ backupAt: z.int().min(0), era: z.int().min(1).optional() })

/** Marks a state folder; durable on return. */
export function markRestored(folder: string, { backupAt, era }: RestoredMark): void {
  const path = join(folder, NAME)
  writePrivate(path, Buffer.from(JSON.stringify({ backupAt, era })))
  syncFolder(path)
}

/**
 * The mark of a state folder; `undefined`: it is in service.
 *
 * @throws {@link KosError} KOS_AUTHORITY_STORE when it cannot be read: serving as if nothing had happened
 *   would be wrong
 */
export function readRestored(folder: string): RestoredMark | undefined {
  const path = join(folder, NAME)
  if (!existsSync(path)) return undefined
  const json = parseJson(readFileSync(path, 'utf8'), MAX_BYTES)
  const checked = json.allow ? validate(schema, json.value) : json
  if (!checked.allow) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: NAME })
  return { ...checked.value, backupAt: unixMs(checked.value.backupAt) }
}

/** The folder is in service from now on; durable on return. */
export function clearRestored(folder: string): void {
  const path = join(folder, NAME)
  rmSync(path, { force: true })
  syncFolder(path)
}
