import { type Gcra, takeGcra } from '../../foundation/base/index.ts'
import { CallMemory, type StoreBudget } from './call-memory.ts'
import type { Attempt } from './attempt.ts'

/** What execution knows of one peer while it has calls in memory. */
export interface PeerState {
  readonly rate: Gcra
  readonly calls: CallMemory
  running: number
  /** Refusals for excess rate that got no record of their own, and the last of them. */
  readonly unrecorded: { count: number; last: Attempt | undefined; readonly rate: Gcra }
}

/** Records of one peer's refusals for excess rate: a flood of calls is no flood of records. */
const RATE_RECORDS = { perSecond: 1, burst: 10 }
const SWEEP_MS = 10_000
const RELIEF_MS = 1000

/**
 * The peers with calls in memory, by principal: a duplicate is found whichever session it comes
 * through. Time passes for them when a call arrives; there is no timer.
 */
export class PeerTable {
  readonly #budget: StoreBudget
  readonly #maxPeers: number
  readonly #peers = new Map<string, PeerState>()
  readonly #recordSuppressed: (last: Attempt, count: number) => void
  #sweepAtMs = 0
  #relieveAtMs = 0

  /**
   * @param budget - shared by all peers
   * @param maxPeers - most peers at the same time
   * @param recordSuppressed - records refusals that got no record of their own
   */
  constructor(
    budget: StoreBudget,
    maxPeers: number,
    recordSuppressed: (last: Attempt, count: number) => void,
  ) {
    this.#budget = budget
    this.#maxPeers = maxPeers
    this.#recordSuppressed = recordSuppressed
  }

  /** The state of a peer; `undefined` when too many others have calls in memory. */
  enter(principal: string, nowMs: number): PeerState | undefined {
    if (nowMs >= this.#sweepAtMs) this.#sweep(nowMs)
    const known = this.#peers.get(principal)
    if (known) return known
    if (this.#peers.size >= this.#maxPeers) return undefined
    const state: PeerState = {
      rate: { tatMs: 0 },
      calls: new CallMemory(this.#budget, nowMs),
      running: 0,
      unrecorded: { count: 0, last: undefined, rate: { tatMs: 0 } },
    }
    this.#peers.set(principal, state)
    return state
  }

  /** Gives up kept reads of every peer, at most once a second. */
  relieve(nowMs: number): void {
    if (nowMs < this.#relieveAtMs) return
    this.#relieveAtMs = nowMs + RELIEF_MS
    for (const { calls } of this.#peers.values()) {
      // Two passes: one for each generation.
      calls.drop(nowMs)
      calls.drop(nowMs)
    }
  }

  /** Records every refusal that is still without a record. */
  flush(): void {
    for (const state of this.#peers.values()) this.#flush(state)
  }

  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + SWEEP_MS
    for (const [principal, state] of this.#peers) {
      this.#flush(state)
      state.calls.sweep(nowMs)
      const idle = state.running === 0 && state.calls.empty && state.rate.tatMs <= nowMs
      if (idle) this.#peers.delete(principal)
    }
  }

  #flush({ unrecorded }: PeerState): void {
    // The record stands for the last of them itself and for the others.
    if (unrecorded.last) this.#recordSuppressed(unrecorded.last, unrecorded.count - 1)
    unrecorded.last = undefined
    unrecorded.count = 0
  }
}

/**
 * Whether a refusal for excess rate gets a record of its own now.
 *
 * @returns the number of earlier ones that the record stands for too; `undefined`: no record yet
 */
export function takeRateRecord(
  { unrecorded }: PeerState,
  attempt: Attempt,
  nowMs: number,
): number | undefined {
  if (takeGcra(unrecorded.rate, RATE_RECORDS, nowMs) > 0) {
    unrecorded.count++
    unrecorded.last = attempt
    return undefined
  }
  const { count } = unrecorded
  unrecorded.count = 0
  unrecorded.last = undefined
  return count
}
