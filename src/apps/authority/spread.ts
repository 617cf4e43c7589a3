import type { CancelTimer, Clock } from '../../foundation/base/index.ts'

/** So many are told at once, and then as many after each pause. */
const AT_ONCE = 32
const PAUSE_MS = 32
/** Everybody is told by then: of more there are more at once. */
const MAX_SPREAD_MS = 2000

/** Tells many something, a few at a time. */
export interface Spread {
  /** Begins at once; what was begun before goes on beside it. */
  tell<T>(all: Iterable<T>, tell: (one: T) => void): void
  /** Ends what is under way; who was not told yet is not told. */
  stop(): void
}

/**
 * Makes a spread. Members answer a notice with a fetch, and whoever asks the authority meanwhile stands
 * behind all fetches that came before: a few at a time, nobody waits long. For what may take two seconds.
 */
export function createSpread(clock: Clock): Spread {
  const waiting = new Set<CancelTimer>()
  return {
    tell: (all, tell) => {
      const left = [...all]
      const slice = Math.max(AT_ONCE, Math.ceil((left.length * PAUSE_MS) / MAX_SPREAD_MS))
      const next = (): void => {
        for (const one of left.splice(0, slice)) tell(one)
        if (left.length === 0) return
        const cancel = clock.after(PAUSE_MS, () => {
          waiting.delete(cancel)
          next()
        })
        waiting.add(cancel)
      }
      next()
    },
    stop: () => {
      for (const cancel of waiting) cancel()
      waiting.clear()
    },
  }
}
