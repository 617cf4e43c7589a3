import type { CancelTimer, Clock } from '../base/index.ts'
import { storageErrors } from './errors.ts'
import { type BatchMember, settled, type Transactions, type Work } from './transactions.ts'

/** Bounds of a group commit. */
export interface GroupCommitOptions {
  /** Longest wait for company in milliseconds; 0: until the end of this turn of the event loop. */
  readonly maxDelayMs: number
  /** A batch of this many members is committed at the end of the turn, whatever the delay. */
  readonly maxMembers: number
}

/**
 * Joins the writes of many callers into one transaction, hence one fsync.
 *
 * A member that throws is rolled back alone and its promise rejects with that error. When the disk
 * is full every promise of the batch rejects with `KOS_STORAGE_FULL` and nothing is changed.
 */
export interface GroupCommit {
  /** How many members wait. */
  readonly pending: number
  /**
   * Adds work to the next batch.
   *
   * @param work - synchronous; runs inside the transaction, in the order of the calls
   * @returns what `work` returned, once it is durable
   */
  enqueue<T>(work: Work<T>): Promise<T>
  /** Commits what waits, now. */
  flush(): void
}

/** Makes the group commit of one connection. */
export function createGroupCommit(
  deps: { readonly clock: Clock; readonly transactions: Transactions },
  options: GroupCommitOptions,
): GroupCommit & { close(): void } {
  return new QueuedGroupCommit(deps, options)
}

class QueuedGroupCommit implements GroupCommit {
  readonly #clock: Clock
  readonly #transactions: Transactions
  readonly #options: GroupCommitOptions
  #members: BatchMember[] = []
  #cancelTimer: CancelTimer | undefined
  #immediate: NodeJS.Immediate | undefined
  #isClosed = false

  constructor(deps: { clock: Clock; transactions: Transactions }, options: GroupCommitOptions) {
    this.#clock = deps.clock
    this.#transactions = deps.transactions
    this.#options = options
  }

  get pending(): number {
    return this.#members.length
  }

  enqueue<T>(work: Work<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(storageErrors.error('KOS_STORAGE_CLOSED'))
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#members.push({
      run: (raw) => {
        const value = settled(work(raw))
        return () => resolve(value)
      },
      reject,
    })
    this.#schedule()
    return promise
  }

  flush(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    const members = this.#members
    if (members.length === 0) return
    this.#members = []
    this.#transactions.runBatch(members)
  }

  close(): void {
    this.flush()
    this.#isClosed = true
  }

  #schedule(): void {
    const isDue = this.#options.maxDelayMs === 0 || this.pending >= this.#options.maxMembers
    if (isDue) {
      // An immediate, unlike a timer, keeps the process alive until the write is durable.
      this.#immediate ??= setImmediate(() => this.flush())
    } else {
      this.#cancelTimer ??= this.#clock.after(this.#options.maxDelayMs, () => this.flush())
    }
  }
}
