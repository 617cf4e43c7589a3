import type { Random } from '../../foundation/base/index.ts'

/** Bounds of the pauses between connection attempts. */
export interface BackoffLimits {
  readonly minMs: number
  readonly maxMs: number
}

/** One second to five minutes. */
export const DEFAULT_BACKOFF: BackoffLimits = Object.freeze({ minMs: 1000, maxMs: 300_000 })

/** How long to wait before the next connection attempt to one peer. */
export interface Backoff {
  /**
   * The pause after a failed attempt.
   *
   * @param retryAfterMs - what the peer asked for (BUSY, GOAWAY, or a refusal); 0 when it did not
   * @returns milliseconds to wait
   */
  next(retryAfterMs?: number): number
  /** An attempt reached READY: start from the smallest pause again. */
  reset(): void
}

/**
 * Exponential backoff with full jitter: a pause is random between zero and a cap that doubles with
 * every failure, so that a fleet which lost its authority does not come back in step. A peer that asks
 * for time gets it, and the jitter comes on top; what it asks is bounded by `maxMs`, so that a hostile
 * one cannot silence us.
 *
 * @param deps - randomness
 * @param limits - {@link DEFAULT_BACKOFF}
 * @example
 * ```ts
 * const backoff = createBackoff({ random })
 * clock.after(backoff.next(), dialAgain)
 * ```
 */
export function createBackoff(
  deps: { readonly random: Random },
  limits: BackoffLimits = DEFAULT_BACKOFF,
): Backoff {
  let failures = 0
  return {
    next: (retryAfterMs = 0) => {
      const capMs = Math.min(limits.maxMs, limits.minMs * 2 ** failures)
      if (capMs < limits.maxMs) failures++
      const askedMs = Math.min(Math.max(0, retryAfterMs), limits.maxMs)
      return Math.round(askedMs + deps.random.fraction() * Math.max(capMs, askedMs))
    },
    reset: () => {
      failures = 0
    },
  }
}
