import { z } from '../../foundation/base/index.ts'
import { MAX_ENTRY_BYTES } from './entry.ts'
import { auditErrors } from './errors.ts'
import type { LogWriter } from './log.ts'
import type { LogStorage } from './log-storage.ts'
import type { SignedNote } from './signed-note.ts'

/** Bounds of one batch on the wire. */
export const FORWARD_LIMITS: { readonly maxEntries: number; readonly maxBytes: number } =
  Object.freeze({ maxEntries: 1024, maxBytes: 1024 * 1024 })

/** Entries of a node on their way to the authority. */
export interface ForwardBatch {
  /** Index of the first of `entries` in the node's log. */
  readonly first: number
  /** The entries' bytes, in order, without gaps. */
  readonly entries: readonly Uint8Array[]
  /** Newest checkpoint of the node's log; it covers the entries. */
  readonly checkpoint: SignedNote
}

/** The shape of a batch, for the command that carries it. */
export const forwardBatchSchema: z.ZodType<ForwardBatch> = z.strictObject({
  first: z.int().min(0),
  entries: z
    .array(z.instanceof(Uint8Array).refine((entry) => entry.length <= MAX_ENTRY_BYTES))
    .max(FORWARD_LIMITS.maxEntries),
  checkpoint: z.string().max(16 * 1024),
})

/**
 * The next entries to forward: sealed by a checkpoint, not yet acknowledged, within the bounds but
 * at least one. Empty when all are forwarded.
 */
export async function unforwarded(
  deps: { readonly storage: LogStorage; readonly writer: LogWriter },
  bounds: { readonly maxEntries: number; readonly maxBytes: number },
): Promise<ForwardBatch> {
  const { storage, writer } = deps
  const first = await storage.forwardedIndex()
  const checkpoint = writer.newestCheckpoint ?? (await writer.checkpoint())
  const count = Math.min(bounds.maxEntries, checkpoint.size - first)
  const rows = count > 0 ? await storage.entries(first, count) : []
  const entries: Uint8Array[] = []
  let bytes = 0
  for (const { entry } of rows) {
    bytes += entry.length
    if (bytes > bounds.maxBytes && entries.length > 0) break
    entries.push(entry)
  }
  return { first, entries, checkpoint: checkpoint.note }
}

/** Moves the cursor, also backwards: an authority that was restored asks for older entries again. */
export async function markForwarded(
  deps: { readonly storage: LogStorage; readonly writer: LogWriter },
  nextIndex: number,
): Promise<void> {
  const { size } = deps.writer
  if (!Number.isSafeInteger(nextIndex) || nextIndex < 0 || nextIndex > size) {
    throw auditErrors.error('KOS_AUDIT_RANGE', { index: nextIndex, size })
  }
  await deps.storage.setForwardedIndex(nextIndex)
}
