import { type Clock, equalBytes } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type LostSession, ParkedSession } from './parked-session.ts'

/** How much of lost connections is kept. */
export interface ResumptionOptions {
  /** Lost sessions in all; the oldest goes first. */
  readonly maxSessions: number
  /** Lost sessions of one peer; the oldest goes first. */
  readonly maxSessionsPerPeer: number
}

/** A session that still has its connection. */
export interface LiveSession {
  readonly peer: PeerFacts
  /** Whether its calls can go on on another connection. */
  readonly resumable: boolean
  /** The connection is given up, by this end or the peer. */
  lose(): void
}

const DEFAULTS: ResumptionOptions = Object.freeze({ maxSessions: 1024, maxSessionsPerPeer: 4 })

/**
 * The sessions of one principal whose connection was lost, until another connection goes on with their
 * calls. Hand the same one to every session of the principal.
 *
 * **Security:** calls go on for the same principal with the same identity key only, after a whole
 * handshake. Whoever locks or removes a peer must {@link Resumption.drop} it.
 */
export class Resumption {
  readonly #clock: Clock
  readonly #options: ResumptionOptions
  readonly #live = new Map<string, LiveSession>()
  readonly #parked = new Map<string, ParkedSession>()

  constructor(clock: Clock, options: ResumptionOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** Lost sessions that wait for another connection. */
  get size(): number {
    return this.#parked.size
  }

  /** Own calls to a principal that wait for another connection: reason to dial again. */
  waitingFor(uri: string): number {
    let waiting = 0
    for (const { peer, waiting: own } of this.#parked.values()) {
      if (peer.principal.uri === uri) waiting += own
    }
    return waiting
  }

  /** Ends what waits for peers that are no longer welcome; returns how many sessions that were. */
  drop(isUnwelcome: (peer: PeerFacts) => boolean): number {
    const unwelcome = [...this.#parked.values()].filter(({ peer }) => isUnwelcome(peer))
    for (const parked of unwelcome) parked.end('KOS_SESSION_CLOSED', 'resume: peer')
    return unwelcome.length
  }

  /** Ends everything that waits. */
  close(): void {
    this.drop(() => true)
  }

  /**
   * Gives up the connection of a session, so that the next one that gets ready goes on with its calls.
   * Do it when that one is ready, in `onReady`: then nothing waits.
   *
   * @param sessionId - lower-case hexadecimal
   * @returns false when its calls cannot move: nothing was done, let it drain
   */
  replace(sessionId: string): boolean {
    const live = this.#live.get(sessionId)
    if (!live?.resumable) return false
    live.lose()
    return true
  }

  /** A session is ready. */
  enter(sessionId: string, session: LiveSession): void {
    this.#live.set(sessionId, session)
  }

  /** A session is over. What it was about to take over waits on. */
  leave(sessionId: string, claimer: object | undefined): void {
    this.#live.delete(sessionId)
    for (const parked of this.#parked.values()) {
      if (parked.claimedBy === claimer) parked.claimedBy = undefined
    }
  }

  /** The connection of a session was lost. */
  park(lost: LostSession): void {
    const { sessionId, peer } = lost
    const ofPeer = [...this.#parked.values()].filter((parked) => isSame(parked.peer, peer))
    if (ofPeer.length >= this.#options.maxSessionsPerPeer) evict(ofPeer)
    if (this.#parked.size >= this.#options.maxSessions) evict([...this.#parked.values()])
    const parked = new ParkedSession(this.#clock, lost, () => this.#parked.delete(sessionId))
    this.#parked.set(sessionId, parked)
  }

  /** What this end lost as a dialler with a peer, and nobody takes over yet. */
  lostWith(peer: PeerFacts): readonly ParkedSession[] {
    return [...this.#parked.values()].filter(
      (parked) => parked.role === 'dialler' && !parked.claimedBy && isSame(parked.peer, peer),
    )
  }

  /** The peer says that it lost a session as a dialler. @returns it, unless it is not the peer's */
  claim(sessionId: string, peer: PeerFacts): ParkedSession | undefined {
    const live = this.#live.get(sessionId)
    // Its end may notice later, or never: the peer knows better.
    if (live && isSame(live.peer, peer)) live.lose()
    const parked = this.#parked.get(sessionId)
    if (!parked || parked.role !== 'listener' || !isSame(parked.peer, peer)) return undefined
    return parked.claimedBy ? undefined : parked
  }
}

/**
 * Makes the memory of lost connections of one principal.
 *
 * @param deps - clock
 * @param options - bounds; 1,024 sessions, 4 of one peer
 * @example
 * ```ts
 * import { createResumption } from 'kos/session'
 * import { systemClock } from 'kos/base'
 * createResumption({ clock: systemClock }).size // 0
 * ```
 */
export function createResumption(
  deps: { readonly clock: Clock },
  options: Partial<ResumptionOptions> = {},
): Resumption {
  return new Resumption(deps.clock, { ...DEFAULTS, ...options })
}

function evict(sessions: readonly ParkedSession[]): void {
  sessions[0]?.end('KOS_SESSION_CLOSED', 'resume: sessions')
}

function isSame(left: PeerFacts, right: PeerFacts): boolean {
  return (
    left.principal.uri === right.principal.uri &&
    equalBytes(left.identityKeyHash, right.identityKeyHash)
  )
}
