import { equalBytes } from '../../foundation/base/index.ts'
import type { HashedBatch } from './batch.ts'
import {
  type EncodedEntries,
  type EntryOrigin,
  type LogChange,
  SALT_BYTES,
  type SourceState,
} from './log-storage.ts'
import {
  joinTexts,
  MAX_SHARED_BYTES,
  MAX_TEXTS,
  splitTexts,
  startOf,
  TEXT_HEAD_BYTES,
} from './records.ts'

/** So many entries are a lot of their own: joining them with others would only copy them. */
const WHOLE_LOT = 512

/**
 * Joins batches into one change, so that few large segments are stored in place of many rows.
 *
 * @param batches - at least one, each where the one before it ends
 * @param source - state of a forwarding node to be stored with them
 */
export function joinBatches(
  batches: readonly HashedBatch[],
  source: SourceState | undefined,
): LogChange {
  const lots: EncodedEntries[] = []
  let open = new Lot()
  const close = (): void => {
    if (open.count > 0) lots.push(open.finish())
    open = new Lot()
  }
  for (const batch of batches) {
    if (batch.count >= WHOLE_LOT) {
      close()
      lots.push(batch)
      continue
    }
    if (!open.take(batch)) {
      close()
      open.take(batch)
    }
  }
  close()
  const subtrees = batches.flatMap((batch) => batch.subtrees)
  return { first: batches[0]?.first ?? 0, lots, subtrees, source }
}

/** Small batches on their way into one lot, with one set of shared texts. */
class Lot {
  readonly #batches: HashedBatch[] = []
  readonly #references: (readonly number[])[] = []
  #texts: Uint8Array[] = []
  #textBytes = 0
  count = 0

  /** Takes a batch; `false`: there is no room for its texts beside those of the others. */
  take(batch: HashedBatch): boolean {
    const references = this.#referencesOf(batch)
    if (!references) return false
    this.#batches.push(batch)
    this.#references.push(references)
    this.count += batch.count
    return true
  }

  /** What the references of a batch become; of the same texts again, the same. */
  #referencesOf({ shared }: HashedBatch): readonly number[] | undefined {
    const before = this.#batches.at(-1)
    if (before && before.shared === shared) return this.#references.at(-1)
    const texts = [...this.#texts]
    let bytes = this.#textBytes
    const references = [0]
    for (const text of splitTexts(shared)) {
      let at = texts.findIndex((known) => equalBytes(known, text))
      if (at < 0) {
        at = texts.push(text) - 1
        bytes += TEXT_HEAD_BYTES + text.length
      }
      references.push(at + 1)
    }
    const hasRoom = texts.length <= MAX_TEXTS && bytes <= MAX_SHARED_BYTES
    if (!hasRoom && this.count > 0) return undefined
    this.#texts = texts
    this.#textBytes = bytes
    return references
  }

  finish(): EncodedEntries {
    const batches = this.#batches
    const [only] = batches
    if (only && batches.length === 1) return only
    const records = Buffer.concat(batches.map((batch) => batch.records))
    const ends = new Uint32Array(this.count)
    const hasSalts = batches.some(({ salts }) => salts !== undefined)
    const salts = hasSalts ? new Uint8Array(this.count * SALT_BYTES) : undefined
    const origins = new Map<number, EntryOrigin>()
    let [at, length] = [0, 0]
    for (const [number, batch] of batches.entries()) {
      const references = this.#references[number] ?? []
      for (let offset = 0; offset < batch.count; offset += 1) {
        const start = length + startOf(batch.ends, offset)
        records[start] = references[records[start] ?? 0] ?? 0
        ends[at + offset] = length + (batch.ends[offset] ?? 0)
      }
      if (batch.salts) salts?.set(batch.salts, at * SALT_BYTES)
      for (const [offset, origin] of batch.origins) origins.set(at + offset, origin)
      at += batch.count
      length += batch.records.length
    }
    return {
      count: this.count,
      shared: joinTexts(this.#texts),
      records,
      ends,
      hashes: Buffer.concat(batches.map((batch) => batch.hashes)),
      salts,
      origins,
    }
  }
}
