import {
  Broker,
  type BrokerEnd,
  type BrokerRun,
  type BrokerSandbox,
  type SandboxHandle,
} from './broker.ts'
import type { ProcessIdentity } from './host.ts'

/** What a sandbox shows, whoever starts it. */
export type SandboxView = Omit<BrokerSandbox, 'identity'>

/** A sandbox for one run. */
export interface PooledSandbox extends SandboxHandle {
  /** Resolves when all its processes are gone; `undefined`: they were killed with the broker. */
  readonly ended: Promise<BrokerEnd | undefined>
}

interface Kept extends PooledSandbox {
  readonly key: string
}

/**
 * Makes sandboxes, and keeps at most one that no run had yet, so that the next run need not wait for
 * it. A sandbox is never given twice.
 *
 * Users of the host are given to sandboxes, and come back when every process of a sandbox is gone.
 */
export class SandboxPool {
  readonly #free: (ProcessIdentity | undefined)[]
  #broker = new Broker()
  #kept: Kept | undefined
  #isClosed = false

  /** @param users - as whom sandboxes run, each one at a time */
  constructor(users: readonly (ProcessIdentity | undefined)[]) {
    this.#free = [...users]
  }

  /** Process id of the broker; `undefined` when it is known to be gone. */
  get brokerPid(): number | undefined {
    return this.#broker.isAlive ? this.#broker.pid : undefined
  }

  /**
   * The kept sandbox if it fits, else a new one. One that turns out to have ended before it was told
   * what to run, which the kernel may do to it for want of memory, is replaced by a new one.
   *
   * @returns `undefined`: every user has a sandbox
   */
  take(view: SandboxView): PooledSandbox | undefined {
    const kept = this.#kept
    if (kept?.key !== keyOf(view)) return this.#make(view)
    this.#kept = undefined
    return this.#replaceable(kept, view)
  }

  #replaceable(kept: Kept, view: SandboxView): PooledSandbox {
    let current: PooledSandbox = kept
    let asked: BrokerRun | undefined
    let isKilled = false
    const replace = (end: BrokerEnd | undefined): typeof kept.ended | typeof end => {
      const next = end && !end.isBegun && !isKilled && asked ? this.#make(view) : undefined
      if (!next || !asked) return end
      current = next
      next.run(asked)
      return next.ended
    }
    return {
      run: (run) => {
        asked = run
        current.run(run)
      },
      taken: (bytes) => current.taken(bytes),
      kill: () => {
        isKilled = true
        current.kill()
      },
      ended: kept.ended.then(replace),
    }
  }

  /**
   * Makes a sandbox for a later run.
   *
   * **Security:** what it shows is opened now; a path that is replaced before the run is not.
   *
   * @param view - what it shows
   * @param reserved - users that runs may still want
   */
  prepare(view: SandboxView, reserved: () => number): void {
    const kept = this.#kept
    if (this.#isClosed || kept?.key === keyOf(view)) return
    if (kept) {
      this.#kept = undefined
      kept.kill()
      // Its user comes back then.
      void kept.ended.then(() => this.prepare(view, reserved))
    } else if (this.#free.length > reserved()) {
      this.#kept = this.#make(view)
    }
  }

  /** Kills every sandbox and ends the broker. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.#broker.close()
  }

  #make(view: SandboxView): Kept | undefined {
    if (this.#free.length === 0) return undefined
    if (!this.#broker.isAlive) this.#broker = new Broker()
    const identity = this.#free.pop()
    const { promise, resolve } = Promise.withResolvers<BrokerEnd | undefined>()
    const handle = this.#broker.make({ ...view, identity }, (end) => {
      this.#free.push(identity)
      if (this.#kept === sandbox) this.#kept = undefined
      resolve(end)
    })
    const sandbox: Kept = { ...handle, key: keyOf(view), ended: promise }
    return sandbox
  }
}

function keyOf({ before, paths, after }: SandboxView): string {
  return JSON.stringify([before, paths, after])
}
