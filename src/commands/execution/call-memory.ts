import { CallTable, type Listed } from './call-table.ts'
import type { Flight } from './flight.ts'
import type { CallOutcome } from './ports.ts'

/** A call that was started, kept so that its id never starts another. */
export interface StoredCall extends Listed<StoredCall> {
  readonly command: string
  /** In canonical form. */
  readonly arguments: unknown
  readonly change: boolean
  /** Whether bytes went before the result: they are not kept, so a duplicate gets nothing. */
  readonly streamed: boolean
  /** Monotonic milliseconds. */
  readonly expiresAtMs: number
  bytes: number
  /** While it runs. */
  flight: Flight | undefined
  /** When it has ended. */
  outcome: CallOutcome | undefined
}

/** What all peers together may keep. */
export class StoreBudget {
  readonly #maxEntries: number
  readonly #maxBytes: number
  #entries = 0
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  /** Whether there is no room for another entry. */
  get full(): boolean {
    return this.#entries >= this.#maxEntries || this.bytesFull
  }

  /** Whether there is no room for another byte. */
  get bytesFull(): boolean {
    return this.#bytes >= this.#maxBytes
  }

  /** Accounts for entries that come (+) or go (-). */
  add(entries: number, bytes: number): void {
    this.#entries += entries
    this.#bytes += bytes
  }
}

/** Reads of one peer in one generation; two are kept. At the default rate none is full in its time. */
const MAX_GENERATION = 4096
/**
 * A peer that fills this many within this time was granted more than the default rate, and no memory
 * holds its results for their whole time. Then few enough are kept that they die young: results that
 * survive into the old heap cost more than the call.
 */
const FAST_GENERATION = 256
const FAST_MS = 2000
const GENERATION_MS = 60_000
/** So few reads (at most those that run) are not worth a pass over everything. */
const MIN_READS_TO_DROP = 128

/**
 * The calls of one peer, in two generations of a table: on the way of a call an entry is written once
 * and never moved or deleted. When the younger generation is full or a minute old, the older one is
 * dropped as a whole, but for what must stay: running calls, calls that changed something, and (when
 * only time has passed) results that are not yet due. A read-only call whose result was dropped early
 * is evaluated again, which changes nothing.
 */
export class CallMemory {
  readonly #budget: StoreBudget
  #young = new CallTable<StoredCall>()
  #old = new CallTable<StoredCall>()
  /** Reads that came since the younger generation began. */
  #fresh = 0
  #reads = 0
  #changes = 0
  #youngSinceMs: number

  constructor(budget: StoreBudget, nowMs: number) {
    this.#budget = budget
    this.#youngSinceMs = nowMs
  }

  get empty(): boolean {
    return this.#reads + this.#changes === 0
  }

  /** Kept calls that changed something or run to do so. */
  get changes(): number {
    return this.#changes
  }

  /** The call of an id; `undefined` when there is none. One whose time is over is forgotten. */
  find(callId: string, nowMs: number): StoredCall | undefined {
    const stored = this.#young.get(callId) ?? this.#old.get(callId)
    if (!stored || stored.flight || stored.expiresAtMs > nowMs) return stored
    this.forget(callId)
    return undefined
  }

  /**
   * Keeps a call that starts, or a read that has ended; its id was not found before.
   *
   * @returns false when there is no room; running calls and changes always find some
   */
  keep(stored: StoredCall, nowMs: number): boolean {
    if (this.#isGrown(nowMs) || this.#budget.full) this.drop(nowMs)
    if (!stored.change && !stored.flight && this.#budget.full) return false
    this.#add(stored)
    if (!stored.change) this.#fresh++
    return true
  }

  /**
   * Turns a running call into one that has ended.
   *
   * @param outcome - what a duplicate gets
   * @param bytes - size of what is added to memory
   */
  finish(stored: StoredCall, outcome: CallOutcome, bytes: number): void {
    stored.flight = undefined
    stored.outcome = outcome
    stored.bytes += bytes
    this.#budget.add(0, bytes)
  }

  /** Forgets a call: its time is over, or it was not executed after all. */
  forget(callId: string): void {
    for (const generation of [this.#young, this.#old]) {
      const stored = generation.remove(callId)
      if (stored) this.#release(stored)
    }
  }

  /** Lets time pass: drops what is due. */
  sweep(nowMs: number): void {
    if (nowMs - this.#youngSinceMs >= GENERATION_MS) this.#rotate(nowMs, false)
  }

  /** Makes room: drops the older generation of reads. */
  drop(nowMs: number): void {
    if (this.#reads >= MIN_READS_TO_DROP) this.#rotate(nowMs, true)
  }

  #isGrown(nowMs: number): boolean {
    if (this.#fresh < FAST_GENERATION) return false
    return this.#fresh >= MAX_GENERATION || nowMs - this.#youngSinceMs < FAST_MS
  }

  #rotate(nowMs: number, pressed: boolean): void {
    const dropped = this.#old
    this.#old = this.#young
    this.#young = new CallTable()
    this.#fresh = 0
    this.#youngSinceMs = nowMs
    for (const stored of dropped.take()) {
      this.#release(stored)
      const due = stored.expiresAtMs <= nowMs
      if (stored.flight || (!due && (stored.change || !pressed))) this.#add(stored)
    }
  }

  #add(stored: StoredCall): void {
    this.#young.add(stored)
    this.#budget.add(1, stored.bytes)
    if (stored.change) this.#changes++
    else this.#reads++
  }

  #release(stored: StoredCall): void {
    this.#budget.add(-1, -stored.bytes)
    if (stored.change) this.#changes--
    else this.#reads--
  }
}
