import {
  type CancelTimer,
  type Clock,
  type Random,
  refuse,
  type UnixMs,
} from '../../foundation/base/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { SessionLimits } from './limits.ts'
import type { SessionMachine } from './session-machine.ts'

/** Longest delay a timer of the platform takes. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** How far the age of a replacement is spread, so that a fleet does not replace in step. */
const RECYCLE_SPREAD = 0.1
/** A connection is replaced at the latest when this share of its life is over. */
const LATEST_SHARE = 0.85
/** Bytes that end a session, as a multiple of those that ask for its replacement. */
const HARD_BYTES = 2

/** Why a connection should be replaced. */
export type RecycleReason = 'age' | 'bytes' | 'expiry'

/** What decides over the life of a session. */
export interface LifetimeOptions {
  readonly limits: SessionLimits
  /** The stricter profile of the two peers. */
  readonly profile: Profile
  readonly expiresAt: UnixMs
  /** Told once when the connection should be replaced; absent: the other end does that. */
  readonly onRecycleDue?: (why: RecycleReason) => void
}

/** The slow timers of a session: PING, dead peer, MAC key, replacement, end of life. */
export class Lifetime {
  readonly #clock: Clock
  readonly #machine: SessionMachine
  readonly #options: LifetimeOptions
  readonly #recycle: { readonly atMs: number; readonly why: RecycleReason } | undefined
  readonly #drainMs: number
  #cancelLiveness: CancelTimer | undefined
  #cancelExpiry: CancelTimer | undefined
  #rekeyedMs: number
  #rekeyedSeals = 0
  #isAsked = false
  #isLeaving = false
  #movedBytes = 0
  /** When to look at the bytes next. */
  #nextBytes: number

  constructor(
    deps: { readonly clock: Clock; readonly random: Random },
    machine: SessionMachine,
    options: LifetimeOptions,
  ) {
    const { limits, expiresAt, onRecycleDue } = options
    this.#clock = deps.clock
    this.#machine = machine
    this.#options = options
    this.#rekeyedMs = deps.clock.monotonicMs()
    this.#nextBytes = limits.recycleBytes
    const leftMs = expiresAt - deps.clock.wallMs()
    this.#drainMs = Math.min(limits.drainMs, leftMs / 2)
    if (!onRecycleDue) return
    const spread = 1 - RECYCLE_SPREAD + 2 * RECYCLE_SPREAD * deps.random.fraction()
    const ageMs = limits.recycleMs * spread
    const latestMs = leftMs * LATEST_SHARE
    this.#recycle = {
      atMs: this.#rekeyedMs + Math.min(ageMs, latestMs),
      why: ageMs <= latestMs ? 'age' : 'expiry',
    }
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

  /** Counts bytes that were sent or received: TLS keys wear out. */
  moved(bytes: number): void {
    this.#movedBytes += bytes
    if (this.#movedBytes < this.#nextBytes) return
    const hardBytes = this.#options.limits.recycleBytes * HARD_BYTES
    if (this.#movedBytes < hardBytes) {
      this.#nextBytes = hardBytes
      this.#ask('bytes')
    } else {
      this.#nextBytes = Infinity
      this.#machine.goaway('recycle', 0)
    }
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
    const { sealsSent } = this.#machine
    const isDue = nowMs - this.#rekeyedMs >= this.#options.limits.rekeyIntervalMs
    // A key that was not used needs no successor.
    if (!isDue || sealsSent === this.#rekeyedSeals) return
    this.#machine.rekey()
    this.#rekeyedMs = nowMs
    this.#rekeyedSeals = sealsSent + 1
  }

  #ask(why: RecycleReason): void {
    if (this.#isAsked) return
    this.#isAsked = true
    this.#options.onRecycleDue?.(why)
  }

  /** Asks for another connection in time, for a new session a drain time before the end, then ends. */
  #checkExpiry(): void {
    const leftMs = this.#options.expiresAt - this.#clock.wallMs()
    if (leftMs <= 0) {
      this.#machine.close(refuse('KOS_SESSION_EXPIRED', 'session life'), 'expired')
      return
    }
    const recycle = this.#isAsked ? undefined : this.#recycle
    const untilRecycleMs = recycle ? recycle.atMs - this.#clock.monotonicMs() : Infinity
    if (recycle && untilRecycleMs <= 0) return this.#askInTime(recycle.why)
    const untilDrainMs = leftMs - this.#drainMs
    if (untilDrainMs <= 0 && !this.#isLeaving) {
      this.#isLeaving = true
      this.#machine.goaway('recycle', 0)
      if (this.#machine.closed) return undefined
    }
    // The wall clock may be set meanwhile: everything is looked at again before anything is ended.
    const waitMs = Math.min(this.#isLeaving ? leftMs : untilDrainMs, untilRecycleMs, MAX_TIMER_MS)
    this.#cancelExpiry = this.#clock.after(waitMs, () => this.#checkExpiry())
    return undefined
  }

  #askInTime(why: RecycleReason): void {
    this.#ask(why)
    if (!this.#machine.closed) this.#checkExpiry()
  }
}
