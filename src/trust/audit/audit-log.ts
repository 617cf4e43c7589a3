import {
  type Clock,
  isRefusal,
  type Log,
  type Random,
  type Refusal,
  type UnixMs,
} from '../../foundation/base/index.ts'
import {
  openJournalFile,
  type OpenJournalFile,
  readJournalFile,
  storageErrors,
} from '../../foundation/storage/index.ts'
import {
  type Checkpoint,
  type CheckpointVerifier,
  createCheckpointSigner,
  createCheckpointVerifier,
  type LogKeys,
} from './checkpoint.ts'
import { decodeEntry } from './entry.ts'
import { auditErrors } from './errors.ts'
import type { AuditEvent } from './event.ts'
import { FORWARD_LIMITS, type ForwardBatch, markForwarded, unforwarded } from './forwarding.ts'
import { ingest, type IngestResult, type IngestSource } from './ingest.ts'
import { Journal, JOURNAL_BYTES, journalPath } from './journal.ts'
import { JournaledLogReader } from './journaled-reader.ts'
import { type AuditReceipt, LogWriter } from './log.ts'
import type { LogReader, LogStorage, SourceState, StoredEntry } from './log-storage.ts'
import { consistencyPath, inclusionPath, type InclusionClaim } from './proofs.ts'
import { recoverJournal, recoverLog, type Recovered } from './recover.ts'
import type { SignedNote } from './signed-note.ts'
import { parseAlarms, type SourceAlarm } from './source-alarm.ts'
import { type AuditStore, SqliteLogStorage } from './sqlite-storage.ts'
import { subtreeSource } from './subtrees.ts'
import { type AuditVerification, verifyLog } from './verify.ts'

const DEFAULT_FLUSH_MS = 50
const DEFAULT_MAX_QUEUED = 65_536
const MAX_PAGE = 4096

/** An entry as it is shown. */
export interface AuditEntry {
  readonly index: number
  readonly timeMs: UnixMs
  readonly leafHash: Uint8Array
  /** What happened; of a forwarded entry, what happened at the node. */
  readonly event: AuditEvent
  /** Where a forwarded entry comes from, and when the node recorded it. */
  readonly forwarded?: {
    readonly source: string
    readonly index: number
    readonly timeMs: UnixMs
  }
}

/** An entry, its place in the tree and the checkpoint that seals it: verifiable without the log. */
export interface InclusionProof extends InclusionClaim {
  readonly entry: Uint8Array
  readonly checkpoint: SignedNote
}

/** What a log knows of a node that forwards to it. */
export interface AuditSource {
  readonly source: string
  /** How far the node's log was taken in: the index expected next. */
  readonly nextIndex: number
  /** When its newest entry was taken in, by the clock of this log; absent: none was. */
  readonly takenAtMs?: UnixMs
  /** What stands against the node's log. */
  readonly alarms: readonly SourceAlarm[]
}

/** The audit log of one principal. */
export interface AuditLog {
  /** Name of the log. */
  readonly origin: string
  /** Number of durable entries. */
  readonly size: number
  /** Whether what is recorded now becomes durable; while false, `append` refuses at once. */
  readonly healthy: boolean
  /**
   * Records an event.
   *
   * @returns where it stands, once it is durable; all appends of one turn share one fsync
   * @throws {@link KosError} KOS_AUDIT_UNAVAILABLE, _EVENT or _CLOSED, as a rejection
   */
  append(event: AuditEvent): Promise<AuditReceipt>
  /**
   * Records an event that is durable `flushMs` later. While the log cannot be written, events wait in
   * memory up to `maxQueued`; beyond that they are dropped, and their number is recorded.
   *
   * @param event - not changed afterwards
   * @throws {@link KosError} KOS_AUDIT_EVENT or _CLOSED
   */
  appendSoon(event: AuditEvent): void
  /** The checkpoint over all durable entries; signed now unless it exists. */
  checkpoint(): Promise<Checkpoint>
  /** At most `limit` (≤ 4096) entries from an index on. */
  entries(from: number, limit: number): Promise<readonly AuditEntry[]>
  /** Seals and reads the whole log. @see verifyLog */
  verify(trusted?: readonly SignedNote[]): Promise<AuditVerification>
  /** Proof that an entry is in the log. @throws KOS_AUDIT_RANGE */
  proveInclusion(index: number): Promise<InclusionProof>
  /** Proof that the first `from` entries did not change up to `to`. @throws KOS_AUDIT_RANGE */
  proveConsistency(from: number, to: number): Promise<readonly Uint8Array[]>
  /** Salt of an entry's argument digest, for a receipt; `undefined` when there is none. */
  argumentSalt(index: number): Promise<Uint8Array | undefined>
  /** The next entries to send to the authority. @see FORWARD_LIMITS */
  unforwarded(bounds?: { maxEntries: number; maxBytes: number }): Promise<ForwardBatch>
  /** Says that the authority expects this index next; may go back. @throws KOS_AUDIT_RANGE */
  markForwarded(nextIndex: number): Promise<void>
  /** What is known of the nodes that forward to this log. */
  sources(): Promise<readonly AuditSource[]>
  /** Takes in what a node forwards. @see ingest */
  ingest(from: IngestSource, batch: ForwardBatch): Promise<IngestResult | Refusal>
  /** Writes what waits and signs a checkpoint. @throws KOS_AUDIT_UNAVAILABLE */
  flush(): Promise<void>
  /** Flushes and ends; the store stays open. @throws KOS_AUDIT_UNAVAILABLE when entries were lost */
  close(): Promise<void>
}

