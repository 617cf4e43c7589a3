import {
  type CancelTimer,
  type Clock,
  isRefusal,
  type Log,
  type Random,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type { Authenticated } from '../../foundation/pipeline/index.ts'
import type {
  BusyScope,
  CallOptions,
  CallResult,
  GoawayReason,
  PeerHello,
  PeerSession,
  SessionStats,
  SessionToken,
} from '../../network/session/index.ts'
import { createBackoff } from '../../network/transport/index.ts'

/** Pauses between attempts to replace a connection that still stands. */
const RECYCLE = Object.freeze({ minMs: 1000, maxMs: 60_000 })

/** What a session that outlives its connections needs. */
export interface OutboundDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Of a call that names no deadline. */
  readonly defaultDeadlineMs: number
  /** Makes another connection to the peer, which takes over by {@link OutboundSession.adopt}. */
  dial(held: OutboundSession): Promise<unknown>
}

/** One connection of a session. */
export interface Connection {
  readonly session: PeerSession
  readonly authenticated: Authenticated
}

/**
 * A session that this end opened, whatever connection it is on: TLS keys are replaced by replacing the
 * connection, and whoever calls sees nothing of it. It ends when its connection ends and no other
 * was on its way.
 *
 * @see protocol: Rekey
 */
export class OutboundSession implements PeerSession, Connection {
  readonly direction = 'outbound'
  readonly ready: Promise<Authenticated>
  readonly closed: Promise<Refusal>
  readonly #deps: OutboundDeps
  readonly #resolveClosed: (reason: Refusal) => void
  #connection: Connection
  #attempt: Promise<Refusal | undefined> | undefined
  #isRecycling = false
  #isOver = false
  /** Whether the peer no longer takes calls on the connection, or the connection is gone. */
  #isLeaving = false
  #wake: (() => void) | undefined
  #cancelPause: CancelTimer | undefined

  constructor(deps: OutboundDeps, first: Connection) {
    this.#deps = deps
    this.#connection = first
    this.ready = Promise.resolve(first.authenticated)
    const closed = Promise.withResolvers<Refusal>()
    this.closed = closed.promise
    this.#resolveClosed = closed.resolve
    this.#watch(first.session)
  }

  get session(): PeerSession {
    return this
  }

  /** The facts that the connection in use proved. */
  get authenticated(): Authenticated {
    return this.#connection.authenticated
  }

  /** Whether it ended, or somebody wants its end: then no other connection takes over. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether a connection is the one in use. */
  isOn(session: PeerSession): boolean {
    return this.#connection.session === session
  }

  get peerHello(): PeerHello | undefined {
    return this.#connection.session.peerHello
  }

  get receivedToken(): SessionToken | undefined {
    return this.#connection.session.receivedToken
  }

  get issuedToken(): SessionToken | undefined {
    return this.#connection.session.issuedToken
  }

  get stats(): SessionStats | undefined {
    return this.#connection.session.stats
  }

  call(command: string, args: CborInput, options?: CallOptions): Promise<CallResult> {
    if (this.#isLeaving && this.#attempt) return this.#callLater(command, args, options)
    return this.#connection.session.call(command, args, options)
  }

  goaway(reason: GoawayReason, retryAfterMs?: number): void {
    this.#leave()
    this.#connection.session.goaway(reason, retryAfterMs)
  }

  busy(scope: BusyScope, retryAfterMs: number): void {
    this.#connection.session.busy(scope, retryAfterMs)
  }

  rekey(): void {
    this.#connection.session.rekey()
  }

  close(reason: string, goaway?: GoawayReason): void {
    this.#leave()
    this.#connection.session.close(reason, goaway)
  }

  /**
   * Goes on over another connection; calls from now on go there.
   *
   * @returns the connection before
   */
  adopt(next: Connection): Connection {
    const previous = this.#connection
    this.#connection = next
    this.#isLeaving = false
    this.#watch(next.session)
    return previous
  }

  /** The connection should be replaced: it is, as soon as another one can be had. */
  recycle(): void {
    if (!this.#isRecycling && !this.#isOver) void this.#keepTrying()
  }

  /** The peer said GOAWAY on the connection in use. */
  goneAway(reason: GoawayReason): void {
    if (reason !== 'recycle') {
      this.#leave()
      return
    }
    this.#isLeaving = true
    if (this.#isOver) return
    // Calls wait for this attempt from now on.
    void this.#tryOnce()
    this.#wake?.()
    this.recycle()
  }

  async #keepTrying(): Promise<void> {
    this.#isRecycling = true
    const backoff = createBackoff(this.#deps, RECYCLE)
    let refusal = await this.#tryOnce()
    while (refusal && !this.#isOver) {
      const { code, rule } = refusal
      this.#deps.log.event('session.not-recycled', { code, rule }, 'warn')
      await this.#pause(backoff.next(refusal.retryAfterMs))
      if (!this.#isOver) refusal = await this.#tryOnce()
    }
    this.#isRecycling = false
  }

  /** One attempt at a time. @returns why there is no other connection */
  #tryOnce(): Promise<Refusal | undefined> {
    this.#attempt ??= this.#deps.dial(this).then((dialled) => {
      this.#attempt = undefined
      return isRefusal(dialled) ? dialled : undefined
    })
    return this.#attempt
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    this.#cancelPause = this.#deps.clock.after(ms, resolve)
    return promise
  }

  /** A call that comes between two connections. */
  async #callLater(
    command: string,
    args: CborInput,
    options: CallOptions | undefined,
  ): Promise<CallResult> {
    const { clock, defaultDeadlineMs } = this.#deps
    const dueMs = clock.monotonicMs() + (options?.deadlineMs ?? defaultDeadlineMs)
    await this.#attempt
    const deadlineMs = Math.floor(dueMs - clock.monotonicMs())
    if (deadlineMs < 1) {
      return { status: 'failed', code: 'KOS_SESSION_DEADLINE', rule: 'deadline', origin: 'local' }
    }
    return this.#connection.session.call(command, args, { ...options, deadlineMs })
  }

  #watch(session: PeerSession): void {
    void session.closed.then(async (reason) => {
      if (session !== this.#connection.session) return
      this.#isLeaving = true
      // What comes in time takes over as if the connection still stood.
      if (!this.#isOver) await this.#attempt
      if (session !== this.#connection.session) return
      this.#leave()
      this.#resolveClosed(reason)
    })
  }

  #leave(): void {
    this.#isOver = true
    this.#cancelPause?.()
    this.#wake?.()
  }
}
