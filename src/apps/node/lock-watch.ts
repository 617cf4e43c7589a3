import type { CancelTimer, Clock } from '../../foundation/base/index.ts'
import { PROFILES } from '../../foundation/profiles/index.ts'
import type { LockState } from '../../trust/pki/index.ts'

/** How often the age of the lock list is looked at: sessions outlive its limit by no more. */
const LOOK_INTERVAL_MS = 1000

/** The ages at which a profile stops trusting a lock list. */
const LIMITS_MS: readonly number[] = Object.values(PROFILES).flatMap(
  ({ revocation }) => revocation.maxLockListAgeMs ?? [],
)

/**
 * Watches the age of the lock list: open sessions end when it passes what a profile allows, also when
 * nothing happens on them.
 *
 * @param deps - the own monotonic clock, and the lock list in force
 * @param onStale - told whenever the age has passed one more limit; rechecks the open sessions
 * @returns stops the watch
 */
export function watchLockAge(
  deps: { readonly clock: Clock; readonly locks: LockState },
  onStale: () => void,
): () => void {
  const { clock, locks } = deps
  const passed = (): number => {
    const ageMs = locks.ageMs(clock.monotonicMs())
    return LIMITS_MS.filter((limitMs) => ageMs > limitMs).length
  }
  let before = passed()
  let cancel: CancelTimer
  const arm = (): void => {
    cancel = clock.after(LOOK_INTERVAL_MS, () => {
      const now = passed()
      if (now > before) onStale()
      before = now
      arm()
    })
  }
  arm()
  return () => cancel()
}
