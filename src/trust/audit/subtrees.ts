import { STORED_LEVELS } from './batch.ts'
import { auditErrors } from './errors.ts'
import type { LogReader } from './log-storage.ts'
import { nodeHash } from './merkle.ts'
import type { SubtreeSource } from './proofs.ts'

/**
 * Roots of perfect subtrees of a stored log: read at the nearest stored level below, at most 128 of
 * them, and joined upwards.
 *
 * @param reader - the log
 */
export function subtreeSource(reader: LogReader): SubtreeSource {
  return async (level, index) => {
    const height = level % STORED_LEVELS
    const count = 2 ** height
    let hashes = await reader.subtrees(level - height, index * count, count)
    if (hashes.length !== count) throw auditErrors.error('KOS_AUDIT_RANGE', { level, index })
    for (let left = height; left > 0; left -= 1) hashes = joinPairs(hashes)
    return Uint8Array.from(hashes[0] ?? [])
  }
}

/** The level above: nodes over pairs of hashes. */
export function joinPairs(hashes: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  for (let index = 0; index + 1 < hashes.length; index += 2) {
    const [left, right] = [hashes[index], hashes[index + 1]]
    if (left && right) joined.push(nodeHash(left, right))
  }
  return joined
}
