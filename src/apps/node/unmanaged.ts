import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CancelTimer,
  type Clock,
  type Log,
  type Random,
  type Refusal,
  utf8,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { createBackoff } from '../../network/transport/index.ts'
import type { HostPort } from './addresses.ts'
import { type Alert, encodeAlert, macAlert } from './alert.ts'
import { connectAuthority, refusalOf } from './authority-client.ts'
import { nodeErrors } from './errors.ts'
import { createFloorClock } from './floor-clock.ts'
import { writePrivate } from './object-files.ts'
import { readKeptToken } from './signed-client.ts'

/** How a device that never joined runs. */
export interface UnmanagedOptions {
  /** State folder: the status file is kept there. */
  readonly folder: string
  /** What it calls itself in alerts: its host name. */
  readonly device: string
  /** Where alerts go, and the pin of that authority; absent: none are sent. */
  readonly authority?: (HostPort & { readonly pin: string }) | undefined
  /** What to tell the operator, beside that it asks to join. */
  readonly texts: readonly string[]
}

/** What an unmanaged device knows of itself; read-only, also as `status.json` in its folder. */
export interface UnmanagedStatus {
  readonly profile: 'SEC-0'
  readonly device: string
  /** host:port of the authority that alerts go to. */
  readonly authority: string | undefined
  readonly startedAt: number
  readonly alertsSent: number
  /** Alerts that the authority has not taken yet. */
  readonly alertsWaiting: number
  readonly lastSentAt: number | undefined
  /** Why the last attempt failed; `undefined` after one that did not. */
  readonly lastProblem: string | undefined
}

/** A running unmanaged device. */
export interface RunningUnmanaged {
  readonly status: UnmanagedStatus
  stop(): Promise<void>
}

interface UnmanagedDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const PROFILE = profileOf('SEC-0')
const STATUS_FILE = 'status.json'
const TIMEOUT_MS = 10_000
const HOUR_MS = 3_600_000
/** Between attempts while an alert waits. */
const RETRY = Object.freeze({ minMs: 5_000, maxMs: 600_000 })
/** What a connection costs beside the alerts: handshake, certificates and trust bundle, rounded up. */
const CONNECTION_BYTES = 48 * 1024

/**
 * Runs as SEC-0: listens nowhere, holds no session, executes nothing; raises alerts within the hourly
 * budget of its profile, and repeats once an hour that it asks to join.
 *
 * **Security:** nothing but alerts is sent, and only to the pinned authority. What the authority answers
 * changes nothing here.
 *
 * @see profiles: SEC-0
 */
export function startUnmanaged(deps: UnmanagedDeps, options: UnmanagedOptions): RunningUnmanaged {
  return new Unmanaged(deps, options)
}

