import { setImmediate as nextTurn } from 'node:timers/promises'
import { equalBytes, isRefusal, KosError, toHex } from '../../foundation/base/index.ts'
import { STORED_LEVELS } from './batch.ts'
import type { CheckpointVerifier, TreeHead } from './checkpoint.ts'
import { decodeEntry } from './entry.ts'
import type { LogReader, StoredEntry, SubtreeRoot } from './log-storage.ts'
import { leafHash, MerkleFrontier } from './merkle.ts'
import type { SignedNote } from './signed-note.ts'

/** Rows per step; between steps the event loop turns. */
const CHUNK = 2048

/**
 * What is wrong with a log.
 *
 * - `missing`: there is no entry of this index, but there are later ones
 * - `edited`: the stored bytes do not have the stored leaf hash
 * - `malformed`: the bytes are not an entry
 * - `misplaced`: the entry says another index than the one it stands at
 * - `root`: the entries up to here do not have the signed root: one of them, from the entry named on,
 *   was replaced together with its hash
 * - `subtree`: a stored interior hash is not that of the entries
 * - `checkpoint-forged`: a checkpoint does not verify
 * - `checkpoint-missing`: there is no checkpoint at all
 * - `truncated`: a checkpoint covers more entries than there are
 */
export type AuditFault =
  | 'missing'
  | 'edited'
  | 'malformed'
  | 'misplaced'
  | 'root'
  | 'subtree'
  | 'checkpoint-forged'
  | 'checkpoint-missing'
  | 'truncated'

/** The result of reading a whole log. */
export interface AuditVerification {
  readonly ok: boolean
  /** Entries read and found sound. */
  readonly entries: number
  /** Checkpoints that verified and agreed. */
  readonly checkpoints: number
  /** Sound entries behind the newest checkpoint: nothing but their own hashes vouches for them. */
  readonly unsealed: number
  /** Root of the sound entries, lower-case hexadecimal. */
  readonly root: string
  readonly firstBad?: {
    /** Index of the first entry that is bad or can be. */
    readonly index: number
    readonly reason: AuditFault
    /** Size of the checkpoint that shows it, or the check of a checkpoint that failed. */
    readonly checkpoint?: number
    readonly rule?: string
  }
}

/** What a log is verified against. */
export interface VerifyOptions {
  readonly verifier: CheckpointVerifier
  /** Checkpoints kept elsewhere: the log must still agree with them. */
  readonly trusted?: readonly SignedNote[]
}

/** Ends the reading at the first fault. */
class Fault extends Error {
  readonly firstBad: NonNullable<AuditVerification['firstBad']>

  constructor(firstBad: NonNullable<AuditVerification['firstBad']>) {
    super(firstBad.reason)
    this.firstBad = firstBad
  }
}

interface Reading {
  readonly reader: LogReader
  readonly verifier: CheckpointVerifier
  readonly frontier: MerkleFrontier
  /** Trusted heads that are still ahead, smallest first. */
  readonly trusted: TreeHead[]
  /** The next stored checkpoint. */
  next: TreeHead | undefined
  checkpoints: number
  /** Size of the last checkpoint that agreed. */
  sealed: number
}

/**
 * Reads a whole log and checks everything that can be: bytes against leaf hashes, order, completeness,
 * interior hashes, the root at every checkpoint, and the checkpoints' signatures.
 *
 * @param reader - the log; entries that are appended meanwhile may or may not be read
 * @param options - the verifier of its checkpoints, and checkpoints kept elsewhere
 * @returns the result; the first bad entry by index
 *
 * **Security:** whoever has both log keys and the file can write another consistent history. Only a
 * checkpoint that was kept elsewhere (`trusted`) shows that.
 */
export async function verifyLog(
  reader: LogReader,
  options: VerifyOptions,
): Promise<AuditVerification> {
  const reading: Reading = {
    reader,
    verifier: options.verifier,
    frontier: new MerkleFrontier(),
    trusted: [],
    next: undefined,
    checkpoints: 0,
    sealed: 0,
  }
  try {
    await readAll(reading, options.trusted ?? [])
    return resultOf(reading)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { ...resultOf(reading), ok: false, firstBad: error.firstBad }
  }
}

