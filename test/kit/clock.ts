/** A clock that moves only when a test moves it. */
import {
  type CancelTimer,
  type Clock,
  monotonicMs,
  type MonotonicMs,
  unixMs,
  type UnixMs,
} from '../../src/foundation/base/index.ts'

/** 2026-01-01T00:00:00Z: where test clocks start. */
export const TEST_EPOCH_MS = 1_767_225_600_000

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly run: () => void
}

/** A manual {@link Clock}: wall time, monotonic time and timers move together by `advance`. */
export interface TestClock extends Clock {
  /** Moves time forward and runs every timer that falls due, in order, at its own time. */
  advance(ms: number): void
  /** Moves the wall clock alone, as an operator or NTP does. */
  setWall(ms: number): void
  /** How many timers wait: 0 after everything was closed, else a leak. */
  readonly pendingTimers: number
}

/**
 * Makes a manual clock.
 *
 * @param startWallMs - first wall-clock reading
 * @returns the clock; its monotonic time starts at 1,000,000 ms
 */
export function createTestClock(startWallMs: number = TEST_EPOCH_MS): TestClock {
  let wall = startWallMs
  let monotonic = 1_000_000
  let order = 0
  const timers = new Set<Timer>()

  const earliest = (limitMs: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.dueMs > limitMs) continue
      const before =
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      if (before) first = timer
    }
    return first
  }
  const moveTo = (targetMs: number): void => {
    wall += targetMs - monotonic
    monotonic = targetMs
  }

  return {
    wallMs: (): UnixMs => unixMs(wall),
    monotonicMs: (): MonotonicMs => monotonicMs(monotonic),
    after(delayMs: number, run: () => void): CancelTimer {
      const timer: Timer = { dueMs: monotonic + Math.max(0, delayMs), order, run }
      order += 1
      timers.add(timer)
      return () => {
        timers.delete(timer)
      }
    },
    advance(ms: number): void {
      const targetMs = monotonic + ms
      for (let timer = earliest(targetMs); timer; timer = earliest(targetMs)) {
        timers.delete(timer)
        moveTo(Math.max(monotonic, timer.dueMs))
        timer.run()
      }
      moveTo(targetMs)
    },
    setWall(ms: number): void {
      wall = ms
    },
    get pendingTimers(): number {
      return timers.size
    },
  }
}