class Unmanaged implements RunningUnmanaged {
  readonly #deps: UnmanagedDeps
  readonly #options: UnmanagedOptions
  readonly #startedAt: number
  readonly #budget: ByteBudget
  readonly #backoff: ReturnType<typeof createBackoff>
  readonly #waiting: Alert[] = []
  #sent = 0
  #lastSentAt: number | undefined
  #problem: string | undefined
  #cancel: CancelTimer | undefined
  #running: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(deps: UnmanagedDeps, options: UnmanagedOptions) {
    this.#deps = deps
    this.#options = options
    this.#startedAt = deps.clock.wallMs()
    this.#budget = createByteBudget(deps.clock, PROFILE.daemonBytesPerHour)
    this.#backoff = createBackoff(deps, RETRY)
    this.#writeStatus()
    if (!options.authority) return
    this.#ask()
    for (const text of options.texts) this.#queue('alert', text)
    this.#run()
  }

  get status(): UnmanagedStatus {
    const { authority, device } = this.#options
    return {
      profile: 'SEC-0',
      device,
      authority: authority && `${authority.host}:${authority.port}`,
      startedAt: this.#startedAt,
      alertsSent: this.#sent,
      alertsWaiting: this.#waiting.length,
      lastSentAt: this.#lastSentAt,
      lastProblem: this.#problem,
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#running
    rmSync(join(this.#options.folder, STATUS_FILE), { force: true })
  }

  #ask(): void {
    this.#queue('join-request', `${this.#options.device} asks to join`)
  }

  #queue(kind: string, text: string): void {
    const { device } = this.#options
    this.#waiting.push({ kind, text, device, time: this.#deps.clock.wallMs() })
  }

  #run(): void {
    this.#running = this.#send().then((delayMs) => {
      if (this.#isStopped) return
      this.#writeStatus()
      this.#cancel = this.#deps.clock.after(delayMs, () => {
        if (this.#waiting.length === 0) this.#ask()
        this.#run()
      })
    })
  }

  /** @returns when to come back, in milliseconds */
  async #send(): Promise<number> {
    const waitMs = this.#budget.waitMs(CONNECTION_BYTES)
    if (waitMs > 0) return waitMs
    this.#budget.spend(CONNECTION_BYTES)
    const refusal = await this.#deliver().catch((error: unknown) => {
      this.#problem = nodeErrors.has(error) ? error.code : String(error)
      return 'unreachable' as const
    })
    if (refusal === 'unreachable') {
      this.#deps.log.event('alert.not-sent', { code: this.#problem ?? '' }, 'warn')
      return this.#backoff.next()
    }
    this.#problem = refusal && `${refusal.code} ${refusal.rule}`
    if (refusal) return this.#backoff.next(refusal.retryAfterMs)
    this.#backoff.reset()
    return HOUR_MS
  }

  /** All that waits, over one connection. */
  async #deliver(): Promise<Refusal | undefined> {
    const { authority, folder } = this.#options
    if (!authority) return undefined
    // The floor of this clock is forgotten afterwards: an alert is no reason to believe a time.
    const clock = createFloorClock(this.#deps.clock)
    const target = { ...authority, identity: undefined, timeoutMs: TIMEOUT_MS }
    const client = await connectAuthority({ clock }, target)
    try {
      const former = readKeptToken(folder)
      for (let alert = this.#waiting[0]; alert; alert = this.#waiting[0]) {
        const bytes = encodeAlert(former ? macAlert(alert, former) : alert)
        this.#budget.spend(bytes.length)
        const body = { type: 'application/json', bytes } as const
        const answer = await client.request('POST', '/v1/alerts', body)
        const refusal = answer.status === 201 ? undefined : refusalOf(answer)
        if (refusal?.retryAfterMs !== undefined) return refusal
        // One that the authority does not take is not sent again.
        this.#waiting.shift()
        if (refusal) return refusal
        this.#sent++
        this.#lastSentAt = this.#deps.clock.wallMs()
      }
      return undefined
    } finally {
      client.close()
    }
  }

  #writeStatus(): void {
    const { folder } = this.#options
    try {
      writePrivate(join(folder, STATUS_FILE), utf8(`${JSON.stringify(this.status, null, 2)}\n`))
    } catch (error) {
      this.#deps.log.event('status.not-kept', { error: String(error) }, 'warn')
    }
  }
}

/** Bytes per hour, as a bucket that fills evenly. */
interface ByteBudget {
  /** How long until so many bytes may be spent; 0: now. */
  waitMs(bytes: number): number
  spend(bytes: number): void
}

function createByteBudget(clock: Clock, bytesPerHour: number): ByteBudget {
  let left = bytesPerHour
  let atMs: number = clock.monotonicMs()
  const refill = (): void => {
    const nowMs = clock.monotonicMs()
    left = Math.min(bytesPerHour, left + ((nowMs - atMs) * bytesPerHour) / HOUR_MS)
    atMs = nowMs
  }
  return {
    waitMs: (bytes): number => {
      refill()
      return left >= bytes ? 0 : Math.ceil(((bytes - left) * HOUR_MS) / bytesPerHour)
    },
    spend: (bytes): void => {
      left -= bytes
    },
  }
}