/** What a log is made of. */
export interface AuditLogDeps {
  /** A store whose migrations include `auditTables`. */
  readonly store: AuditStore
  readonly keys: LogKeys
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Opens the journal beside the database file; absent: a real one. */
  readonly openJournal?: OpenJournalFile
}

/** Name and bounds of a log. */
export interface AuditLogOptions {
  /** Name of the log, for example `kos.internal/device/kdev-…`: no space, no plus. */
  readonly origin: string
  /** Longest wait of `appendSoon` in milliseconds; default 50. */
  readonly flushMs?: number
  /** Events that may wait in memory; default 65,536. */
  readonly maxQueued?: number
}

/**
 * Opens the append-only log of a principal: takes up where it ended, checks that it agrees with its
 * newest checkpoint, and seals what a crash left unsealed.
 *
 * @param deps - store, log keys, clock, randomness for salts, log
 * @param options - origin, bounds
 * @returns the log
 * @throws {@link KosError} KOS_AUDIT_TAMPERED, KOS_AUDIT_KEY, KOS_AUDIT_NOTE (origin), storage errors
 *
 * **Security:** opening checks the seal and what lies behind it; `verify` checks every entry. Who
 * holds file and keys can rewrite history unseen by this machine: forward to an authority.
 * @example
 * ```ts
 * import { createAuditLog } from 'kos/audit'
 * const audit = await createAuditLog({ store, keys, clock, random, log }, { origin: 'kos.internal/a' })
 * await audit.append({ type: 'admin', actor: '-', target: '-', action: 'start', outcome: 'ok' })
 * ```
 */
export async function createAuditLog(
  deps: AuditLogDeps,
  options: AuditLogOptions,
): Promise<AuditLog> {
  const { origin } = options
  const { keys, clock, random, log } = deps
  const signer = createCheckpointSigner(origin, keys)
  const verifier = createCheckpointVerifier(origin, {
    ed25519: keys.ed25519.spki,
    mlDsa44: keys.mlDsa44.spki,
  })
  const storage: LogStorage = new SqliteLogStorage(deps.store)
  const path = requireLocation(deps.store)
  const recovered = await recover({ storage, verifier, log }, path)
  const file = (deps.openJournal ?? openJournalFile)(path, JOURNAL_BYTES)
  const journal = new Journal(file, recovered.frontier.size)
  const bounds = {
    flushMs: options.flushMs ?? DEFAULT_FLUSH_MS,
    maxQueued: options.maxQueued ?? DEFAULT_MAX_QUEUED,
  }
  const parts = { storage, journal, signer, clock, random, log }
  const writer = new LogWriter(parts, bounds, recovered)
  // Every log has a checkpoint from its first moment on, so that its absence is a finding.
  await writer.checkpoint()
  return assemble({ storage, writer, clock, verifier, origin, raw: deps.store.raw })
}

/** The journal stands beside the file that the store holds a lock for. */
function requireLocation({ raw }: AuditStore): string {
  const location = raw.location()
  if (location === null) throw storageErrors.error('KOS_STORAGE_OPEN', { rule: 'file' })
  return journalPath(location)
}

async function recover(
  deps: {
    readonly storage: LogStorage
    readonly verifier: CheckpointVerifier
    readonly log: Log
  },
  path: string,
): Promise<Recovered> {
  const { storage, verifier, log } = deps
  try {
    const recovered = await recoverLog(storage, verifier)
    return await recoverJournal(storage, recovered, readJournalFile(path, JOURNAL_BYTES))
  } catch (error) {
    if (auditErrors.has(error)) {
      log.event('audit.tampered', { rule: String(error.details['rule']) }, 'error')
    }
    throw error
  }
}

