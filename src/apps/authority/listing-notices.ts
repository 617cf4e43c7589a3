import type { CancelTimer, Clock } from '../../foundation/base/index.ts'

/** Up to here a new directory is told at once, above it after so many milliseconds per session. */
const FEW_CONNECTED = 32
const LISTING_MS_EACH = 2
const MAX_LISTING_MS = 3000

/**
 * Notices of a new directory. Everybody fetches the whole of it, so the more are connected the longer
 * changes are collected: a thousand devices that join below a thousand others would be a million fetches.
 * Nobody is let in or kept out by it; that is the lock list's business.
 *
 * @param to - how many are connected, and what tells them
 */
export function createListingNotices(
  clock: Clock,
  to: { connected(): number; send(): void },
): { changed(): void; stop(): void } {
  let cancel: CancelTimer | undefined
  const notice = (): void => {
    // What waits yet is told with it: fewer may be connected now than when it began to wait.
    cancel?.()
    cancel = undefined
    to.send()
  }
  return {
    changed: () => {
      const count = to.connected()
      if (count < FEW_CONNECTED) notice()
      else cancel ??= clock.after(Math.min(MAX_LISTING_MS, count * LISTING_MS_EACH), notice)
    },
    stop: () => cancel?.(),
  }
}
