import type { CancelTimer, Clock, MonotonicMs } from '../../foundation/base/index.ts'

/** How late many sessions are looked at, so that one wake-up serves several of them. */
const SHARED_COARSE_MS = 250

/** What is looked at from time to time. */
export interface Watched {
  /** When to look, monotonic; infinite: never. Looking moves it. */
  readonly dueMs: number
  look(nowMs: MonotonicMs): void
}

/**
 * One timer for the slow deadlines of many sessions: heartbeats, silence, keys, end of life. A timer of
 * its own for each would take more memory than what it looks at, and would wake the process for each.
 */
export class SlowTimer {
  readonly #clock: Clock
  readonly #coarseMs: number
  readonly #watched = new Set<Watched>()
  #cancel: CancelTimer | undefined
  #armedMs = Number.POSITIVE_INFINITY
  #ranMs = Number.NEGATIVE_INFINITY

  /** @param coarseMs - shortest time between two rounds */
  constructor(clock: Clock, coarseMs: number) {
    this.#clock = clock
    this.#coarseMs = coarseMs
  }

  /** Looks at it from now on, when it is due. */
  add(watched: Watched): void {
    this.#watched.add(watched)
    this.#arm(watched.dueMs)
  }

  /** Never looks at it again; harmless when repeated. */
  delete(watched: Watched): void {
    this.#watched.delete(watched)
    if (this.#watched.size > 0) return
    this.#cancel?.()
    this.#armedMs = Number.POSITIVE_INFINITY
  }

  #arm(dueMs: number): void {
    const atMs = Math.max(dueMs, this.#ranMs + this.#coarseMs)
    if (atMs >= this.#armedMs) return
    this.#cancel?.()
    this.#armedMs = atMs
    const delayMs = Math.max(0, atMs - this.#clock.monotonicMs())
    this.#cancel = this.#clock.after(delayMs, () => this.#round())
  }

  #round(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#armedMs = Number.POSITIVE_INFINITY
    this.#ranMs = nowMs
    let nextMs = Number.POSITIVE_INFINITY
    for (const watched of this.#watched) {
      if (watched.dueMs <= nowMs) watched.look(nowMs)
      if (watched.dueMs < nextMs) nextMs = watched.dueMs
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs)
  }
}

/**
 * Makes the timer that all sessions of a process share.
 *
 * @param deps - clock
 * @example
 * ```ts
 * import { createSlowTimer } from 'kos/session'
 * import { systemClock } from 'kos/base'
 * createSlowTimer({ clock: systemClock })
 * ```
 */
export function createSlowTimer(deps: { readonly clock: Clock }): SlowTimer {
  return new SlowTimer(deps.clock, SHARED_COARSE_MS)
}
