import type { RateLimit } from '../../foundation/base/index.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS

/** Every bound of a session. They can be configured, never switched off. */
export interface SessionLimits {
  /** TLS done → READY of both sides. */
  readonly handshakeTimeoutMs: number
  /** All bytes received before READY verified. */
  readonly maxHandshakeBytes: number
  /** Greatest difference between a time in a message and the own wall clock. */
  readonly clockSkewMs: number
  /** Open streams the peer may have. */
  readonly maxStreams: number
  /** DATA bytes the peer may send on one stream before a CREDIT. */
  readonly streamWindowBytes: number
  /** DATA bytes the peer may send on all streams before a CREDIT. */
  readonly connectionWindowBytes: number
  /** OPENs of the peer; above it calls are refused. */
  readonly opens: RateLimit
  /** OPENs that were refused by rate or number; above it the connection closes. */
  readonly refusedOpens: RateLimit
  /** PING, CREDIT, RESET, BUSY, REKEY, RESUME of the peer; above it the connection closes. */
  readonly controls: RateLimit
  /** RESETs before RESULT of the peer; above it the connection closes. */
  readonly resets: RateLimit
  /** Bytes received since the last verified SEAL. */
  readonly maxPendingBytes: number
  /** Frames received since the last verified SEAL. */
  readonly maxPendingFrames: number
  /** DATA bytes of one stream since the last verified SEAL. */
  readonly maxPendingStreamBytes: number
  /** Encoded size of arguments or of a result that travels as DATA. */
  readonly maxValueBytes: number
  /** Bytes before their SEAL and values that arrive as DATA, when no shared budget is given. */
  readonly maxReceiveBytes: number
  /** Bytes that wait to be written; above it reading stops and new calls are refused. */
  readonly maxOutputBytes: number
  readonly defaultDeadlineMs: number
  readonly maxDeadlineMs: number
  /** How long after deadline or RESET the peer may leave a stream without RESULT. */
  readonly answerGraceMs: number
  /** How long running calls may go on after GOAWAY. */
  readonly drainMs: number
  /** How long the streams of a lost connection wait for another one. */
  readonly resumeMs: number
  /** Age at which the dialler replaces a connection, ± 10 %; a near expiry makes it earlier. */
  readonly recycleMs: number
  /** Bytes in both directions after which the dialler replaces a connection; twice as many end it. */
  readonly recycleBytes: number
  /** Longest life of a session; the leaf's end shortens it. */
  readonly sessionLifeMs: number
  /** Age at which the MAC key of the own direction is replaced. */
  readonly rekeyIntervalMs: number
  /** How coarse deadlines are. */
  readonly tickMs: number
}

/** The defaults of the protocol page. @see docs/protocol.md, Limits */
export const SESSION_LIMITS: SessionLimits = Object.freeze({
  handshakeTimeoutMs: 3 * SECOND_MS,
  maxHandshakeBytes: 16 * KIB,
  clockSkewMs: 30 * SECOND_MS,
  maxStreams: 64,
  streamWindowBytes: 256 * KIB,
  connectionWindowBytes: MIB,
  opens: Object.freeze({ perSecond: 50, burst: 100 }),
  refusedOpens: Object.freeze({ perSecond: 50, burst: 500 }),
  controls: Object.freeze({ perSecond: 100, burst: 100 }),
  resets: Object.freeze({ perSecond: 10, burst: 100 }),
  maxPendingBytes: 256 * KIB,
  maxPendingFrames: 4096,
  maxPendingStreamBytes: 64 * KIB,
  maxValueBytes: MIB,
  maxReceiveBytes: 16 * MIB,
  maxOutputBytes: MIB,
  defaultDeadlineMs: 10 * SECOND_MS,
  maxDeadlineMs: 5 * MINUTE_MS,
  answerGraceMs: 10 * SECOND_MS,
  drainMs: 30 * SECOND_MS,
  resumeMs: 30 * SECOND_MS,
  recycleMs: 60 * MINUTE_MS,
  recycleBytes: 64 * GIB,
  sessionLifeMs: 80 * MINUTE_MS,
  rekeyIntervalMs: 10 * MINUTE_MS,
  tickMs: 20,
})
