import {
  type CancelTimer,
  type Clock,
  equalBytes,
  isRefusal,
  type Log,
  type Random,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type {
  Authenticated,
  CallRequest,
  ConnectionFacts,
  PeerFacts,
} from '../../foundation/pipeline/index.ts'
import { type Profile, profileOf, type ProfileName } from '../../foundation/profiles/index.ts'
import type { CallOutcome } from '../../commands/execution/index.ts'
import type { Admission, AdmissionTicket } from '../../network/admission/index.ts'
import {
  createPeerSession,
  createResumption,
  createSlowTimer,
  type HelloState,
  type PeerAuthenticator,
  type PeerSession,
  type PeerSessionDeps,
  type PeerSessionOptions,
  type Resumption,
  type SessionLimits,
  type SlowTimer,
} from '../../network/session/index.ts'
import {
  type CertificateIdentity,
  createBackoff,
  createDialler,
  createListener,
  type Dialler,
  type DiallerIdentity,
  type Listener,
  type ListenerIdentity,
  type SecureChannel,
  type VerdictDisagreement,
  type VerifyPeer,
} from '../../network/transport/index.ts'
import { type HostPort, plainHost } from './addresses.ts'
import { nodeErrors } from './errors.ts'
import { type Connection, OutboundSession } from './outbound-session.ts'

/** Who this end is to its peers. */
export interface PeerSelf {
  readonly profile: Profile
  certificateIdentity(): CertificateIdentity
  /** What it dials with; the certificate when absent. */
  diallerIdentity?(): DiallerIdentity
  authenticator(): PeerAuthenticator
  readonly verifyPeer: VerifyPeer
  /** Refuses a peer that the directory does not list with the identity key and floor it proved. */
  pin(peer: PeerFacts): Refusal | undefined
  /** Refuses a peer whose session is open, after locks, directory or bundle changed. */
  recheck(peer: PeerFacts): Refusal | undefined
  /** Refuses a call on an open session for what changes without an event; absent: nothing does. */
  refuseCall?(peer: PeerFacts): Refusal | undefined
  helloState(): HelloState
}

/** What a runtime needs. */
export interface PeerRuntimeDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly admission: Admission
  readonly self: PeerSelf
  /** Further demands on a peer that proved who it is; absent: none. */
  readonly enforce?: (connection: ConnectionFacts, peer: PeerFacts) => Refusal | undefined
  /** Answers the calls of peers; absent: this end only calls. */
  readonly onCall?: (
    authenticated: Authenticated,
    call: CallRequest,
  ) => CallOutcome | Promise<CallOutcome>
  /** Told of a certificate that one of both checks accepts and the other refuses; logged already. */
  readonly onDisagreement?: (found: VerdictDisagreement) => void
  /**
   * Whether calls wait for another connection when theirs is lost: this end dials again for its own.
   * Absent: they end with their connection.
   */
  readonly resumes?: boolean
  /** Told why a handshake ended without a session, after TLS. */
  readonly onRefused?: (refusal: Refusal) => void
  /** Told of every session that reached READY, and of its end. */
  readonly onSession?: (session: OpenSession, state: 'opened' | 'closed', reason: string) => void
}

/** A session that reached READY. */
export interface OpenSession {
  readonly session: PeerSession
  readonly authenticated: Authenticated
  readonly direction: 'inbound' | 'outbound'
}

/** Where a peer is dialled. */
export interface PeerAddress extends HostPort {
  /** Profile of the listener that is there; absent: the own floor's. */
  readonly profile?: ProfileName
}

