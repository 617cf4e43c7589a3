import type { CancelTimer, Clock, MonotonicMs } from '../../foundation/base/index.ts'

/** How late many sessions are looked at, so that one wake-up serves several of them. */
const SHARED_COARSE_MS = 250

/** What is looked at from time to time. */
export interface Watched {
  /** When to look, monotonic; infinite: never. Looking moves it. */
  readonly dueMs: number
  /** Where the timer keeps it; nobody else's business. */
  slotMs: number
  look(nowMs: MonotonicMs): void
}

/**
 * One timer for the slow deadlines of many sessions: heartbeats, silence, keys, end of life. A timer of
 * its own for each would take more memory than what it looks at, and would wake the process for each.
 */
export class SlowTimer {
  readonly #clock: Clock
  readonly #coarseMs: number
  /** By the time of a round: going through all sessions at each would be dear. */
  readonly #slots = new Map<number, Set<Watched>>()
  #cancel: CancelTimer | undefined
  #armedMs = Number.POSITIVE_INFINITY

  /** @param coarseMs - time between two rounds; 0: each has its own, exactly when it is due */
  constructor(clock: Clock, coarseMs: number) {
    this.#clock = clock
    this.#coarseMs = coarseMs
  }

  /** Looks at it from now on, when it is due. */
  add(watched: Watched): void {
    this.#keep(watched)
    this.#arm(watched.slotMs)
  }

  /** Never looks at it again; harmless when repeated. */
  delete(watched: Watched): void {
    const slot = this.#slots.get(watched.slotMs)
    if (!slot?.delete(watched) || slot.size > 0) return
    this.#slots.delete(watched.slotMs)
    if (this.#slots.size === 0) this.#rest()
  }

  #keep(watched: Watched): void {
    const { dueMs } = watched
    const coarseMs = this.#coarseMs
    const slotMs = coarseMs > 0 ? Math.ceil(dueMs / coarseMs) * coarseMs : dueMs
    watched.slotMs = slotMs
    const slot = this.#slots.get(slotMs)
    if (slot) slot.add(watched)
    else this.#slots.set(slotMs, new Set([watched]))
  }

  #rest(): void {
    this.#cancel?.()
    this.#armedMs = Number.POSITIVE_INFINITY
  }

  #arm(atMs: number): void {
    if (atMs >= this.#armedMs) return
    this.#cancel?.()
    this.#armedMs = atMs
    const delayMs = Math.max(0, atMs - this.#clock.monotonicMs())
    this.#cancel = this.#clock.after(delayMs, () => this.#round())
  }

  #round(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#armedMs = Number.POSITIVE_INFINITY
    const due = [...this.#slots].filter(([slotMs]) => slotMs <= nowMs)
    for (const [slotMs] of due) this.#slots.delete(slotMs)
    for (const [, slot] of due) for (const watched of slot) this.#look(watched, nowMs)
    let nextMs = Number.POSITIVE_INFINITY
    for (const slotMs of this.#slots.keys()) nextMs = Math.min(nextMs, slotMs)
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs)
  }

  #look(watched: Watched, nowMs: MonotonicMs): void {
    if (watched.dueMs <= nowMs) watched.look(nowMs)
    if (watched.dueMs < Number.POSITIVE_INFINITY) this.#keep(watched)
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
