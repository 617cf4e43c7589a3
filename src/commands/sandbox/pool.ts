import { Broker, type BrokerEnd, type BrokerSandbox, type SandboxHandle } from './broker.ts'
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

  /** @param users - as whom sandboxes run, each one at a time */
  constructor(users: readonly (ProcessIdentity | undefined)[]) {
    this.#free = [...users]
  }

  /** Process id of the broker. */
  get brokerPid(): number | undefined {
    return this.#broker.pid
  }

  /** The kept sandbox if it fits, else a new one; `undefined`: every user has one. */
  take(view: SandboxView): PooledSandbox | undefined {
    const kept = this.#kept
    if (kept?.key !== keyOf(view)) return this.#make(view)
    this.#kept = undefined
    return kept
  }

  /**
   * Makes a sandbox for a later run.
   *
   * **Security:** what it shows is opened now; a path that is replaced before the run is not.
   *
   * @param view - what it shows
   * @param reserved - users that runs may still want
   */
  prepare(view: SandboxView, reserved: number): void {
    if (this.#kept && this.#kept.key !== keyOf(view)) {
      this.#kept.kill()
      this.#kept = undefined
    }
    if (!this.#kept && this.#free.length > reserved) this.#kept = this.#make(view)
  }

  /** Kills every sandbox and ends the broker. */
  close(): Promise<void> {
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
