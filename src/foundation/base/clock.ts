import type * as nodeCrypto from 'node:crypto'
import { type MonotonicMs, monotonicMs, type UnixMs, unixMs } from './brand.ts'

/** Cancels a timer; calling it twice is harmless. */
export type CancelTimer = () => void

/**
 * Time as a parameter. Wall time for certificates and signed times, monotonic time for time-outs;
 * take one reading per decision.
 */
export interface Clock {
  wallMs(): UnixMs
  monotonicMs(): MonotonicMs
  /** Runs a function once after a delay. The timer does not keep the process alive. */
  after(delayMs: number, run: () => void): CancelTimer
}

/** Randomness as a parameter. */
export interface Random {
  bytes(length: number): Uint8Array
  /** A time-ordered UUID. @see RFC 9562 section 5.7 */
  uuidv7(): string
  /** A fraction in [0, 1) for jitter; never for secrets. */
  fraction(): number
}

/** The real clock; only `apps/` and tests choose it. */
export const systemClock: Clock = Object.freeze({
  wallMs: () => unixMs(Date.now()),
  monotonicMs: () => monotonicMs(performance.now()),
  after: (delayMs: number, run: () => void): CancelTimer => {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
})

let loaded: typeof nodeCrypto | undefined

/** Loaded when it is first used: that takes longer than most commands of the command line. */
function crypto(): typeof nodeCrypto {
  return (loaded ??= process.getBuiltinModule('node:crypto'))
}

/** The operating system's randomness. */
export const systemRandom: Random = Object.freeze({
  bytes: (length: number): Uint8Array => crypto().randomBytes(length),
  uuidv7: () => crypto().randomUUIDv7(),
  fraction: () => crypto().randomBytes(4).readUInt32BE() / 2 ** 32,
})
