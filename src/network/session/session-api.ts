import type { Clock, Log, Random, Refusal } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type { Authenticated, CallRequest, PeerFacts } from '../../foundation/pipeline/index.ts'
import type { SecureChannel } from '../transport/index.ts'
import type { MetKeys } from './auth.ts'
import type { PeerAuthenticator } from './authenticator.ts'
import type { CallResult, DataSink, SessionCallOutcome } from './calls.ts'
import type { ByteBudget } from './flow.ts'
import type { HelloState, PeerHello } from './hello.ts'
import type { Role } from './key-schedule.ts'
import type { RecycleReason } from './lifetime.ts'
import type { SessionLimits } from './limits.ts'
import type { SessionToken } from './ready.ts'
import type { Resumption } from './resumption.ts'
import type { MachineStats } from './machine-api.ts'
import type { SlowTimer } from './slow-timer.ts'
import type { BusyScope, GoawayReason } from './wire-codes.ts'

/** What a session needs. */
export interface PeerSessionDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly authenticator: PeerAuthenticator
  /** Identity keys that are imported already; shared by all sessions of a principal. */
  readonly metKeys?: MetKeys
  /** Bound of buffered values shared by all sessions; absent: `limits.maxReceiveBytes` for this one. */
  readonly budget?: ByteBudget
  /**
   * Where calls wait for another connection when theirs is lost; shared by all sessions of a
   * principal. Absent: they end with their connection.
   */
  readonly resumption?: Resumption
  /** Looks after heartbeats and ends of all sessions; absent: each has a timer of its own. */
  readonly timer?: SlowTimer
}

/** How a session behaves. */
export interface PeerSessionOptions {
  readonly role: Role
  readonly channel: SecureChannel
  readonly limits: SessionLimits
  /** What HELLO says about the own state. */
  readonly state: HelloState
  /** The last word on a peer that proved who it is; see {@link HandshakeMachine}. */
  readonly admit?: (peer: PeerFacts) => Refusal | undefined
  /** Answers a call of the peer, at once or later. What it throws becomes a failed call. */
  readonly onCall: (
    call: CallRequest,
    authenticated: Authenticated,
  ) => SessionCallOutcome | Promise<SessionCallOutcome>
  /**
   * Told at once when both ends are ready, before a call goes either way: the moment to replace
   * another session, see {@link Resumption.replace}.
   */
  readonly onReady?: (authenticated: Authenticated) => void
  /**
   * Told once that the connection should be replaced, by its age, its bytes or its expiry: dial again.
   * It goes on meanwhile, and for as long as that does not succeed, up to its expiry.
   */
  readonly onRecycleDue?: (why: RecycleReason) => void
  /** The peer takes no more calls: dial again before it closes. */
  readonly onGoaway?: (reason: GoawayReason, retryAfterMs: number) => void
  /** The peer asks to wait with calls; `node`: on all its sessions. */
  readonly onBusy?: (scope: BusyScope, retryAfterMs: number) => void
}

/** How an own call is made. */
export interface CallOptions {
  /** Milliseconds until the call fails; 10 s when absent. */
  readonly deadlineMs?: number
  /** 16 bytes as lower-case hexadecimal; the same id again gets the same result. */
  readonly callId?: string
  /** 16 bytes as lower-case hexadecimal, for following a request across nodes. */
  readonly traceId?: string
  /** Cancels the call. */
  readonly signal?: AbortSignal
  /**
   * Asks for a streamed result and takes its bytes, 64 KiB at most at once; they are lent until it
   * returns: copy to keep. A returned promise holds credit back until it resolves, so that a slow
   * reader slows the sender down; bytes that come begin the deadline anew.
   */
  readonly onData?: DataSink
}

/** Figures of a session. */
export interface SessionStats extends MachineStats {
  readonly bytesSent: number
  /** Bytes not yet taken by the socket. */
  readonly bytesWaiting: number
}

/** One authenticated connection to a peer; calls go both ways. */
export interface PeerSession {
  /** Resolves once both sides are ready, or with the reason why not; never rejects. */
  readonly ready: Promise<Authenticated | Refusal>
  /** Resolves with the reason once the session is over; never rejects. */
  readonly closed: Promise<Refusal>
  /** What the peer's HELLO said of its state; `undefined` before ready. */
  readonly peerHello: PeerHello | undefined
  /** The token the peer issued to this end; `undefined` before ready. */
  readonly receivedToken: SessionToken | undefined
  /** The token this end issued to the peer; `undefined` before ready. */
  readonly issuedToken: SessionToken | undefined
  readonly stats: SessionStats | undefined
  /**
   * Calls a command of the peer.
   *
   * @param command - name, 1 to 255 bytes
   * @param args - the arguments; up to 1 MiB encoded; they must not change until the call ends
   * @param options - deadline, id, cancellation, stream
   * @returns how the call ended; it rejects for misuse only
   * @throws {@link KosError} KOS_SESSION_MISUSE (rejected) for a malformed id or command,
   *   KOS_CODEC_CBOR (rejected) for arguments without encoding
   */
  call(command: string, args: CborInput, options?: CallOptions): Promise<CallResult>
  /** Takes no more calls, lets running ones end, then closes. */
  goaway(reason: GoawayReason, retryAfterMs?: number): void
  /** Asks the peer to wait with new calls. */
  busy(scope: BusyScope, retryAfterMs: number): void
  /** Replaces the MAC key of the own direction now. */
  rekey(): void
  /**
   * Closes at once: running calls fail.
   *
   * @param reason - short and safe to log
   * @param goaway - what the peer is told; `shutdown` by default
   */
  close(reason: string, goaway?: GoawayReason): void
}
