import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writePrivate } from './object-files.ts'

const NAME = 'checkpoint.note'
const MAX_NOTE_BYTES = 16 * 1024

/** A checkpoint this principal saw and verified; unverified again when read. */
export interface SeenCheckpoint {
  readonly note: string
  /** The size it claims. */
  readonly size: number
}

/** Reads the newest checkpoint that was kept; `undefined` when there is none. */
export function readCheckpoint(folder: string): SeenCheckpoint | undefined {
  try {
    const note = readFileSync(join(folder, NAME), 'utf8').slice(0, MAX_NOTE_BYTES)
    const size = Number(note.split('\n')[1])
    return Number.isSafeInteger(size) && size >= 0 ? { note, size } : undefined
  } catch {
    return undefined
  }
}

/** Keeps a verified checkpoint, so that a log rewritten later is found out. */
export function writeCheckpoint(folder: string, note: string): void {
  writePrivate(join(folder, NAME), Buffer.from(note, 'utf8'))
}
