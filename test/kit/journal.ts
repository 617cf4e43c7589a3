/** A journal file that writes at once, so that a test need not wait, and fails when it is told to. */
import { closeSync, constants, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import type { JournalFile, OpenJournalFile } from '../../src/foundation/storage/index.ts'

/** A disk for journals. */
export interface TestDisk {
  readonly open: OpenJournalFile
  /** Bytes that still go through before writes fail as on a full disk; what was begun stays torn. */
  room: number
  /** Writes so far. */
  writes: number
}

/** Makes a disk with room for everything. */
export function createTestDisk(): TestDisk {
  const disk: TestDisk = {
    room: Number.POSITIVE_INFINITY,
    writes: 0,
    open: (path, size): JournalFile => {
      const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
      ftruncateSync(descriptor, size)
      const close = (): void => closeSync(descriptor)
      return {
        size,
        write: async (bytes, at) => {
          const length = Math.min(bytes.length, disk.room)
          disk.writes += 1
          disk.room -= length
          writeSync(descriptor, bytes, 0, length, at)
          if (length < bytes.length) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
        },
        close,
        remove: () => {
          close()
          unlinkSync(path)
        },
      }
    },
  }
  return disk
}
