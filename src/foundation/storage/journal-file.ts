import {
  close,
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  openSync,
  readSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { storageErrors } from './errors.ts'
import { ensurePrivateFile, syncFolder } from './file.ts'

const FILL_BYTES = 1024 * 1024

/**
 * A file of a fixed size whose parts are overwritten again and again. Because its blocks exist, a write
 * changes no metadata: it costs about half of an append that is flushed, and a full disk does not
 * stop it.
 */
export interface JournalFile {
  /** Size in bytes. */
  readonly size: number
  /**
   * Writes bytes at a position.
   *
   * @param bytes - not changed until the promise resolves
   * @param at - position; `at + bytes.length` is at most `size`
   * @returns when they are durable; the event loop goes on meanwhile
   * @throws KOS_STORAGE_FULL, as a rejection; what stands there then is not known
   */
  write(bytes: Uint8Array, at: number): Promise<void>
  /** Closes it and removes it, if it can: nothing in it is needed any more, and nothing in it harms. */
  remove(): void
  /** Closes it. */
  close(): void
}

/** Opens journal files; handed in so that a test can put a failing one in its place. */
export type OpenJournalFile = (path: string, bytes: number) => JournalFile

/**
 * Opens a journal file for writing, for one process alone: the caller holds a lock of its own.
 *
 * @param path - made with mode 0600 when it is missing; its folder exists
 * @param bytes - its size; what is missing is filled with zeros, durably, before this returns
 * @throws {@link KosError} KOS_STORAGE_OPEN, KOS_STORAGE_PERMISSION, KOS_STORAGE_FULL
 * @see https://man7.org/linux/man-pages/man2/open.2.html: O_DSYNC
 */
export function openJournalFile(path: string, bytes: number): JournalFile {
  ensurePrivateFile(path)
  const flags = constants.O_RDWR | constants.O_DSYNC | constants.O_NOFOLLOW
  const descriptor = openSync(path, flags)
  try {
    fill(descriptor, bytes)
  } catch (cause) {
    closeSync(descriptor)
    throw storageErrors.error('KOS_STORAGE_FULL', {}, cause)
  }
  return new DescriptorJournalFile(path, descriptor, bytes)
}

class DescriptorJournalFile implements JournalFile {
  readonly size: number
  readonly #path: string
  readonly #descriptor: number
  #isOpen = true
  /** Writes under way: a descriptor that is closed under them could become another file's. */
  #writing = 0

  constructor(path: string, descriptor: number, size: number) {
    this.#path = path
    this.#descriptor = descriptor
    this.size = size
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    if (!this.#isOpen) throw storageErrors.error('KOS_STORAGE_CLOSED')
    this.#writing += 1
    try {
      for (let from = 0; from < bytes.length;) {
        const left = bytes.length - from
        from += await writeAt(this.#descriptor, { bytes, from, left, at: at + from })
      }
    } catch (cause) {
      throw storageErrors.error('KOS_STORAGE_FULL', {}, cause)
    } finally {
      this.#writing -= 1
      if (!this.#isOpen) this.#release()
    }
  }

  remove(): void {
    if (!this.#isOpen) return
    this.close()
    try {
      unlinkSync(this.#path)
      syncFolder(this.#path)
    } catch {
      // The next one to open it overwrites it.
    }
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#release()
  }

  #release(): void {
    if (this.#writing === 0) closeSync(this.#descriptor)
  }
}

function writeAt(
  descriptor: number,
  part: {
    readonly bytes: Uint8Array
    readonly from: number
    readonly left: number
    readonly at: number
  },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  write(descriptor, part.bytes, part.from, part.left, part.at, (error, written) => {
    if (error) reject(error)
    else if (written === 0) reject(storageErrors.error('KOS_STORAGE_FULL'))
    else resolve(written)
  })
  return promise
}

/** Writes zeros: only blocks that were written once are overwritten without a change of metadata. */
function fill(descriptor: number, bytes: number): void {
  const zeros = Buffer.alloc(FILL_BYTES)
  for (let at = fstatSync(descriptor).size; at < bytes;) {
    at += writeSync(descriptor, zeros, 0, Math.min(zeros.length, bytes - at), at)
  }
}

/**
 * The contents of a journal file of this or another process, for reading only.
 *
 * @param path - its path
 * @param maxBytes - no more is read
 * @returns `undefined` when there is none
 * @throws {@link KosError} KOS_STORAGE_OPEN when there is one that cannot be read
 */
export function readJournalFile(path: string, maxBytes: number): Uint8Array | undefined {
  let descriptor: number | undefined
  try {
    // Without waiting: a pipe in its place must not stop the reader.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    descriptor = openSync(path, flags)
    const bytes = Buffer.alloc(Math.min(maxBytes, fstatSync(descriptor).size))
    let filled = 0
    for (let count = -1; filled < bytes.length && count !== 0; filled += count) {
      count = readSync(descriptor, bytes, filled, bytes.length - filled, filled)
    }
    return bytes.subarray(0, filled)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw storageErrors.error('KOS_STORAGE_OPEN', { rule: 'journal' }, cause)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

const flush = promisify(fdatasync)
const release = promisify(close)

/**
 * Makes what was written to a file so far durable; the event loop goes on meanwhile. Not for a database
 * file itself, whose locks its closing would drop; its write-ahead log has none.
 *
 * @throws KOS_STORAGE_FULL, as a rejection
 */
export async function syncWritten(path: string): Promise<void> {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)
    await flush(descriptor)
  } catch (cause) {
    throw storageErrors.error('KOS_STORAGE_FULL', {}, cause)
  } finally {
    if (descriptor !== undefined) await release(descriptor)
  }
}
