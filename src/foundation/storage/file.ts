import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  type Stats,
} from 'node:fs'
import { dirname } from 'node:path'
import { storageErrors } from './errors.ts'

const OWNER_ONLY = 0o600
const OTHERS = 0o077

/**
 * Makes sure that a file exists and is its owner's alone; a new one is durable before this returns.
 *
 * An existing file is looked at, never opened: closing any descriptor of a file drops all POSIX
 * locks that the process holds on it, those of SQLite included.
 *
 * @param path - the file; its folder exists
 * @throws {@link KosError} KOS_STORAGE_OPEN when it cannot be made, is a link or is no file;
 * KOS_STORAGE_PERMISSION when others may read it or own it
 * @see https://sqlite.org/howtocorrupt.html section 2.2
 */
export function ensurePrivateFile(path: string): void {
  const stats = inspect(path)
  if (!stats) {
    createPrivate(path)
    return
  }
  if (!stats.isFile()) throw storageErrors.error('KOS_STORAGE_OPEN', { rule: 'regular file' })
  if ((stats.mode & OTHERS) !== 0) {
    throw storageErrors.error('KOS_STORAGE_PERMISSION', { rule: 'mode 0600' })
  }
  if (process.geteuid && stats.uid !== process.geteuid()) {
    throw storageErrors.error('KOS_STORAGE_PERMISSION', { rule: 'owner' })
  }
}

/** Makes the contents of a file durable. */
export function syncFile(path: string): void {
  syncPath(path, constants.O_RDWR)
}

/** Makes the name of a file durable: the entry in its folder. */
export function syncFolder(path: string): void {
  syncPath(dirname(path), constants.O_RDONLY)
}

function inspect(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (cause) {
    throw storageErrors.error('KOS_STORAGE_OPEN', {}, cause)
  }
}

function createPrivate(path: string): void {
  // O_EXCL: neither a link nor a file that appeared in between is taken for ours.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
  let descriptor: number
  try {
    descriptor = openSync(path, flags, OWNER_ONLY)
  } catch (cause) {
    throw storageErrors.error('KOS_STORAGE_OPEN', {}, cause)
  }
  try {
    // The umask may have made the mode too narrow.
    fchmodSync(descriptor, OWNER_ONLY)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  syncFolder(path)
}

function syncPath(path: string, flags: number): void {
  const descriptor = openSync(path, flags)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
