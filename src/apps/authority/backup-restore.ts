import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { parseTrustDomain, type Secret } from '../../foundation/base/index.ts'
import { syncFolder } from '../../foundation/storage/index.ts'
import {
  type AuthorityStateDeps,
  closeAuthorityState,
  openAuthorityState,
} from './authority-state.ts'
import { type BackupSink, type BackupSummary, readBackup } from './backup-archive.ts'
import { authorityErrors } from './errors.ts'
import { markRestored } from './restored-mark.ts'

/** Which backup, and where to. */
export interface RestoreOptions {
  readonly file: string
  /** State folder of the authority to be; it must not exist, or be empty. */
  readonly folder: string
  readonly passphrase: Secret
}

/** A backup that was brought back and verified. */
export interface RestoredBackup extends BackupSummary {
  /** Entries of the audit log, read and verified. */
  readonly verifiedEntries: number
  /** Whether the root keys were in it; without them the new era needs the root file. */
  readonly hasRootKeys: boolean
}

/**
 * What a backup says of itself; every byte of it is read and verified.
 *
 * @throws {@link KosError} KOS_KEYS_UNLOCK for a wrong passphrase, KOS_AUTHORITY_BACKUP `no-backup`, `truncated`,
 *   `damaged`, `format`
 */
export function inspectBackup(from: Pick<RestoreOptions, 'file' | 'passphrase'>): BackupSummary {
  const descriptor = openSync(from.file, 'r')
  try {
    return readBackup({ descriptor, passphrase: from.passphrase }, undefined)
  } finally {
    closeSync(descriptor)
  }
}

/** A backup that lies open beside the folder that it is for. */
export interface UnpackedBackup {
  readonly folder: string
  readonly summary: BackupSummary
}

/**
 * The first half of a restore: unpacks a backup beside the folder. The second is {@link restoreUnpacked}.
 *
 * @throws {@link KosError} KOS_KEYS_UNLOCK for a wrong passphrase, KOS_AUTHORITY_BACKUP `folder`, `no-backup`,
 *   `truncated`, `damaged`, `format`, `files`. Nothing is left then.
 */
export function unpackBackup({ file, folder, passphrase }: RestoreOptions): UnpackedBackup {
  requireFree(folder)
  const unpacked = placeOf(folder)
  rmSync(unpacked, { recursive: true, force: true })
  const descriptor = openSync(file, 'r')
  const sink = sinkInto(unpacked)
  try {
    // Nothing is made before the passphrase fits.
    const summary = readBackup({ descriptor, passphrase }, sink)
    if (!sink.isWhole()) throw backupError('files')
    return { folder, summary }
  } catch (error) {
    sink.close()
    rmSync(unpacked, { recursive: true, force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Brings an authority back from what was unpacked: opens it as an authority would (keys, CA, both roots,
 * database), reads its whole audit log, and only then gives it its name. The authority that starts there
 * asks its members first; see `docs/credentials.md`.
 *
 * @throws {@link KosError} KOS_AUTHORITY_BACKUP `folder`, `format`, `audit`, and what opening throws. Nothing is
 *   left then.
 */
export async function restoreUnpacked(
  deps: AuthorityStateDeps,
  { folder, summary }: UnpackedBackup,
): Promise<RestoredBackup> {
  const unpacked = placeOf(folder)
  try {
    const verified = await verify(deps, unpacked, summary)
    markRestored(unpacked, { backupAt: summary.createdAt })
    requireFree(folder)
    if (existsSync(folder)) rmdirSync(folder)
    renameSync(unpacked, folder)
    syncFolder(folder)
    return { ...summary, ...verified }
  } catch (error) {
    rmSync(unpacked, { recursive: true, force: true })
    throw error
  }
}

function placeOf(folder: string): string {
  return `${folder}.restoring`
}

function requireFree(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) throw backupError('folder')
}

/** The names are those that a backup may hold, each once: none leads out of the folder. */
function sinkInto(folder: string): BackupSink & { isWhole(): boolean; close(): void } {
  const seen = new Set<string>()
  let descriptor: number | undefined
  const close = (): void => {
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = undefined
  }
  return {
    isWhole: () => ['authority.sqlite', 'keys/keystore.cbor'].every((name) => seen.has(name)),
    close,
    file: (name) => {
      const path = join(folder, name)
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      if (seen.has(name)) throw backupError('format')
      seen.add(name)
      const opened = openSync(path, 'wx', 0o600)
      descriptor = opened
      return {
        write: (bytes) => {
          for (let written = 0; written < bytes.length;) {
            written += writeSync(opened, bytes, written)
          }
        },
        end: () => {
          fsyncSync(opened)
          close()
        },
      }
    },
  }
}

async function verify(
  deps: AuthorityStateDeps,
  folder: string,
  summary: BackupSummary,
): Promise<Pick<RestoredBackup, 'verifiedEntries' | 'hasRootKeys'>> {
  const trustDomain = parseTrustDomain(summary.trustDomain)
  if (!trustDomain) throw backupError('format')
  const state = await openAuthorityState(deps, { folder, trustDomain })
  try {
    const { ok, entries } = await state.audit.verify()
    if (!ok || state.isNew) throw backupError('audit')
    return { verifiedEntries: entries, hasRootKeys: state.ca.hasRootKeys }
  } finally {
    await closeAuthorityState(state)
  }
}

function backupError(rule: 'audit' | 'files' | 'folder' | 'format'): Error {
  return authorityErrors.error('KOS_AUTHORITY_BACKUP', { rule })
}
