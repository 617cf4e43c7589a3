import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type CancelTimer,
  type Clock,
  KosError,
  type Log,
  type Random,
} from '../../foundation/base/index.ts'
import { type Batch, BatchBuilder, type Draft } from './batch.ts'
import type { Checkpoint, CheckpointSigner } from './checkpoint.ts'
import { auditErrors } from './errors.ts'
import { type AuditEvent, requireEvent } from './event.ts'
import type { LogStorage, SourceState } from './log-storage.ts'
import type { MerkleFrontier } from './merkle.ts'
import type { Recovered } from './recover.ts'

/** Entries per transaction: some milliseconds of work, so that the event loop keeps turning. */
const MAX_BATCH = 1024
/** From so many queued entries on, the delay is not waited for. */
const EARLY_FLUSH = MAX_BATCH
const RETRY_MS = 1_000
const CHECKPOINT_INTERVAL_MS = 1_000

/** Says where an entry stands. */
export interface AuditReceipt {
  readonly index: number
}

/** What the writer needs. */
export interface LogWriterDeps {
  readonly storage: LogStorage
  readonly signer: CheckpointSigner
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Bounds of the writer. */
export interface LogWriterOptions {
  /** Longest time until an entry of `appendSoon` is durable, in milliseconds. */
  readonly flushMs: number
  /** Entries that may wait in memory. */
  readonly maxQueued: number
}

interface Queued extends Draft {
  readonly content: AuditEvent
  /** Absent: the entry may wait for better times. */
  readonly settle?: {
    readonly resolve: (receipt: AuditReceipt) => void
    readonly reject: (error: unknown) => void
  }
}

/** A time in which entries could not be written. */
interface Outage {
  readonly sinceMs: number
  dropped: number
  refused: number
}

/**
 * Appends to one log: queue, group commit, tree, checkpoints. One change is under way at a time,
 * because every change begins where the one before it ended.
 */
export class LogWriter {
  readonly #deps: LogWriterDeps
  readonly #options: LogWriterOptions
  readonly #builder: BatchBuilder
  #frontier: MerkleFrontier
  #checkpoint: Checkpoint | undefined
  #signedAtMs = Number.NEGATIVE_INFINITY
  #queue: Queued[] = []
  /** The event that was taken last: most have its names. */
  #accepted: AuditEvent | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #outage: Outage | undefined
  #isClosed = false
  #immediate: NodeJS.Immediate | undefined
  #cancelFlush: CancelTimer | undefined
  #cancelRetry: CancelTimer | undefined
  #cancelCheckpoint: CancelTimer | undefined

  constructor(deps: LogWriterDeps, options: LogWriterOptions, recovered: Recovered) {
    this.#deps = deps
    this.#options = options
    this.#builder = new BatchBuilder(deps.random)
    this.#frontier = recovered.frontier
    this.#checkpoint = recovered.checkpoint
  }

  /** Number of durable entries. */
  get size(): number {
    return this.#frontier.size
  }

  /** The checkpoint signed last; `undefined` only before the first one. */
  get newestCheckpoint(): Checkpoint | undefined {
    return this.#checkpoint
  }

  /** Whether what is appended now becomes durable. */
  get healthy(): boolean {
    return this.#outage === undefined && !this.#isClosed
  }

