import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseJson, validate, z } from '../../foundation/base/index.ts'
import { writePrivate } from '../node/index.ts'

/** In the state folder: another process makes the backup, and the authority says so. */
const NAME = 'last-backup.json'
const MAX_BYTES = 1024

/** The newest backup that was made of a state folder. */
export interface LastBackup {
  /** Wall-clock milliseconds. */
  readonly at: number
  readonly bytes: number
}

const schema = z.strictObject({ at: z.int().min(0), bytes: z.int().min(0) })

/** Remembers a backup. */
export function writeLastBackup(folder: string, last: LastBackup): void {
  writePrivate(join(folder, NAME), Buffer.from(JSON.stringify(last)))
}

/** The newest backup; `undefined` when there is none, or the note of it cannot be read. */
export function readLastBackup(folder: string): LastBackup | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, NAME), 'utf8')
  } catch {
    return undefined
  }
  const json = parseJson(text, MAX_BYTES)
  const checked = json.allow ? validate(schema, json.value) : json
  return checked.allow ? checked.value : undefined
}
