/** The machine's clock that a test can put forward: what falls due in between runs at once. */
import {
  type CancelTimer,
  type Clock,
  monotonicMs,
  type MonotonicMs,
  unixMs,
  type UnixMs,
} from '../../src/foundation/base/index.ts'

interface Timer {
  readonly dueMs: number
  readonly run: () => void
  handle: NodeJS.Timeout
}

/** A {@link Clock} for real sockets, whose time goes on by itself and can jump. */
export interface JumpClock extends Clock {
  /** Puts wall and monotonic time forward and runs every timer that falls due, in order. */
  advance(ms: number): void
  /** Sets the wall clock alone: milliseconds ahead of the machine's, negative when behind. */
  setWallOffset(ms: number): void
}

/**
 * Makes a clock that starts at the machine's time.
 *
 * @param wallOffsetMs - how far the wall clock is ahead of the machine's
 */
export function createJumpClock(wallOffsetMs: number = 0): JumpClock {
  const timers = new Set<Timer>()
  let jumpedMs = 0
  let offsetMs = wallOffsetMs
  const now = (): number => performance.now() + jumpedMs
  const arm = (timer: Timer): void => {
    clearTimeout(timer.handle)
    const delayMs = Math.min(Math.max(0, timer.dueMs - now()), 2 ** 31 - 1)
    timer.handle = setTimeout(() => fire(timer), delayMs)
    timer.handle.unref()
  }
  const fire = (timer: Timer): void => {
    if (timer.dueMs > now()) {
      arm(timer)
    } else if (timers.delete(timer)) {
      clearTimeout(timer.handle)
      timer.run()
    }
  }
  return {
    wallMs: (): UnixMs => unixMs(Math.floor(Date.now() + jumpedMs + offsetMs)),
    monotonicMs: (): MonotonicMs => monotonicMs(now()),
    after(delayMs: number, run: () => void): CancelTimer {
      const handle = setTimeout(() => undefined, 0)
      const timer: Timer = { dueMs: now() + Math.max(0, delayMs), run, handle }
      timers.add(timer)
      arm(timer)
      return () => {
        timers.delete(timer)
        clearTimeout(timer.handle)
      }
    },
    advance(ms: number): void {
      jumpedMs += ms
      for (const timer of [...timers].toSorted((a, b) => a.dueMs - b.dueMs)) fire(timer)
    },
    setWallOffset(ms: number): void {
      offsetMs = ms
    },
  }
}
