import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  type BigIntStats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Random, toHex } from '../../foundation/base/index.ts'
import { keysErrors } from './errors.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const TEMPORARY = /^keystore\.(?:cbor|key)\.[0-9a-f]{16}\.tmp$/

/** Which version of a file was read or written; another process's write changes it. */
export type FileVersion = string

/** A file's content with its version. */
export interface FileContent {
  readonly bytes: Uint8Array
  readonly version: FileVersion
}

/**
 * Makes the folder if it is missing, refuses it when others can write into it, and clears what a
 * crash in the middle of a write left behind.
 */
export function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
  const stats = lstatSync(folder, { bigint: true })
  if (!stats.isDirectory()) throw modeError('folder: not a folder')
  checkOwner(stats, 'folder')
  // Whoever can write into the folder can exchange its files, whatever their mode.
  if ((stats.mode & 0o022n) !== 0n) throw modeError('folder: others can write')
  for (const name of readdirSync(folder)) {
    if (TEMPORARY.test(name)) unlinkSync(join(folder, name))
  }
}

/**
 * Reads a file that must belong to this user alone.
 *
 * @returns the content, or `undefined` when there is no such file
 * @throws KOS_KEYS_MODE for other modes, owners and links; KOS_KEYS_CORRUPT above `maxBytes`
 */
export function readPrivateFile(path: string, maxBytes: number): FileContent | undefined {
  const descriptor = openPrivate(path)
  if (descriptor === undefined) return undefined
  try {
    // On the open descriptor: nobody can exchange the file between check and use.
    const stats = fstatSync(descriptor, { bigint: true })
    if (!stats.isFile()) throw modeError('file: not a plain file')
    checkOwner(stats, 'file')
    if ((stats.mode & 0o177n) !== 0n) throw modeError('file: mode is not 0600')
    if (stats.size > BigInt(maxBytes)) throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'size' })
    const bytes = new Uint8Array(Number(stats.size))
    let filled = 0
    while (filled < bytes.length) {
      const count = readSync(descriptor, bytes, filled, bytes.length - filled, null)
      if (count === 0) throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'size' })
      filled += count
    }
    return { bytes, version: versionOf(stats) }
  } finally {
    closeSync(descriptor)
  }
}

/** The version of the file at a path now; `undefined` when there is none. */
export function currentVersion(path: string): FileVersion | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stats && versionOf(stats)
}

/**
 * Writes a file so that after a crash either the old or the new content is there: a temporary file,
 * synced, takes the name, and the folder is synced.
 *
 * @param place - folder and file name
 * @param bytes - the whole content
 * @param options - `replace: false` refuses when the file exists (KOS_KEYS_CHANGED)
 * @returns the version written
 * @throws KOS_KEYS_WRITE when the disk refuses; the old content stands then
 */
export function writePrivateFile(
  place: { readonly folder: string; readonly name: string },
  bytes: Uint8Array,
  options: { readonly random: Random; readonly replace: boolean },
): FileVersion {
  const path = join(place.folder, place.name)
  const temporary = `${path}.${toHex(options.random.bytes(8))}.tmp`
  try {
    const version = writeTemporary(temporary, bytes)
    if (options.replace) renameSync(temporary, path)
    else linkSync(temporary, path)
    if (!options.replace) unlinkSync(temporary)
    syncFolder(place.folder)
    return version
  } catch (cause) {
    removeQuietly(temporary)
    if (isCode(cause, 'EEXIST')) throw keysErrors.error('KOS_KEYS_CHANGED', {}, cause)
    throw keysErrors.error('KOS_KEYS_WRITE', {}, cause)
  }
}

/** Removes a file, durably; there need be none. */
export function removePrivateFile(place: { readonly folder: string; readonly name: string }): void {
  const path = join(place.folder, place.name)
  if (currentVersion(path) === undefined) return
  try {
    unlinkSync(path)
    syncFolder(place.folder)
  } catch (cause) {
    throw keysErrors.error('KOS_KEYS_WRITE', {}, cause)
  }
}

function openPrivate(path: string): number | undefined {
  try {
    // O_NONBLOCK: a named pipe in the place of the file must not block the start.
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return undefined
    throw keysErrors.error('KOS_KEYS_MODE', { rule: 'file: cannot be opened' }, cause)
  }
}

function writeTemporary(path: string, bytes: Uint8Array): FileVersion {
  const descriptor = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, FILE_MODE)
  try {
    for (let written = 0; written < bytes.length;) {
      written += writeSync(descriptor, bytes, written)
    }
    fsyncSync(descriptor)
    return versionOf(fstatSync(descriptor, { bigint: true }))
  } finally {
    closeSync(descriptor)
  }
}

/** A rename is durable only when its folder is. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, O_RDONLY | O_DIRECTORY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was never made, or is the name already; the error that led here is the one to report.
  }
}

function versionOf(stats: BigIntStats): FileVersion {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`
}

function checkOwner(stats: BigIntStats, what: string): void {
  const user = process.getuid?.()
  if (user !== undefined && stats.uid !== BigInt(user)) throw modeError(`${what}: another owner`)
}

function modeError(rule: string): Error {
  return keysErrors.error('KOS_KEYS_MODE', { rule })
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