interface Parts {
  readonly storage: LogStorage
  readonly writer: LogWriter
  readonly clock: Clock
  readonly verifier: CheckpointVerifier
  readonly origin: string
  readonly raw: AuditStore['raw']
}

function assemble(parts: Parts): AuditLog {
  const { storage, writer, verifier, origin, raw } = parts
  // Tables that take nothing at the moment are continued by what only the journal holds.
  const reader = (): LogReader =>
    writer.unfolded.length === 0 ? storage : new JournaledLogReader(raw, () => writer.unfolded)
  return Object.freeze({
    origin,
    get size(): number {
      return writer.size
    },
    get healthy(): boolean {
      return writer.healthy
    },
    append: (event: AuditEvent) => writer.append(event),
    appendSoon: (event: AuditEvent) => writer.appendSoon(event),
    checkpoint: () => writer.checkpoint(),
    entries: async (from: number, limit: number) => {
      await writer.fold()
      return (await reader().entries(from, Math.min(limit, MAX_PAGE))).map(shown)
    },
    verify: async (trusted: readonly SignedNote[] = []) => {
      // A log that cannot be written can still be read.
      await writer.flush().catch(() => undefined)
      return verifyLog(reader(), { verifier, trusted })
    },
    proveInclusion: (index: number) => proveInclusion(parts, index),
    proveConsistency: (from: number, to: number) => {
      requireIndex(writer, to - 1)
      return writer.fold().then(() => consistencyPath(subtreeSource(storage), from, to))
    },
    argumentSalt: async (index: number) => {
      await writer.fold()
      return storage.salt(index)
    },
    unforwarded: (bounds = FORWARD_LIMITS) => unforwarded(parts, bounds),
    markForwarded: (nextIndex: number) => markForwarded(parts, nextIndex),
    sources: async () => {
      const states = await storage.sources()
      return Promise.all(states.map((state) => sourceOf(storage, state)))
    },
    ingest: (from: IngestSource, batch: ForwardBatch) => ingest(parts, from, batch),
    flush: () => writer.flush(),
    close: () => writer.close(),
  })
}

async function sourceOf(
  storage: LogStorage,
  { source, nextIndex, alarm }: SourceState,
): Promise<AuditSource> {
  const newest = await storage.forwarded({ source, sourceIndex: nextIndex - 1 })
  const takenAtMs = newest && decodeEntry(newest.entry).timeMs
  const alarms = parseAlarms(alarm)
  return { source, nextIndex, ...(takenAtMs !== undefined && { takenAtMs }), alarms }
}

async function proveInclusion(
  { storage, writer, verifier }: Parts,
  index: number,
): Promise<InclusionProof> {
  requireIndex(writer, index)
  const newest = writer.newestCheckpoint
  const sealed = newest && newest.size > index ? newest : await writer.checkpoint()
  const [stored] = await storage.entries(index, 1)
  const checkpoint = verifier(sealed.note)
  if (stored?.index !== index || isRefusal(checkpoint)) {
    throw auditErrors.error('KOS_AUDIT_RANGE', { index })
  }
  return Object.freeze({
    index,
    size: sealed.size,
    root: sealed.root,
    leafHash: stored.leafHash,
    entry: stored.entry,
    path: await inclusionPath(subtreeSource(storage), index, sealed.size),
    checkpoint: sealed.note,
  })
}

function requireIndex(writer: LogWriter, index: number): void {
  if (!Number.isSafeInteger(index) || index < 0 || index >= writer.size) {
    throw auditErrors.error('KOS_AUDIT_RANGE', { index, size: writer.size })
  }
}

function shown(stored: StoredEntry): AuditEntry {
  const decoded = decodeEntry(stored.entry)
  const head = { index: decoded.index, timeMs: decoded.timeMs, leafHash: stored.leafHash }
  if (decoded.event) return Object.freeze({ ...head, event: decoded.event })
  const { source, entry } = decoded.forwarded
  const inner = decodeEntry(entry)
  if (!inner.event) throw auditErrors.error('KOS_AUDIT_ENTRY', { rule: 'forwarded' })
  return Object.freeze({
    ...head,
    event: inner.event,
    forwarded: { source, index: inner.index, timeMs: inner.timeMs },
  })
}
