import type { CancelTimer, Clock, KosErrorCode } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type CallFailure, localFailure, type SessionCallOutcome } from './calls.ts'
import { DataSender } from './data-sender.ts'
import { SendWindow } from './flow.ts'
import type { CallHome, IncomingCall } from './incoming-call.ts'
import type { Role } from './key-schedule.ts'
import type { CallOwner, OutgoingCall } from './outgoing-call.ts'
import type { DetachedCalls } from './peer-calls.ts'
import type { CallName } from './resume-codec.ts'

/** A session whose connection was lost. */
export interface LostSession {
  readonly sessionId: string
  /** The own role in it. */
  readonly role: Role
  readonly peer: PeerFacts
  readonly own: readonly OutgoingCall[]
  readonly peers: DetachedCalls
  /** How long it waits for another connection. */
  readonly resumeMs: number
}

/**
 * The calls of a lost connection: they run on, their deadlines count, and whoever cancels is heard.
 * After `resumeMs` without another connection each ends with KOS_SESSION_LOST.
 */
export class ParkedSession implements CallHome, CallOwner {
  readonly sessionId: string
  readonly role: Role
  readonly peer: PeerFacts
  /** The session that takes the calls over, while it does. */
  claimedBy: object | undefined
  readonly #clock: Clock
  readonly #lastStream: number
  readonly #unbegun: ReadonlySet<number>
  readonly #untilMs: number
  readonly #onOver: () => void
  readonly #own: Set<OutgoingCall>
  readonly #peers: Map<string, IncomingCall>
  #cancelTimer: CancelTimer | undefined

  constructor(clock: Clock, lost: LostSession, onOver: () => void) {
    this.sessionId = lost.sessionId
    this.role = lost.role
    this.peer = lost.peer
    this.#clock = clock
    this.#lastStream = lost.peers.lastStream
    this.#unbegun = new Set(lost.peers.unbegun)
    this.#untilMs = clock.monotonicMs() + lost.resumeMs
    this.#onOver = onOver
    this.#own = new Set(lost.own)
    this.#peers = new Map(lost.peers.calls.map((call) => [keyOf(call), call]))
    for (const call of this.#own) call.owner = this
    for (const call of this.#peers.values()) call.home = this
    this.#check()
  }

  /** Own calls that wait. */
  get waiting(): number {
    return this.#own.size
  }

  respond(call: IncomingCall, outcome: SessionCallOutcome): void {
    if (call.answered) return
    call.answered = true
    call.outcome = outcome
  }

  respondBytes(call: IncomingCall, bytes: Uint8Array): Promise<boolean> {
    if (call.answered) return Promise.resolve(false)
    // Without a connection there is no credit: it waits.
    const place = { stream: call.stream, flags: 0 }
    call.sender ??= new DataSender(place, new SendWindow(0), 'copy')
    const { sender } = call
    return new Promise((resolve) => {
      sender.write(bytes, resolve)
    })
  }

  /** Nothing is sent while there is no connection, so nothing ends by being sent. */
  finish(): void {}

  cancel(call: OutgoingCall, code: KosErrorCode, rule: string): void {
    // Not named when the calls go on, so the peer cancels it.
    this.#settle(call, code, rule)
  }

  consumed({ incoming }: OutgoingCall, bytes: number): void {
    if (incoming) incoming.consumedBytes += bytes
  }

  /** Takes the own calls out: they go on. */
  takeOwn(): readonly OutgoingCall[] {
    const own = [...this.#own]
    this.#own.clear()
    return own
  }

  /** Takes a call of the peer out: it goes on. */
  takePeer(name: CallName): IncomingCall | undefined {
    const key = `${name.sessionId} ${name.stream}`
    const call = this.#peers.get(key)
    this.#peers.delete(key)
    return call
  }

  /** Whether the OPEN of a call, or its arguments, never came to this end. */
  neverSaw(name: CallName): boolean {
    if (name.sessionId !== this.sessionId) return false
    return name.stream > this.#lastStream || this.#unbegun.has(name.stream)
  }

  /**
   * The end: what is still here ends.
   *
   * @param code - what handlers are told
   * @param rule - what callers are told
   */
  end(code: KosErrorCode, rule: string): void {
    this.#cancelTimer?.()
    for (const call of this.#own) this.#settle(call, 'KOS_SESSION_LOST', rule)
    for (const call of this.#peers.values()) stop(call, code)
    this.#peers.clear()
    this.#onOver()
  }

  #settle(call: OutgoingCall, code: KosErrorCode, rule: string): void {
    this.#own.delete(call)
    call.incoming?.collector?.drop()
    call.settle(localFailure(code, rule))
  }

  /** Deadlines go on while nobody is there. */
  #check(): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs >= this.#untilMs) {
      this.end('KOS_SESSION_LOST', 'resume: time')
      return
    }
    let nextMs = this.#untilMs
    for (const call of this.#own) {
      if (call.isDue(nowMs)) this.#settle(call, 'KOS_SESSION_DEADLINE', 'deadline')
      else nextMs = Math.min(nextMs, call.dueMs)
    }
    for (const call of this.#peers.values()) {
      if (call.answered) continue
      if (call.isDue(nowMs)) stop(call, 'KOS_SESSION_DEADLINE')
      else nextMs = Math.min(nextMs, call.dueMs)
    }
    this.#cancelTimer = this.#clock.after(nextMs - nowMs, () => this.#check())
  }
}

/** Ends a call of the peer; should it be asked for again, this is its outcome. */
function stop(call: IncomingCall, code: KosErrorCode): void {
  if (!call.answered) {
    const rule = code === 'KOS_SESSION_DEADLINE' ? 'deadline' : 'resume'
    call.answered = true
    call.outcome = { status: 'failed', code, rule } satisfies CallFailure
    call.abort(code)
  }
  call.sender?.cancel()
  call.sender = undefined
}

function keyOf({ firstSession, firstStream }: IncomingCall): string {
  return `${firstSession} ${firstStream}`
}
