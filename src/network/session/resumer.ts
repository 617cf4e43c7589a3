import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type CallFailure, refusedOutcome } from './calls.ts'
import type { SessionCore } from './core.ts'
import { FRAME } from './frames.ts'
import type { IncomingCall } from './incoming-call.ts'
import type { OwnCalls } from './own-calls.ts'
import type { ParkedSession } from './parked-session.ts'
import { lostOutcome, type PeerCalls } from './peer-calls.ts'
import { type CallName, decodeResume, encodeResume, NO_SESSION } from './resume-codec.ts'
import type { Resumption } from './resumption.ts'

/** What goes on here. */
export interface ResumerParts {
  readonly core: SessionCore
  readonly own: OwnCalls
  readonly peers: PeerCalls
  readonly peer: PeerFacts
  readonly store: Resumption | undefined
}

/** Stays empty: most sessions take nothing over. */
const NO_SESSIONS: Set<ParkedSession> = new Set()

/**
 * Takes over the calls of lost connections. The dialler names the sessions that it lost and the calls
 * in them that it still wants; then the listener names its own. What is not named is cancelled.
 */
export class Resumer {
  readonly #parts: ResumerParts
  #claimed = NO_SESSIONS
  /** Who speaks next: the dialler names, then the listener, then all is said. */
  #turn: 'dialler' | 'listener' | 'over' = 'dialler'

  constructor(parts: ResumerParts) {
    this.#parts = parts
  }

  /** The session is ready: a dialler says what it lost. */
  start(): void {
    const { core, peer, store } = this.#parts
    if (core.role !== 'dialler') return
    const lost = store?.lostWith(peer) ?? []
    if (lost.length === 0) return
    for (const parked of lost) {
      this.#claim(parked)
      this.#say({ sessionId: parked.sessionId, stream: 0 })
    }
    this.#nameOwn()
    this.#turn = 'listener'
  }

  /** A RESUME on the connection: a session, or the end of the list. */
  connection(payload: Uint8Array): void {
    const { sessionId, stream, offset } = decodeResume(payload)
    const { core, peer, store } = this.#parts
    if (stream !== 0 || offset !== 0) return this.#fault('resume: form')
    if (sessionId === NO_SESSION) return this.#ended()
    if (core.role === 'dialler' || this.#turn !== 'dialler') return this.#fault('resume: order')
    const parked = store?.claim(sessionId, peer)
    // A connection that names itself is lost by that.
    if (parked && !core.closed) this.#claim(parked)
    return undefined
  }

  /** A RESUME of a call of the peer. */
  call(stream: number, payload: Uint8Array): void {
    const point = decodeResume(payload)
    this.#parts.peers.resume(stream, point.offset, () => this.#find(point))
  }

  #find(name: CallName): IncomingCall | CallFailure {
    let sawSession = false
    for (const parked of this.#claimed) {
      const call = parked.takePeer(name)
      if (call) return call
      if (parked.neverSaw(name)) return refusedOutcome('KOS_SESSION_LOST', 'resume: not begun')
      sawSession ||= parked.sessionId === name.sessionId
    }
    return lostOutcome(sawSession ? 'resume: stream' : 'resume: session')
  }

  /** The peer has named all it wants. */
  #ended(): void {
    const isDialler = this.#parts.core.role === 'dialler'
    if (this.#turn !== (isDialler ? 'listener' : 'dialler')) {
      this.#fault('resume: order')
      return
    }
    this.#turn = 'over'
    if (!isDialler) this.#nameOwn()
    for (const parked of this.#claimed) parked.end('KOS_SESSION_CANCELLED', 'resume: not named')
    this.#claimed = NO_SESSIONS
  }

  #nameOwn(): void {
    const { own } = this.#parts
    for (const parked of this.#claimed) for (const call of parked.takeOwn()) own.resume(call)
    this.#say({ sessionId: NO_SESSION, stream: 0 })
  }

  #claim(parked: ParkedSession): void {
    parked.claimedBy = this
    if (this.#claimed === NO_SESSIONS) this.#claimed = new Set()
    this.#claimed.add(parked)
  }

  #say(name: CallName): void {
    this.#parts.core.output.frame(FRAME.RESUME, 0, encodeResume({ ...name, offset: 0 }))
  }

  #fault(rule: string): void {
    this.#parts.core.fault('KOS_SESSION_PROTOCOL', rule)
  }
}