function resultOf({ frontier, checkpoints, sealed }: Reading): AuditVerification {
  return {
    ok: true,
    entries: frontier.size,
    checkpoints,
    unsealed: frontier.size - sealed,
    root: toHex(frontier.root()),
  }
}

async function readAll(reading: Reading, trusted: readonly SignedNote[]): Promise<void> {
  const { reader, frontier } = reading
  reading.trusted.push(...trusted.map((note) => requireTrusted(reading, note)))
  reading.trusted.sort((a, b) => a.size - b.size)
  reading.next = await nextCheckpoint(reading, 0)
  if (!reading.next) throw new Fault({ index: 0, reason: 'checkpoint-missing' })
  await compareHeads(reading)
  for (;;) {
    const rows = await reader.entries(frontier.size, CHUNK)
    const completed: SubtreeRoot[] = []
    for (const row of rows) {
      readEntry(frontier, row, completed)
      if (isAtHead(reading)) await compareHeads(reading)
    }
    await compareSubtrees(reader, completed)
    if (rows.length < CHUNK) break
    await nextTurn()
  }
  const ahead = [reading.next, ...reading.trusted].find((head) => head !== undefined)
  if (ahead) {
    throw new Fault({ index: frontier.size, reason: 'truncated', checkpoint: ahead.size })
  }
}

function readEntry(frontier: MerkleFrontier, row: StoredEntry, completed: SubtreeRoot[]): void {
  const index = frontier.size
  if (row.index !== index) throw new Fault({ index, reason: 'missing' })
  const hash = leafHash(row.entry)
  if (!equalBytes(hash, row.leafHash)) throw new Fault({ index, reason: 'edited' })
  if (indexOf(row.entry) !== index) throw new Fault({ index, reason: 'misplaced' })
  frontier.push(hash, (level, at, root) => {
    if (level % STORED_LEVELS === 0) {
      completed.push({ level, index: at, hash: Uint8Array.from(root) })
    }
  })

  function indexOf(entry: Uint8Array): number {
    try {
      return decodeEntry(entry).index
    } catch (error) {
      if (!(error instanceof KosError)) throw error
      throw new Fault({ index, reason: 'malformed' })
    }
  }
}

async function compareSubtrees(
  reader: LogReader,
  completed: readonly SubtreeRoot[],
): Promise<void> {
  for (const { level, index, hash } of completed) {
    const [stored] = await reader.subtrees(level, index, 1)
    if (!stored || !equalBytes(stored, hash)) {
      throw new Fault({ index: index * 2 ** level, reason: 'subtree' })
    }
  }
}

function isAtHead({ frontier, next, trusted }: Reading): boolean {
  return next?.size === frontier.size || trusted[0]?.size === frontier.size
}

/** Compares the tree with every head of its present size. */
async function compareHeads(reading: Reading): Promise<void> {
  const { frontier, trusted } = reading
  const { size } = frontier
  const root = frontier.root()
  while (trusted[0]?.size === size) {
    requireRoot(reading, trusted[0], root)
    trusted.shift()
  }
  if (reading.next?.size !== size) return
  requireRoot(reading, reading.next, root)
  reading.checkpoints += 1
  reading.sealed = size
  reading.next = await nextCheckpoint(reading, size + 1)
}

function requireRoot(reading: Reading, head: TreeHead, root: Uint8Array): void {
  if (equalBytes(head.root, root)) return
  throw new Fault({ index: reading.sealed, reason: 'root', checkpoint: head.size })
}

async function nextCheckpoint(reading: Reading, size: number): Promise<TreeHead | undefined> {
  const stored = await reading.reader.checkpointFrom(size)
  if (!stored) return undefined
  const checkpoint = reading.verifier(stored.note)
  const rule = isRefusal(checkpoint) ? checkpoint.rule : 'size'
  if (isRefusal(checkpoint) || checkpoint.size !== stored.size) {
    const index = reading.sealed
    throw new Fault({ index, reason: 'checkpoint-forged', checkpoint: stored.size, rule })
  }
  return checkpoint
}

function requireTrusted(reading: Reading, note: SignedNote): TreeHead {
  const checkpoint = reading.verifier(note)
  if (!isRefusal(checkpoint)) return checkpoint
  throw new Fault({ index: 0, reason: 'checkpoint-forged', rule: checkpoint.rule })
}
