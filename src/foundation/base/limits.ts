/** A rate as sustained events per second and a burst. */
export interface RateLimit {
  readonly perSecond: number
  readonly burst: number
}

/**
 * One GCRA state: the theoretical arrival time in milliseconds. One number per key, no timers.
 *
 * @see ITU-T I.371, generic cell rate algorithm
 */
export interface Gcra {
  tatMs: number
}

/**
 * Takes one event from a GCRA bucket.
 *
 * @param state - the key's state; changed only when the event conforms
 * @param limit - rate and burst; burst ≥ 1
 * @param nowMs - monotonic milliseconds
 * @returns 0 when the event conforms, else the milliseconds to wait
 * @example
 * ```ts
 * import { takeGcra } from 'kos/base'
 * const state = { tatMs: 0 }
 * takeGcra(state, { perSecond: 1, burst: 1 }, 1000) // 0
 * takeGcra(state, { perSecond: 1, burst: 1 }, 1000) // 1000
 * ```
 */
export function takeGcra(state: Gcra, limit: RateLimit, nowMs: number): number {
  const intervalMs = 1000 / limit.perSecond
  const tatMs = Math.max(state.tatMs, nowMs)
  const waitMs = tatMs - nowMs - intervalMs * (limit.burst - 1)
  if (waitMs > 0) return waitMs
  state.tatMs = tatMs + intervalMs
  return 0
}
