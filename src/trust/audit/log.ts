import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type CancelTimer,
  type Clock,
  KosError,
  type Log,
  type Random,
} from '../../foundation/base/index.ts'
import { BatchBuilder, type Draft, type HashedBatch } from './batch.ts'
import type { Checkpoint, CheckpointSigner } from './checkpoint.ts'
import { auditErrors } from './errors.ts'
import { type AuditEvent, requireEvent } from './event.ts'
import type { Journal } from './journal.ts'
import type { EncodedBatch, LogStorage, SourceState } from './log-storage.ts'
import { joinBatches } from './lots.ts'
import { MerkleFrontier } from './merkle.ts'
import type { Recovered } from './recover.ts'

/** Entries and bytes of one write: little work at once, so that the event loop keeps turning. */
const MAX_BATCH = 1024
const MAX_BATCH_BYTES = 256 * 1024
/** So many entries of the journal are brought into the tables at once. */
const FOLD_ENTRIES = 1024
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
  readonly journal: Journal
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
 *
 * Entries become durable in the journal, which does not hold up the event loop, and are folded into the
 * tables in larger lots: at the latest before a checkpoint is signed and before anybody reads. What
 * ends an outage, and what a node forwarded, goes to the tables at once, with all that waits.
 */
export class LogWriter {
  readonly #deps: LogWriterDeps
  readonly #options: LogWriterOptions
  readonly #builder: BatchBuilder
  #frontier: MerkleFrontier
  /** The tree with what is being written: it takes the other's place when that is durable. */
  #next: MerkleFrontier = new MerkleFrontier()
  /** Durable in the journal, not yet in the tables. */
  #unfolded: HashedBatch[] = []
  /** Entries in the tables; they stand there durably up to what the journal was told. */
  #folded: number
  #settling: Promise<void> | undefined
  #checkpoint: Checkpoint | undefined
  #signedAtMs = Number.NEGATIVE_INFINITY
  #queue: Queued[] = []
  /** The event that was taken last: most have its names. */
  #accepted: AuditEvent | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #outage: Outage | undefined
  #isClosed = false
  /** How many entries the last batch had, and whether one is being written. */
  #lastCount = 0
  #isWriting = false
  #immediate: NodeJS.Immediate | undefined
  #cancelFlush: CancelTimer | undefined
  #cancelRetry: CancelTimer | undefined
  #cancelCheckpoint: CancelTimer | undefined

  constructor(deps: LogWriterDeps, options: LogWriterOptions, recovered: Recovered) {
    this.#deps = deps
    this.#options = options
    this.#builder = new BatchBuilder(deps.random)
    this.#frontier = recovered.frontier
    this.#folded = recovered.frontier.size
    this.#checkpoint = recovered.checkpoint
  }

  /** Number of durable entries. */
  get size(): number {
    return this.#frontier.size
  }

