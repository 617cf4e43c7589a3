import { type CancelTimer, type Clock, refuse, type UnixMs } from '../../foundation/base/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { SessionLimits } from './limits.ts'
import type { SessionMachine } from './session-machine.ts'

/** Longest delay a timer of the platform takes. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What decides over the life of a session. */
export interface LifetimeOptions {
  readonly limits: SessionLimits
  /** The stricter profile of the two peers. */
  readonly profile: Profile
  readonly expiresAt: UnixMs
}

/** The slow timers of a session: PING, dead peer, MAC key, end of life. */
export class Lifetime {
  readonly #clock: Clock
  readonly #machine: SessionMachine
  readonly #options: LifetimeOptions
  #cancelLiveness: CancelTimer | undefined
  #cancelExpiry: CancelTimer | undefined
  #rekeyedMs: number
  #rekeyedSeals = 0

  constructor(clock: Clock, machine: SessionMachine, options: LifetimeOptions) {
    this.#clock = clock
    this.#machine = machine
    this.#options = options
    this.#rekeyedMs = clock.monotonicMs()
  }

  /** Starts all timers; a session that is over already is closed. */
  start(): void {
    this.#checkExpiry()
    if (!this.#machine.closed) this.#checkLiveness()
  }

  /** Stops all timers. */
  stop(): void {
    this.#cancelLiveness?.()
    this.#cancelExpiry?.()
  }

  /** Wakes once per PING interval at most, however much arrives. */
  #checkLiveness(): void {
    const machine = this.#machine
    const { pingIntervalMs, deadPeerMs } = this.#options.profile
    const nowMs = this.#clock.monotonicMs()
    const idleMs = nowMs - machine.lastReceivedMs
    if (idleMs >= deadPeerMs) {
      machine.close(refuse('KOS_SESSION_DEAD_PEER', 'silence'), 'dead-peer')
      return
    }
    if (idleMs >= pingIntervalMs) {
      machine.ping(nowMs)
      machine.trim()
    }
    this.#rekey(nowMs)
    const delayMs = (idleMs < pingIntervalMs ? pingIntervalMs : deadPeerMs) - idleMs
    this.#cancelLiveness = this.#clock.after(delayMs, () => this.#checkLiveness())
  }

  #rekey(nowMs: number): void {
    const { sealsSent } = this.#machine.stats
    const isDue = nowMs - this.#rekeyedMs >= this.#options.limits.rekeyIntervalMs
    // A key that was not used needs no successor.
    if (!isDue || sealsSent === this.#rekeyedSeals) return
    this.#machine.rekey()
    this.#rekeyedMs = nowMs
    this.#rekeyedSeals = sealsSent + 1
  }

  /** Asks for a new session a drain time before the end, and ends at the end. */
  #checkExpiry(): void {
    const { expiresAt, limits } = this.#options
    const leftMs = expiresAt - this.#clock.wallMs()
    if (leftMs <= 0) {
      this.#machine.close(refuse('KOS_SESSION_EXPIRED', 'session life'), 'expired')
      return
    }
    const drainMs = Math.min(limits.drainMs, leftMs / 2)
    const again = (): void => this.#checkExpiry()
    this.#cancelExpiry = this.#clock.after(Math.min(leftMs - drainMs, MAX_TIMER_MS), () => {
      // The wall clock may have been set meanwhile: look again before anything is ended.
      const restMs = expiresAt - this.#clock.wallMs()
      if (restMs > drainMs) return again()
      this.#machine.goaway('recycle', 0)
      this.#cancelExpiry = this.#clock.after(Math.max(0, restMs), again)
      return undefined
    })
  }
}
