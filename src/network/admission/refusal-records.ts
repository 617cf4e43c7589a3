import { type Clock, type KosErrorCode, type UnixMs, unixMs } from '../../foundation/base/index.ts'

/** How often one prefix was refused for one reason within one minute. */
export interface RefusalRecord {
  /** `192.0.2.1/32`, `2001:db8:0:1::/64` …; `*` for what did not fit into the minute's table. */
  readonly prefix: string
  readonly reason: KosErrorCode
  /** Enforcement module and demand, where a module refused. */
  readonly rule?: string
  readonly count: number
  /** Wall-clock start of the minute. */
  readonly minute: UnixMs
}

/** Receives the records of a minute that is over. Must not throw. */
export type OnRefusals = (records: readonly RefusalRecord[]) => void

interface Count {
  readonly prefix: string
  readonly reason: KosErrorCode
  readonly rule?: string
  count: number
}

const MINUTE_MS = 60_000

/**
 * Counts refusals so that unauthenticated input costs one record per prefix, reason and minute, however
 * often it comes, and never more than a bounded number of them.
 */
export class RefusalRecords {
  readonly #clock: Clock
  readonly #deliver: OnRefusals
  readonly #maxRecords: number
  readonly #counts = new Map<string, Count>()
  #minute: UnixMs = unixMs(0)

  constructor(clock: Clock, deliver: OnRefusals, maxRecords: number) {
    this.#clock = clock
    this.#deliver = deliver
    this.#maxRecords = maxRecords
  }

  note(prefix: string, reason: KosErrorCode, rule?: string): void {
    const now = this.#clock.wallMs()
    const minute = unixMs(now - (now % MINUTE_MS))
    if (minute !== this.#minute) this.flush()
    this.#minute = minute
    const key = `${reason} ${rule ?? ''} ${prefix}`
    const known = this.#counts.get(key)
    if (known) known.count++
    else if (this.#counts.size < this.#maxRecords) {
      this.#counts.set(key, { prefix, reason, ...(rule !== undefined && { rule }), count: 1 })
    } else this.#noteOverflow(reason)
  }

  /** Delivers what was counted so far. */
  flush(): void {
    if (this.#counts.size === 0) return
    const minute = this.#minute
    const records = [...this.#counts.values()].map((count) => Object.freeze({ ...count, minute }))
    this.#counts.clear()
    this.#deliver(records)
  }

  /** One further row per reason: their number is that of the error codes. */
  #noteOverflow(reason: KosErrorCode): void {
    const key = `${reason} *`
    const known = this.#counts.get(key)
    if (known) known.count++
    else this.#counts.set(key, { prefix: '*', reason, count: 1 })
  }
}
