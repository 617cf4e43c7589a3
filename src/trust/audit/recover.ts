import { equalBytes, isRefusal } from '../../foundation/base/index.ts'
import { hashBatch, type HashedBatch } from './batch.ts'
import type { Checkpoint, CheckpointVerifier } from './checkpoint.ts'
import { decodeEntry } from './entry.ts'
import { auditErrors } from './errors.ts'
import { continuation, entriesOf } from './journal.ts'
import type {
  EncodedRecords,
  LogReader,
  LogStorage,
  StoredCheckpoint,
  StoredEntry,
} from './log-storage.ts'
import { joinBatches } from './lots.ts'
import { leafHash, MerkleFrontier } from './merkle.ts'

const CHUNK = 1024

/** A log as it was found. */
export interface Recovered {
  readonly frontier: MerkleFrontier
  /** `undefined`: the log never had one, so it is new or was cut off in its first second. */
  readonly checkpoint: Checkpoint | undefined
}

/**
 * Takes up a log after a stop or a crash: the newest checkpoint must verify and agree with the
 * entries it covers; later entries, written but not yet sealed, are hashed again.
 *
 * @param storage - the log
 * @param verifier - of its own checkpoints
 * @returns frontier and newest checkpoint
 * @throws {@link KosError} KOS_AUDIT_TAMPERED; the rule names the check, the index the entry
 *
 * **Security:** entries below the checkpoint are trusted by their stored hashes here; `verify`
 * reads every one of them.
 */
export async function recoverLog(
  storage: LogStorage,
  verifier: CheckpointVerifier,
): Promise<Recovered> {
  const stored = await storage.newestCheckpoint()
  const size = await storage.size()
  if (!stored) {
    return { frontier: await replay(storage, new MerkleFrontier()), checkpoint: undefined }
  }
  const checkpoint = verifier(stored.note)
  if (isRefusal(checkpoint)) throw tampered(`checkpoint: ${checkpoint.rule}`, stored.size)
  if (checkpoint.size !== stored.size) throw tampered('checkpoint: size', stored.size)
  if (size < checkpoint.size) throw tampered('truncated', size)
  const frontier = await frontierAt(storage, stored, checkpoint)
  return { frontier: await replay(storage, frontier), checkpoint }
}

/** The stored frontier when it fits the signed root, else one from all leaf hashes. */
async function frontierAt(
  storage: LogReader,
  stored: StoredCheckpoint,
  checkpoint: Checkpoint,
): Promise<MerkleFrontier> {
  const restored = MerkleFrontier.restore(checkpoint.size, stored.frontier)
  if (restored && equalBytes(restored.root(), checkpoint.root)) return restored
  const rebuilt = new MerkleFrontier()
  while (rebuilt.size < checkpoint.size) {
    const count = Math.min(CHUNK, checkpoint.size - rebuilt.size)
    const hashes = await storage.subtrees(0, rebuilt.size, count)
    if (hashes.length !== count) throw tampered('missing', rebuilt.size)
    for (const hash of hashes) rebuilt.push(hash)
  }
  if (!equalBytes(rebuilt.root(), checkpoint.root)) throw tampered('root', checkpoint.size)
  return rebuilt
}

/** Appends the entries from the frontier on, which no checkpoint covers yet. */
async function replay(storage: LogReader, frontier: MerkleFrontier): Promise<MerkleFrontier> {
  for (;;) {
    const rows = await storage.entries(frontier.size, CHUNK)
    for (const row of rows) {
      requireSound(row, frontier.size)
      frontier.push(row.leafHash)
    }
    if (rows.length < CHUNK) return frontier
  }
}

/**
 * Brings what only the journal holds into the tables: what was durable when a process was killed.
 *
 * @param storage - the tables
 * @param recovered - what was found in them
 * @param bytes - contents of the journal file; `undefined`: there is none
 * @returns the log with these entries; they are durable in the tables
 * @throws {@link KosError} KOS_AUDIT_TAMPERED when the tables end before the journal begins
 */
export async function recoverJournal(
  storage: LogStorage,
  recovered: Recovered,
  bytes: Uint8Array | undefined,
): Promise<Recovered> {
  const { frontier } = recovered
  const { frames, hasGap } = continuation(bytes, frontier.size)
  if (hasGap) throw tampered('missing', frontier.size + sum(frames))
  if (frames.length === 0) return recovered
  const batches: HashedBatch[] = []
  for (const frame of frames) {
    for (const entry of entriesOf(frame)) requireSound(entry, entry.index)
    batches.push(hashBatch(frame, frontier))
  }
  await storage.append(joinBatches(batches, undefined))
  return recovered
}

function sum(frames: readonly EncodedRecords[]): number {
  return frames.reduce((total, { count }) => total + count, 0)
}

function requireSound(row: StoredEntry, index: number): void {
  if (row.index !== index) throw tampered('missing', index)
  if (!equalBytes(leafHash(row.entry), row.leafHash)) throw tampered('edited', index)
  if (decodeEntry(row.entry).index !== index) throw tampered('misplaced', index)
}

function tampered(rule: string, index: number): Error {
  return auditErrors.error('KOS_AUDIT_TAMPERED', { rule, index })
}