/** The listeners and all sessions of one principal. */
export interface PeerRuntime {
  readonly sessions: ReadonlySet<OpenSession>
  /**
   * Self-tests and opens the listener of a profile; one per profile.
   *
   * @param profile - what it enforces
   * @param candidates - where, in order: the next one is tried when a port is taken
   * @param identity - what it proves itself with; the certificate in force when absent
   * @returns where it listens, or why it does not: KOS_TRANSPORT_SELF_TEST, KOS_TRANSPORT_BIND,
   * KOS_TRANSPORT_CREDENTIALS, KOS_TRANSPORT_PROFILE
   */
  listen(
    profile: Profile,
    candidates: readonly HostPort[],
    identity?: () => ListenerIdentity,
  ): Promise<HostPort | Refusal>
  /**
   * Connects to a peer and waits for READY. A connection that was made meanwhile for calls which had
   * lost theirs is handed out first.
   *
   * @param at - where to go, and whose listener is there; not whom to trust
   * @param expectedUri - who must be there
   */
  dial(at: PeerAddress, expectedUri: string): Promise<OpenSession | Refusal>
  /** Closes the sessions of peers that are no longer welcome; returns how many. */
  recheckSessions(): number
  /** Ends the sessions of one principal. */
  disconnect(uri: string, code: 'locked' | 'removed' | 'stale'): void
  /** Takes a renewed certificate into use for new connections. */
  updateIdentity(): void
  /** Says goodbye to peers, lets running calls end, closes everything. */
  close(): Promise<void>
}

const NO_COMMANDS: CallOutcome = Object.freeze({
  status: 'refused',
  code: 'KOS_CATALOG_UNKNOWN',
  rule: 'no-commands',
})
const DIAL_TIMEOUT_MS = 5000
/** Pauses between attempts to get a lost connection back. */
const REDIAL = Object.freeze({ minMs: 250, maxMs: 4000 })
/** How long running calls may go on once this end stops. */
const DRAIN_MS = 2000
/** How long the last bytes may take to leave, and how often that is looked at. */
const LEAVE_MS = 500
const LEAVE_POLL_MS = 5
/** How often a replaced connection is looked at for calls that still run on it. */
const RETIRE_POLL_MS = 1000

/**
 * Makes the runtime through which one principal talks to its peers, in both directions.
 *
 * @param deps - see {@link PeerRuntimeDeps}
 * @param limits - bounds of every session
 */
export function createPeerRuntime(deps: PeerRuntimeDeps, limits: SessionLimits): PeerRuntime {
  return new Runtime(deps, limits)
}

class Runtime implements PeerRuntime {
  readonly #deps: PeerRuntimeDeps
  readonly #limits: SessionLimits
  readonly #sessions = new Set<OpenSession>()
  /** Those that are looked at whenever locks change; one that just became ready is not yet. */
  readonly #entered = new WeakSet<Authenticated>()
  readonly #metKeys: NonNullable<PeerSessionDeps['metKeys']> = new WeakMap()
  /** One TLS context per profile that is dialled. */
  readonly #diallers = new Map<ProfileName, Dialler>()
  readonly #listeners = new Map<ProfileName, Listener>()
  readonly #resumption: Resumption | undefined
  readonly #timer: SlowTimer
  readonly #pauses = new Set<CancelTimer>()
  /** Whom somebody is connecting to now. */
  readonly #dialling = new Set<{ readonly uri: string }>()
  /** By principal: connections for calls that wait for one, which nobody has asked for yet. */
  readonly #spares = new Map<string, Promise<OpenSession | Refusal>>()
  #isClosing = false

  constructor(deps: PeerRuntimeDeps, limits: SessionLimits) {
    this.#deps = deps
    this.#limits = limits
    this.#resumption = deps.resumes ? createResumption(deps) : undefined
    this.#timer = createSlowTimer(deps)
    const own = this.#diallerOf(deps.self.profile)
    if (isRefusal(own)) throw nodeErrors.error('KOS_NODE_SELF_TEST', { check: own.rule })
  }