  /** What is durable in the journal alone. */
  get unfolded(): readonly EncodedBatch[] {
    return this.#unfolded
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
    // Where one writer appends after the other, nobody else's entry comes in the rest of the turn.
    const isAlone = this.#queue.length === 1 && !this.#isWriting && this.#lastCount <= 1
    if (isAlone) void this.#drain()
    else this.#drainAtEndOfTurn()
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

  /** Brings what is durable into the tables, where it can be read, as far as they can be written. */
  fold(): Promise<void> {
    return this.exclusive(() => this.#fold()).catch(() => undefined)
  }

  /**
   * Appends entries together with a change of a source's state, now; inside {@link exclusive}.
   *
   * @throws {@link KosError} KOS_AUDIT_UNAVAILABLE; nothing is changed then
   */
  async appendFrom(drafts: readonly Draft[], source: SourceState): Promise<void> {
    try {
      await this.#writeThrough(drafts, source)
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
      await this.#settle()
      this.#deps.journal.close()
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
    return this.exclusive(() => this.#drainNow())
  }

  async #drainNow(): Promise<void> {
    while (this.#queue.length > 0 || this.#outage) {
      const batch = this.#takeBatch()
      this.#lastCount = batch.length
      const isWritten = await (this.#outage ? this.#resume(batch) : this.#writeQueued(batch))
      if (!isWritten) return
      // The rest of a large queue lets others have their turn; one entry has waited for the disk.
      if (this.#queue.length > 0 && batch.length > 1) await nextTurn()
    }
    await this.#signWhenDue()
  }

  #takeBatch(): Queued[] {
    if (this.#queue.length > MAX_BATCH) return this.#queue.splice(0, MAX_BATCH)
    const batch = this.#queue
    this.#queue = []
    return batch
  }

  async #writeQueued(batch: readonly Queued[]): Promise<boolean> {
    const first = this.size
    let taken: number
    this.#isWriting = true
    try {
      taken = await this.#write(batch)
    } catch (cause) {
      this.#keep(batch, this.#failed(cause))
      return false
    } finally {
      this.#isWriting = false
    }
    if (taken < batch.length) this.#queue = [...batch.slice(taken), ...this.#queue]
    for (let offset = 0; offset < taken; offset += 1) {
      batch[offset]?.settle?.resolve({ index: first + offset })
    }
    return true
  }

  /** The first entries after an outage stand in one transaction with the record of it. */
  async #resume(batch: readonly Queued[]): Promise<boolean> {
    const outage = { ...(this.#outage ?? this.#degrade()) }
    const first = this.size
    try {
      await this.#writeThrough([...batch, this.#resumption(outage)])
    } catch (cause) {
      this.#keep(batch, this.#failed(cause))
      return false
    }
    this.#recovered(outage)
    batch.forEach(({ settle }, offset) => settle?.resolve({ index: first + offset }))
    return true
  }

  /**
   * Writes entries to the journal. The frontier moves only when they are durable: a failure leaves the
   * log as it was.
   *
   * @returns how many of them
   */
  async #write(drafts: readonly Draft[]): Promise<number> {
    const { journal } = this.#deps
    const encoded = this.#builder.encode(drafts, this.size, MAX_BATCH_BYTES)
    if (!journal.hasRoom(encoded.frame.length)) {
      await this.#settling
      await this.#fold()
      await this.#settle()
    }
    const written = journal.write(encoded)
    // While the disk is busy: a promise that fails meanwhile is looked at below.
    const hashed = this.#hash(encoded)
    const folded = this.#foldWhenDue().then(
      () => undefined,
      (cause: unknown) => ({ cause }),
    )
    await written
    this.#adopt()
    this.#unfolded.push(hashed)
    const failure = await folded
    // These entries are durable: it is the ones to come that must not be taken.
    if (failure) this.#failed(failure.cause)
    return encoded.count
  }

  /** Writes entries to the tables, durably, together with what only the journal holds. */
  async #writeThrough(drafts: readonly Draft[], source?: SourceState): Promise<void> {
    const encoded = this.#builder.encode(drafts, this.size, Number.POSITIVE_INFINITY)
    const hashed = this.#hash(encoded)
    await this.#deps.storage.append(joinBatches([...this.#unfolded, hashed], source))
    this.#adopt()
    this.#unfolded = []
    this.#folded = this.size
    this.#deps.journal.settle(this.size)
  }

  /** Hashes the batch that was encoded last. */
  #hash(encoded: EncodedBatch): HashedBatch {
    this.#next.assign(this.#frontier)
    return this.#builder.hash(encoded, this.#next)
  }

  /** The batch that was hashed last is part of the log. */
  #adopt(): void {
    const before = this.#frontier
    this.#frontier = this.#next
    this.#next = before
  }

  async #foldWhenDue(): Promise<void> {
    const { isPressed } = this.#deps.journal
    if (isPressed || this.size - this.#folded >= FOLD_ENTRIES) await this.#fold()
    if (isPressed) void this.#settle()
  }

  /** Brings what only the journal holds into the tables. */
  async #fold(): Promise<void> {
    const batches = this.#unfolded
    const [oldest] = batches
    if (!oldest) return
    await this.#deps.storage.stage(joinBatches(batches, undefined))
    this.#unfolded = this.#unfolded.slice(batches.length)
    this.#folded += batches.reduce((sum, { count }) => sum + count, 0)
  }

  /** Makes what was folded durable in the tables, so that the journal may be overwritten. */
  #settle(): Promise<void> {
    const upTo = this.#folded
    this.#settling ??= this.#deps.storage
      .settle()
      .then(
        () => this.#deps.journal.settle(upTo),
        (cause: unknown) => void this.#failed(cause),
      )
      .finally(() => {
        this.#settling = undefined
      })
    return this.#settling
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

  /**
   * Signs durable entries only, all of them in the tables: a checkpoint must never be contradicted by a
   * later one, and the tables alone must agree with theirs.
   */
  async #sign(): Promise<Checkpoint> {
    const { clock, signer, storage } = this.#deps
    if (this.#checkpoint?.size === this.size) return this.#checkpoint
    this.#cancelCheckpoint?.()
    this.#cancelCheckpoint = undefined
    const { size } = this
    const signedAtMs = this.#nowMs()
    try {
      await this.#fold()
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
