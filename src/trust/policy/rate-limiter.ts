import { type Gcra, refuse, type Refusal, takeGcra } from '../../foundation/base/index.ts'
import type { GrantLimit, PolicyGrant } from './decision.ts'
import type { SubjectFacts } from './subject.ts'

const SWEEP_INTERVAL_MS = 1000

/** Counts calls per rule and caller. Bounded: when it is full of busy callers, it refuses. */
export class RateLimiter {
  readonly #states = new Map<string, Gcra>()
  readonly #maxCallers: number
  #nextSweepMs = -Infinity

  /** @param maxCallers - pairs of rule and caller that are counted at once */
  constructor(maxCallers: number) {
    this.#maxCallers = maxCallers
  }

  /**
   * Counts one call against every limit of a grant.
   *
   * @param nowMs - monotonic milliseconds
   * @returns `undefined` when the call is within all limits, else a refusal KOS_POLICY_RATE
   */
  take(grant: PolicyGrant, from: SubjectFacts, nowMs: number): Refusal | undefined {
    for (const limit of grant.limits) {
      const state = this.#stateOf(`${limit.key} ${from.uri}`, nowMs)
      const waitMs = state === undefined ? SWEEP_INTERVAL_MS : takeGcra(state, limit.rate, nowMs)
      if (waitMs > 0) return rateRefusal(limit, waitMs)
    }
    return undefined
  }

  #stateOf(key: string, nowMs: number): Gcra | undefined {
    const known = this.#states.get(key)
    if (known !== undefined) return known
    if (this.#states.size >= this.#maxCallers) this.#forgetIdle(nowMs)
    if (this.#states.size >= this.#maxCallers) return undefined
    const state = { tatMs: 0 }
    this.#states.set(key, state)
    return state
  }

  /** A caller whose time has come is as good as a new one. Rare, or a flood would pay for sweeps. */
  #forgetIdle(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return
    this.#nextSweepMs = nowMs + SWEEP_INTERVAL_MS
    for (const [key, { tatMs }] of this.#states) if (tatMs <= nowMs) this.#states.delete(key)
  }
}

function rateRefusal(limit: GrantLimit, waitMs: number): Refusal {
  return refuse('KOS_POLICY_RATE', limit.rule, {
    remedy: `The rule ${limit.rule} grants fewer calls at once; higher limits would permit this.`,
    retryAfterMs: Math.ceil(waitMs),
  })
}
