import {
  type Clock,
  type MonotonicMs,
  type Random,
  refuse,
  type UnixMs,
} from '../../foundation/base/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { Role } from './key-schedule.ts'
import type { SessionLimits } from './limits.ts'
import type { SessionMachine } from './session-machine.ts'
import type { SlowTimer, Watched } from './slow-timer.ts'

/** Longest delay a timer of the platform takes. */
const MAX_TIMER_MS = 2 ** 31 - 1
/**
 * Silence after which the listener sends a PING, as a multiple of that of the dialler: one end that
 * beats is enough for both, because a PONG is a sign of life as well. It leaves time for an answer before
 * the peer counts as dead, at three.
 */
const LISTENER_PATIENCE = 2.5
/** How long the PONG may take before the next look comes too early to find another PING due. */
const PONG_MS = 250
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
  readonly role: Role
  readonly limits: SessionLimits
  /** The stricter profile of the two peers. */
  readonly profile: Profile
  readonly expiresAt: UnixMs
  /** Told once when the connection should be replaced; absent: the other end does that. */
  readonly onRecycleDue?: (why: RecycleReason) => void
}

/** What a lifetime is given of the world. */
export interface LifetimeDeps {
  readonly clock: Clock
  readonly random: Random
  readonly timer: SlowTimer
}

/** The slow deadlines of a session: PING, dead peer, MAC key, replacement, end of life. */
export class Lifetime implements Watched {
  /** When to look next, monotonic. */
  dueMs: number = Number.POSITIVE_INFINITY
  slotMs: number = Number.POSITIVE_INFINITY
  readonly #clock: Clock
  readonly #timer: SlowTimer
  readonly #machine: SessionMachine
  readonly #options: LifetimeOptions
  readonly #recycle: { readonly atMs: number; readonly why: RecycleReason } | undefined
  readonly #drainMs: number
  /** Silence after which this end sends a PING. */
  readonly #pingMs: number
  #rekeyedMs: number
  #rekeyedSeals = 0
  #isAsked = false
  #isLeaving = false
  #movedBytes = 0
  /** When to look at the bytes next. */
  #nextBytes: number

  constructor(deps: LifetimeDeps, machine: SessionMachine, options: LifetimeOptions) {
    const { role, limits, profile, expiresAt, onRecycleDue } = options
    this.#clock = deps.clock
    this.#timer = deps.timer
    this.#machine = machine
    this.#options = options
    this.#pingMs = profile.pingIntervalMs * (role === 'dialler' ? 1 : LISTENER_PATIENCE)
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

  /** Begins to look; a session that is over already is closed. */
  start(): void {
    this.look(this.#clock.monotonicMs())
    if (!this.#machine.closed) this.#timer.add(this)
  }

  /** Never looks again. */
  stop(): void {
    this.dueMs = Number.POSITIVE_INFINITY
    this.#timer.delete(this)
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

  /** Does what is due, in its order. The wall clock may be set meanwhile: everything is asked anew. */
  look(nowMs: MonotonicMs): void {
    const lifeMs = this.#checkExpiry(nowMs)
    const silenceMs = this.#machine.closed ? Infinity : this.#checkLiveness(nowMs)
    if (this.#machine.closed) this.stop()
    else this.dueMs = nowMs + Math.min(lifeMs, silenceMs, MAX_TIMER_MS)
  }

  /** @returns in how many milliseconds to look again: once per PING interval, however much arrives */
  #checkLiveness(nowMs: MonotonicMs): number {
    const machine = this.#machine
    const { deadPeerMs } = this.#options.profile
    const pingMs = this.#pingMs
    const idleMs = nowMs - machine.lastReceivedMs
    if (idleMs >= deadPeerMs) {
      machine.close(refuse('KOS_SESSION_DEAD_PEER', 'silence'), 'dead-peer')
      return Infinity
    }
    machine.trim()
    if (idleMs >= pingMs) machine.ping(nowMs)
    this.#rekey(nowMs)
    return idleMs < pingMs ? pingMs - idleMs : Math.min(pingMs + PONG_MS, deadPeerMs - idleMs)
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

  /**
   * Asks for another connection in time, for a new session a drain time before the end, then ends.
   *
   * @returns in how many milliseconds to look again
   */
  #checkExpiry(nowMs: MonotonicMs): number {
    const machine = this.#machine
    const leftMs = this.#options.expiresAt - this.#clock.wallMs()
    if (leftMs <= 0) {
      machine.close(refuse('KOS_SESSION_EXPIRED', 'session life'), 'expired')
      return Infinity
    }
    const recycle = this.#recycle
    if (recycle && recycle.atMs <= nowMs) this.#ask(recycle.why)
    if (machine.closed) return Infinity
    const untilDrainMs = leftMs - this.#drainMs
    if (untilDrainMs <= 0 && !this.#isLeaving) {
      this.#isLeaving = true
      machine.goaway('recycle', 0)
    }
    const untilRecycleMs = recycle && !this.#isAsked ? recycle.atMs - nowMs : Infinity
    return Math.min(this.#isLeaving ? leftMs : untilDrainMs, untilRecycleMs)
  }
}