  #diallerOf(profile: Profile): Dialler | Refusal {
    const known = this.#diallers.get(profile.name)
    if (known) return known
    const { admission, clock, self } = this.#deps
    const dialler = createDialler(
      {
        admission,
        clock,
        verifyPeer: this.#verifierOf(profile),
        onDisagreement: (found) => this.#disagreed(found),
      },
      { profile, identity: () => self.diallerIdentity?.() ?? self.certificateIdentity() },
    )
    if (!isRefusal(dialler)) this.#diallers.set(profile.name, dialler)
    return dialler
  }

  /** Pins are looked at right after TLS: a stranger does not get as far as HELLO. */
  #verifierOf(profile: Profile): VerifyPeer {
    const { clock, self } = this.#deps
    if (!profile.transport?.pinsRequired) return self.verifyPeer
    return (leafDer, purpose) => {
      const refusal = self.verifyPeer(leafDer, purpose)
      if (refusal) return refusal
      const peer = self.authenticator().verifyPeer(leafDer, purpose, clock.wallMs())
      return isRefusal(peer) ? peer : self.pin(peer)
    }
  }

  get sessions(): ReadonlySet<OpenSession> {
    return this.#sessions
  }

  async listen(
    profile: Profile,
    candidates: readonly HostPort[],
    identity: () => ListenerIdentity = () => this.#deps.self.certificateIdentity(),
  ): Promise<HostPort | Refusal> {
    let last: HostPort | Refusal = refuse('KOS_TRANSPORT_BIND', 'no-address')
    for (const at of candidates) {
      last = await this.#open(at, profile, identity)
      if (!isRefusal(last) || last.rule !== 'EADDRINUSE') return last
    }
    return last
  }

  async #open(
    at: HostPort,
    profile: Profile,
    identity: () => ListenerIdentity,
  ): Promise<HostPort | Refusal> {
    const { admission, clock, log } = this.#deps
    const listener = createListener(
      {
        admission,
        clock,
        log,
        verifyPeer: this.#verifierOf(profile),
        onDisagreement: (found) => this.#disagreed(found),
      },
      {
        host: plainHost(at.host),
        port: at.port,
        profile,
        identity,
        onChannel: (channel, ticket) => this.#accept(channel, ticket),
      },
    )
    if (isRefusal(listener)) return listener
    const weak = await listener.selfTest()
    if (weak) return weak
    const address = await listener.listen()
    if (isRefusal(address)) return address
    this.#listeners.set(profile.name, listener)
    return { host: at.host, port: address.port }
  }

  #disagreed(found: VerdictDisagreement): void {
    const { log, onDisagreement } = this.#deps
    log.event('transport.verdicts-differ', { ...found }, 'error')
    onDisagreement?.(found)
  }

  #accept(channel: SecureChannel, ticket: AdmissionTicket): void {
    const session = this.#start(channel, {
      role: 'listener',
      admit: (peer) => ticket.ready(peer.principal.uri),
    })
    void session.ready.then((authenticated) => {
      if (isRefusal(authenticated)) {
        ticket.failed('authentication', authenticated.code)
        this.#deps.onRefused?.(authenticated)
      } else this.#enter({ session, authenticated, direction: 'inbound' })
    })
  }

  async dial(at: PeerAddress, expectedUri: string): Promise<OpenSession | Refusal> {
    const coming = this.#spares.get(expectedUri)
    if (coming) {
      const spare = await coming
      const isFree = this.#drop(expectedUri, coming)
      if (isFree && !isRefusal(spare) && this.#sessions.has(spare)) return spare
    }
    return this.#dial(at, expectedUri)
  }

  async #dial(
    at: PeerAddress,
    uri: string,
    held?: OutboundSession,
  ): Promise<OutboundSession | Refusal> {
    const dialling = { uri }
    this.#dialling.add(dialling)
    const opened = await this.#connect(at, uri, held)
    this.#dialling.delete(dialling)
    return opened
  }

  /** @param held - the session that goes on over this connection; absent: it is a new one */
  async #connect(
    at: PeerAddress,
    expectedUri: string,
    held?: OutboundSession,
  ): Promise<OutboundSession | Refusal> {
    const { profile } = at
    const dialler = this.#diallerOf(profile ? profileOf(profile) : this.#deps.self.profile)
    if (isRefusal(dialler)) return dialler
    const channel = await dialler.dial({
      host: plainHost(at.host),
      port: at.port,
      timeoutMs: DIAL_TIMEOUT_MS,
    })
    if (isRefusal(channel)) return channel
    if (this.#isClosing) {
      channel.destroy('shutdown')
      return refuse('KOS_NODE_PEER_UNREACHABLE', 'shutdown')
    }
    let open = held
    const session: PeerSession = this.#start(channel, {
      role: 'dialler',
      admit: (peer) => refuseOther(peer, expectedUri, held),
      onReady: (authenticated) => {
        const connection = { session, authenticated }
        this.#entered.add(authenticated)
        if (this.#isClosing || held?.isOver) session.close('shutdown')
        else if (held) this.#replace(held, connection)
        else open = this.#enter(this.#outbound(connection, { at, uri: expectedUri }))
      },
      onRecycleDue: () => open?.recycle(),
      onGoaway: (reason) => {
        if (open?.isOn(session)) open.goneAway(reason)
      },
    })
    const authenticated = await session.ready
    if (isRefusal(authenticated)) {
      this.#deps.onRefused?.(authenticated)
      return authenticated
    }
    if (!open) return refuse('KOS_NODE_PEER_UNREACHABLE', 'shutdown')
    void session.closed.then(() => this.#dialAgain(at, expectedUri))
    return open
  }

  #outbound(
    first: Connection,
    { at, uri }: { readonly at: PeerAddress; readonly uri: string },
  ): OutboundSession {
    const { defaultDeadlineMs } = this.#limits
    const dial = (held: OutboundSession): Promise<unknown> => this.#dial(at, uri, held)
    return new OutboundSession({ ...this.#deps, defaultDeadlineMs, dial }, first)
  }

  /** A session goes on over another connection: its calls move there, or end where they are. */
  #replace(held: OutboundSession, next: Connection): void {
    const { onSession, self } = this.#deps
    const old: OpenSession = { ...held.adopt(next), direction: held.direction }
    if (this.#resumption?.replace(old.authenticated.sessionId)) {
      onSession?.(old, 'closed', 'replaced')
    } else {
      this.#retire(old)
    }
    onSession?.(held, 'opened', '')
    const refusal = self.recheck(next.authenticated.peer)
    if (refusal) closeUnwelcome(held, refusal)
  }

  /** Calls that cannot move end on their connection, which closes after the last of them. */
  #retire(old: OpenSession): void {
    const { session } = old
    this.#sessions.add(old)
    this.#watch(old)
    const look = (): void => {
      if ((session.stats?.callsOpen ?? 0) === 0) session.goaway('recycle')
      else cancel = this.#deps.clock.after(RETIRE_POLL_MS, look)
    }
    let cancel = this.#deps.clock.after(0, look)
    void session.closed.then(() => cancel())
  }

  /**
   * Own calls wait for another connection; whoever dials first takes all of them over. Who dials after
   * that gets this connection: two would be one too many.
   */
  async #dialAgain(at: PeerAddress, uri: string): Promise<void> {
    const backoff = createBackoff(this.#deps, REDIAL)
    while (!this.#isClosing && (this.#resumption?.waitingFor(uri) ?? 0) > 0) {
      await this.#pause(backoff.next())
      if ((this.#resumption?.waitingFor(uri) ?? 0) === 0) return
      const isComing = [...this.#dialling].some((one) => one.uri === uri)
      if (isComing || this.#spares.has(uri)) continue
      const coming = this.#connect(at, uri)
      this.#spares.set(uri, coming)
      const opened = await coming
      // The next loss is the business of that session.
      if (!isRefusal(opened)) return void opened.session.closed.then(() => this.#drop(uri, coming))
      this.#drop(uri, coming)
    }
  }

  /** @returns whether nobody had asked for this spare */
  #drop(uri: string, spare: Promise<OpenSession | Refusal>): boolean {
    return this.#spares.get(uri) === spare && this.#spares.delete(uri)
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.clock.after(ms, () => {
      this.#pauses.delete(cancel)
      resolve()
    })
    this.#pauses.add(cancel)
    return promise
  }

  #start(
    channel: SecureChannel,
    options: Pick<PeerSessionOptions, 'role' | 'admit' | 'onReady' | 'onRecycleDue' | 'onGoaway'>,
  ): PeerSession {
    const { clock, random, log, self } = this.#deps
    return createPeerSession(
      {
        metKeys: this.#metKeys,
        clock,
        random,
        log,
        timer: this.#timer,
        authenticator: self.authenticator(),
        ...(this.#resumption && { resumption: this.#resumption }),
      },
      {
        ...options,
        channel,
        admit: (peer) =>
          this.#deps.enforce?.(channel.connected.connection, peer) ?? options.admit?.(peer),
        limits: this.#limits,
        state: self.helloState(),
        onCall: this.#answer,
      },
    )
  }

  /** One for all sessions: a function of its own for each would be kept as long as it is open. */
  readonly #answer = (
    call: CallRequest,
    authenticated: Authenticated,
  ): CallOutcome | Promise<CallOutcome> =>
    this.#refuseCall(authenticated) ?? this.#deps.onCall?.(authenticated, call) ?? NO_COMMANDS

  /** Whoever became unwelcome during the handshake gets nothing executed that came with its end. */
  #refuseCall(authenticated: Authenticated): CallOutcome | undefined {
    const { self } = this.#deps
    const { peer } = authenticated
    const welcome = this.#entered.has(authenticated) ? undefined : self.recheck(peer)
    const refusal = welcome ?? self.refuseCall?.(peer)
    return refusal && { status: 'refused', code: refusal.code, rule: refusal.rule }
  }

  #enter<T extends OpenSession>(open: T): T {
    this.#sessions.add(open)
    this.#entered.add(open.authenticated)
    this.#deps.onSession?.(open, 'opened', '')
    this.#watch(open)
    // Locks may have changed since the peer's certificate was looked at.
    const refusal = this.#recheck(open)
    if (refusal) closeUnwelcome(open, refusal)
    return open
  }

  #recheck({ authenticated }: OpenSession): Refusal | undefined {
    const { self } = this.#deps
    const { peer, connected } = authenticated
    const isPinned = connected.connection.listener.transport?.pinsRequired ?? false
    return self.recheck(peer) ?? (isPinned ? self.pin(peer) : undefined)
  }

  #watch(open: OpenSession): void {
    void open.session.closed.then((close) => {
      this.#sessions.delete(open)
      this.#deps.onSession?.(open, 'closed', close.rule)
    })
  }

  recheckSessions(): number {
    const { self } = this.#deps
    let closed = this.#resumption?.drop((peer) => self.recheck(peer) !== undefined) ?? 0
    for (const open of this.#sessions) {
      const refusal = this.#recheck(open)
      if (!refusal) continue
      closed++
      closeUnwelcome(open, refusal)
    }
    return closed
  }

  disconnect(uri: string, code: 'locked' | 'removed' | 'stale'): void {
    const goaway = code === 'stale' ? code : 'locked'
    for (const open of this.#sessions) {
      if (open.authenticated.peer.principal.uri === uri) open.session.close(code, goaway)
    }
    this.#resumption?.drop((peer) => peer.principal.uri === uri)
  }

  updateIdentity(): void {
    for (const dialler of this.#diallers.values()) dialler.updateIdentity()
    for (const listener of this.#listeners.values()) listener.updateIdentity()
  }

  async close(): Promise<void> {
    this.#isClosing = true
    for (const listener of this.#listeners.values()) listener.drain()
    for (const cancel of this.#pauses) cancel()
    await Promise.all([...this.#sessions].map((open) => this.#leave(open)))
    this.#resumption?.close()
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()))
  }

  /** A session without running calls ends at once; what was answered leaves before the socket goes. */
  async #leave({ session }: OpenSession): Promise<void> {
    const { clock } = this.#deps
    session.goaway('shutdown')
    const timer = delay(clock, DRAIN_MS)
    await Promise.race([session.closed, timer.over])
    timer.cancel()
    session.close('shutdown')
    const untilMs = clock.monotonicMs() + LEAVE_MS
    while ((session.stats?.bytesWaiting ?? 0) > 0 && clock.monotonicMs() < untilMs) {
      await delay(clock, LEAVE_POLL_MS).over
    }
  }
}

/** Only who was meant: on another connection, also the same identity key as before. */
function refuseOther(
  peer: PeerFacts,
  expectedUri: string,
  held: OutboundSession | undefined,
): Refusal | undefined {
  if (peer.principal.uri !== expectedUri) {
    return refuse('KOS_NODE_PEER_UNREACHABLE', 'peer/other-principal')
  }
  const before = held?.authenticated.peer.identityKeyHash
  return before && !equalBytes(before, peer.identityKeyHash)
    ? refuse('KOS_NODE_PEER_UNREACHABLE', 'peer/other-identity-key')
    : undefined
}

/** Running calls of both sides end at once, and the peer is told why. */
function closeUnwelcome({ session }: OpenSession, { code, rule }: Refusal): void {
  session.close(rule, code === 'KOS_PKI_STALE' ? 'stale' : 'locked')
}

function delay(
  clock: Clock,
  ms: number,
): { readonly over: Promise<void>; readonly cancel: CancelTimer } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { over: promise, cancel: clock.after(ms, resolve) }
}
