import { type Clock, type UnixMs, unixMs } from '../../foundation/base/index.ts'

/**
 * A clock that is never earlier than what is proven: the machine's own wall time, or a floor that
 * goes on with monotonic time, whichever is later. Machines without a battery-backed clock start
 * years behind; what the authority signed tells them better.
 *
 * **Security:** the floor only rises. It says that it is not earlier, never that it is not later: a
 * clock that is ahead is refused where it is compared with the authority's. Monotonic time may stand
 * still while a machine sleeps; the floor is then behind until it is raised again.
 *
 * @see identity: First boot without a clock
 */
export interface FloorClock extends Clock {
  /**
   * Raises the floor; an earlier time changes nothing.
   *
   * @param toMs - a wall time of the past, proven by the authority
   * @returns whether this moved the clock
   */
  raise(toMs: UnixMs): boolean
}

/**
 * Puts a floor under a clock. It has no effect until it is raised.
 *
 * @param clock - the machine's clock
 */
export function createFloorClock(clock: Clock): FloorClock {
  let floor: { readonly wallMs: number; readonly atMs: number } | undefined
  const wallMs = (): UnixMs => {
    const own = clock.wallMs()
    if (!floor) return own
    // Signed times are whole milliseconds.
    const proven = Math.floor(floor.wallMs + (clock.monotonicMs() - floor.atMs))
    return unixMs(Math.max(own, proven))
  }
  return Object.freeze({
    wallMs,
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs: number, run: () => void) => clock.after(delayMs, run),
    raise: (toMs: UnixMs): boolean => {
      if (toMs <= wallMs()) return false
      floor = { wallMs: toMs, atMs: clock.monotonicMs() }
      return true
    },
  })
}
