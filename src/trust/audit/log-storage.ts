import type { Records } from './records.ts'
import type { SignedNote } from './signed-note.ts'

/** One entry as it is stored. */
export interface StoredEntry {
  readonly index: number
  readonly leafHash: Uint8Array
  readonly entry: Uint8Array
}

/** Bytes of a leaf hash. */
export const HASH_BYTES = 32
/** Bytes of the salt of an argument digest. */
export const SALT_BYTES = 16

/** Entries one after the other, not hashed yet. */
export interface EncodedRecords extends Records {
  /**
   * Salts of argument digests, 16 bytes each, zeros where there is none: beside the entries, not in
   * them, so that they can be erased. `undefined` when no entry has one.
   */
  readonly salts: Uint8Array | undefined
  /** Where entries came from that a node forwarded, by their place among these. */
  readonly origins: ReadonlyMap<number, EntryOrigin>
}

/** Entries one after the other, with their hashes. */
export interface EncodedEntries extends EncodedRecords {
  /** Leaf hashes, 32 bytes each. */
  readonly hashes: Uint8Array
}

/** Entries as the journal takes them, at once. */
export interface EncodedBatch extends EncodedRecords {
  /** Index of the first. */
  readonly first: number
  /** All of it with a check, as it stands in the journal. */
  readonly frame: Uint8Array
}

/** Position of a forwarded entry in the log of its node. */
export interface EntryOrigin {
  readonly source: string
  readonly sourceIndex: number
}

/** Root of a perfect subtree of 2^level leaves, the `index`-th of its level. */
export interface SubtreeRoot {
  readonly level: number
  readonly index: number
  readonly hash: Uint8Array
}

/** A signed checkpoint and the tree's right edge at its size. */
export interface StoredCheckpoint {
  readonly size: number
  readonly note: SignedNote
  readonly frontier: Uint8Array
  readonly signedAtMs: number
}

/** What the authority knows of one forwarding node. */
export interface SourceState {
  readonly source: string
  /** Index of the next entry that is expected. */
  readonly nextIndex: number
  /** Right edge of the node's tree at that size. */
  readonly frontier: Uint8Array
  /** Newest checkpoint of the node that agreed with its entries. */
  readonly checkpoint: SignedNote | undefined
  /** The alarms that stand, as `formatAlarms` writes them; they were recorded. */
  readonly alarm: string | undefined
}

/** One atomic change. */
export interface LogChange {
  /** Index of the first entry; equals the number of stored entries. */
  readonly first: number
  /** The entries, in lots that are stored together. */
  readonly lots: readonly EncodedEntries[]
  readonly subtrees: readonly SubtreeRoot[]
  readonly source?: SourceState | undefined
}

/** Reads a log; enough to verify it. */
export interface LogReader {
  /** Entries with an index from `first` on, by index; gaps show as missing indexes. */
  entries(first: number, limit: number): Promise<readonly StoredEntry[]>
  /** The checkpoint with the smallest size of at least `size`. */
  checkpointFrom(size: number): Promise<StoredCheckpoint | undefined>
  newestCheckpoint(): Promise<StoredCheckpoint | undefined>
  /**
   * Roots of `count` consecutive subtrees of a level that is a multiple of 8; level 0 are the leaf
   * hashes. Fewer when some are missing.
   */
  subtrees(level: number, first: number, count: number): Promise<readonly Uint8Array[]>
}

/**
 * Where a log is kept. Declared here so that another engine can take the place of SQLite; every
 * write is atomic and, where nothing else is said, durable when its promise resolves.
 */
export interface LogStorage extends LogReader {
  /** Number of stored entries: the highest index plus one. */
  size(): Promise<number>
  append(change: LogChange): Promise<void>
  /**
   * As {@link append}, but durable only after {@link settle}, a later `append` or a checkpoint of the
   * engine: for what stands durably in the journal. Order is kept: what is lost is lost from the end.
   */
  stage(change: LogChange): Promise<void>
  /** Makes what was staged durable; the event loop goes on meanwhile. */
  settle(): Promise<void>
  /** Adds a checkpoint, staged. Older ones are thinned to one per hour; the newest is always there. */
  addCheckpoint(checkpoint: StoredCheckpoint): Promise<void>
  salt(index: number): Promise<Uint8Array | undefined>
  /** Index of the first entry that was not forwarded to the authority. */
  forwardedIndex(): Promise<number>
  /** Staged: what is lost is forwarded again. */
  setForwardedIndex(index: number): Promise<void>
  source(name: string): Promise<SourceState | undefined>
  setSource(state: SourceState): Promise<void>
  /** All sources, by name. */
  sources(): Promise<readonly SourceState[]>
  /** The entry that holds one which a node forwarded. */
  forwarded(origin: EntryOrigin): Promise<StoredEntry | undefined>
}