  /**
   * Takes an event that must be durable when the promise resolves. During an outage it is refused at
   * once: the caller must not run what cannot be recorded, and must not wait for it either.
   */
  append(event: AuditEvent): Promise<AuditReceipt> {
    if (this.#isClosed) return Promise.reject(auditErrors.error('KOS_AUDIT_CLOSED'))
    const { promise, resolve, reject } = Promise.withResolvers<AuditReceipt>()
    try {
      requireEvent(event, this.#accepted)
      this.#accepted = event
    } catch (error) {
      reject(error)
      return promise
    }
    if (this.#outage || this.#isFull()) {
      this.#degrade().refused += 1
      reject(auditErrors.error('KOS_AUDIT_UNAVAILABLE'))
      return promise
    }
    this.#queue.push({ content: event, timeMs: this.#nowMs(), settle: { resolve, reject } })
    this.#drainAtEndOfTurn()
    return promise
  }

  /** Takes an event that may wait: for the delay, and during an outage for its end. */
  appendSoon(event: AuditEvent): void {
    if (this.#isClosed) throw auditErrors.error('KOS_AUDIT_CLOSED')
    requireEvent(event, this.#accepted)
    this.#accepted = event
    if (this.#isFull()) {
      this.#degrade().dropped += 1
      return
    }
    this.#queue.push({ content: event, timeMs: this.#nowMs() })
    if (this.#queue.length >= EARLY_FLUSH) {
      if (!this.#outage) this.#drainAtEndOfTurn()
    } else {
      this.#cancelFlush ??= this.#deps.clock.after(this.#options.flushMs, () => {
        this.#cancelFlush = undefined
        if (!this.#outage) void this.#drain()
      })
    }
  }

  /**
   * Appends entries together with a change of a source's state, now; inside {@link exclusive}.
   *
   * @throws {@link KosError} KOS_AUDIT_UNAVAILABLE; nothing is changed then
   */
  async appendFrom(drafts: readonly Draft[], source: SourceState): Promise<void> {
    try {
      await this.#write(drafts, source)
    } catch (cause) {
      throw this.#failed(cause)
    }
  }

  /** Writes what waits and signs it. */
  async flush(): Promise<void> {
    await this.#drain()
    if (this.#outage) throw auditErrors.error('KOS_AUDIT_UNAVAILABLE')
    await this.checkpoint()
  }

  /** The checkpoint over all durable entries; signed now when the newest one is older. */
  checkpoint(): Promise<Checkpoint> {
    return this.exclusive(() => this.#sign())
  }

  /** Flushes and takes nothing more; what cannot be written then is lost, counted and reported. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelTimers()
    try {
      await this.flush()
    } finally {
      if (this.#queue.length > 0) {
        this.#deps.log.event('audit.lost', { count: this.#queue.length }, 'error')
      }
      this.#cancelTimers()
    }
  }

  /** Runs a task when no other change is under way. */
  exclusive<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(task)
    this.#tail = run.catch(() => undefined)
    return run
  }

  #isFull(): boolean {
    return this.#queue.length >= this.#options.maxQueued
  }

  #drainAtEndOfTurn(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      void this.#drain()
    })
  }

  /** Writes the queue, batch by batch; stops at the first failure. Never rejects. */
  #drain(): Promise<void> {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    return this.exclusive(async () => {
      while (this.#queue.length > 0 || this.#outage) {
        const isWritten = await this.#writeQueued(this.#takeBatch())
        if (!isWritten) return
        if (this.#queue.length > 0) await nextTurn()
      }
      await this.#signWhenDue()
    })
  }

  #takeBatch(): Queued[] {
    if (this.#queue.length > MAX_BATCH) return this.#queue.splice(0, MAX_BATCH)
    const batch = this.#queue
    this.#queue = []
    return batch
  }

