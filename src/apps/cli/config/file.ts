import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Random, toHex } from '../../../foundation/base/index.ts'
import { trustProblem } from '../../../commands/catalog/index.ts'
import { cliErrors } from '../errors.ts'
import { MAX_CONFIG_BYTES } from './yaml.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** A configuration as it was read. */
export interface ConfigFile {
  /** As it was named. */
  readonly path: string
  readonly text: string
  /** Whether others than its owner can read it. */
  readonly isOpen: boolean
  /** Changes with every write. */
  readonly version: string
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a configuration that nobody else could have written.
 *
 * @returns `undefined` when there is none
 * @throws {@link KosError} KOS_CLI_CONFIG naming what is wrong with the file
 */
export function readConfigFile(path: string): ConfigFile | undefined {
  if (!isThere(path)) return undefined
  const problem = trustProblem(path, process.getuid?.() ?? 0, 'file')
  if (problem !== undefined) throw refused(path, `the file ${problem}`)
  const { text, stats } = readText(path)
  return { path, text, isOpen: (stats.mode & 0o044n) !== 0n, version: versionOf(stats) }
}

/**
 * Reads the text of a file, whoever wrote it.
 *
 * @throws {@link KosError} KOS_CLI_CONFIG when it is too large, or no UTF-8
 */
export function readText(path: string): { readonly text: string; readonly stats: BigIntStats } {
  const descriptor = openSync(path, O_RDONLY | O_NONBLOCK)
  try {
    const stats = fstatSync(descriptor, { bigint: true })
    if (stats.size > BigInt(MAX_CONFIG_BYTES)) {
      throw refused(path, `the file is larger than ${MAX_CONFIG_BYTES} bytes`)
    }
    return { text: decode(path, readFileSync(descriptor)), stats }
  } finally {
    closeSync(descriptor)
  }
}

/** A link to nowhere is there: it is refused, not passed over. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw refused(path, 'the file is not UTF-8')
  }
}

function versionOf(stats: BigIntStats): string {
  return `${stats.ino}/${stats.size}/${stats.mtimeNs}/${stats.ctimeNs}`
}

/**
 * Writes a configuration so that after a crash either the old or the new one is there. Owner and mode
 * stay; a new file gets mode 0600 and the owner of its folder.
 *
 * @param place - the path, and what was read there; `undefined`: nothing
 * @param text - the whole content
 * @throws {@link KosError} KOS_CLI_CONFIG when somebody else changed it meanwhile; the error of the file
 * system when the disk refuses. Nothing is changed then
 */
export function writeConfigFile(
  { random }: { readonly random: Random },
  place: { readonly path: string; readonly before: ConfigFile | undefined },
  text: string,
): void {
  const { path, before } = place
  // A link stays one.
  const target = before ? realpathSync(path) : path
  const folder = dirname(target)
  const temporary = join(folder, `.${basename(target)}.${toHex(random.bytes(8))}.tmp`)
  removeStale(folder, basename(target))
  try {
    writeLike(temporary, text, { like: before ? target : folder, isNew: before === undefined })
    const now = statSync(target, { bigint: true, throwIfNoEntry: false })
    if ((now && versionOf(now)) !== before?.version) {
      throw refused(path, 'somebody else changed the file meanwhile')
    }
    renameSync(temporary, target)
  } catch (error) {
    removeQuietly(temporary)
    throw error
  }
  const descriptor = openSync(folder, O_RDONLY | O_DIRECTORY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** What a crash in the middle of a write left behind: secrets may stand in it in the clear. */
function removeStale(folder: string, name: string): void {
  for (const other of readdirSync(folder)) {
    const isStale =
      other.startsWith(`.${name}.`) && /^\.[0-9a-f]{16}\.tmp$/.test(other.slice(name.length + 1))
    if (isStale) removeQuietly(join(folder, other))
  }
}

function writeLike(
  path: string,
  text: string,
  { like, isNew }: { readonly like: string; readonly isNew: boolean },
): void {
  const { uid, gid, mode } = statSync(like)
  const descriptor = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
  try {
    const made = fstatSync(descriptor)
    if (made.uid !== uid || (made.gid !== gid && !isNew)) fchownSync(descriptor, uid, gid)
    if (!isNew) fchmodSync(descriptor, mode & 0o777)
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was never made, or has its name already; the error that led here is the one to report.
  }
}

function refused(path: string, problem: string): Error {
  return cliErrors.error('KOS_CLI_CONFIG', { at: path, problem })
}