  async #writeQueued(batch: readonly Queued[]): Promise<boolean> {
    const outage = this.#outage && { ...this.#outage }
    const first = this.size
    try {
      // The first entries after an outage stand in one transaction with the record of it.
      await this.#write(outage ? [...batch, this.#resumption(outage)] : batch)
    } catch (cause) {
      this.#keep(batch, this.#failed(cause))
      return false
    }
    if (outage) this.#recovered(outage)
    batch.forEach(({ settle }, offset) => settle?.resolve({ index: first + offset }))
    return true
  }

  /** The frontier moves only when its entries are durable: a failure leaves the log as it was. */
  async #write(drafts: readonly Draft[], source?: SourceState): Promise<void> {
    const batch: Batch = this.#builder.build(drafts, this.#frontier, source)
    await this.#deps.storage.append(batch.change)
    this.#frontier = batch.frontier
  }

  /** At most one signature per second: ML-DSA-44 costs more than a hundred entries. */
  async #signWhenDue(): Promise<void> {
    if (this.#checkpoint?.size === this.size) return
    const waitMs = this.#signedAtMs + CHECKPOINT_INTERVAL_MS - this.#deps.clock.monotonicMs()
    if (waitMs > 0) {
      this.#cancelCheckpoint ??= this.#deps.clock.after(waitMs, () => {
        this.#cancelCheckpoint = undefined
        this.checkpoint().catch(() => undefined)
      })
      return
    }
    // A failure is an outage by now, and is tried again with it.
    await this.#sign().catch(() => undefined)
  }

  /** Signs durable entries only: a checkpoint must never be contradicted by a later one. */
  async #sign(): Promise<Checkpoint> {
    const { clock, signer, storage } = this.#deps
    if (this.#checkpoint?.size === this.size) return this.#checkpoint
    this.#cancelCheckpoint?.()
    this.#cancelCheckpoint = undefined
    const { size } = this
    const signedAtMs = this.#nowMs()
    try {
      const checkpoint = signer.sign({ size, root: this.#frontier.root() }, signedAtMs)
      const frontier = this.#frontier.roots()
      await storage.addCheckpoint({ size, note: checkpoint.note, frontier, signedAtMs })
      this.#checkpoint = checkpoint
      this.#signedAtMs = clock.monotonicMs()
      return checkpoint
    } catch (cause) {
      throw this.#failed(cause)
    }
  }

  /** Puts back what may wait and refuses what may not, also behind the batch that failed. */
  #keep(batch: readonly Queued[], error: Error): void {
    const all = [...batch, ...this.#queue]
    this.#queue = all.filter(({ settle }) => !settle)
    for (const { settle } of all) {
      if (!settle) continue
      this.#degrade().refused += 1
      settle.reject(error)
    }
  }

  /** Begins an outage that a timer tries to end, and makes its error. */
  #failed(cause: unknown): Error {
    this.#degrade(cause instanceof KosError ? String(cause.code) : String(cause))
    if (!this.#isClosed) {
      this.#cancelRetry ??= this.#deps.clock.after(RETRY_MS, () => {
        this.#cancelRetry = undefined
        void this.#drain()
      })
    }
    return auditErrors.error('KOS_AUDIT_UNAVAILABLE', {}, cause)
  }

  #degrade(reason?: string): Outage {
    if (this.#outage) return this.#outage
    this.#outage = { sinceMs: this.#deps.clock.monotonicMs(), dropped: 0, refused: 0 }
    this.#deps.log.event('audit.unavailable', { reason: reason ?? 'queue full' }, 'error')
    // Too much at once is no failure of the storage: it is tried again at once.
    if (reason === undefined) this.#drainAtEndOfTurn()
    return this.#outage
  }

  #resumption({ sinceMs, dropped, refused }: Outage): Queued {
    const outageMs = Math.round(this.#deps.clock.monotonicMs() - sinceMs)
    return {
      timeMs: this.#nowMs(),
      content: {
        type: 'system',
        actor: '-',
        target: '-',
        action: 'audit.resume',
        outcome: 'ok',
        detail: { dropped, refused, outageMs },
      },
    }
  }

  /** Ends the outage as it was recorded; what was dropped meanwhile is recorded by the next batch. */
  #recovered({ dropped, refused }: Outage): void {
    const outage = this.#outage
    if (outage) {
      outage.dropped -= dropped
      outage.refused -= refused
      if (outage.dropped + outage.refused > 0) return
    }
    this.#outage = undefined
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#deps.log.event('audit.available', { count: dropped + refused }, 'warn')
  }

  /** Wall time as an entry keeps it: whole milliseconds. */
  #nowMs(): number {
    return Math.max(0, Math.trunc(this.#deps.clock.wallMs()))
  }

  #cancelTimers(): void {
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    for (const cancel of [this.#cancelFlush, this.#cancelRetry, this.#cancelCheckpoint]) cancel?.()
    this.#cancelFlush = this.#cancelRetry = this.#cancelCheckpoint = undefined
  }
}
