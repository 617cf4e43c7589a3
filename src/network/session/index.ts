/** The session protocol: handshake, tokens, frames, streams, credits, rekey. */
export type { AuthEvidence, OwnIdentity, PeerAuthenticator } from './authenticator.ts'
export type { CallFailure, CallResult, DataSink, SessionCallOutcome } from './calls.ts'
export { sessionErrors } from './errors.ts'
export { type ByteBudget, createByteBudget } from './flow.ts'
export { type Hello, type HelloState, type NumberedAt, PROTOCOL_VERSION } from './hello.ts'
export type { Role } from './key-schedule.ts'
export { SESSION_LIMITS, type SessionLimits } from './limits.ts'
export { createPeerSession } from './peer-session.ts'
export type { Grants, SessionToken } from './ready.ts'
export { createResumption, type Resumption, type ResumptionOptions } from './resumption.ts'
export type {
  CallOptions,
  PeerSession,
  PeerSessionDeps,
  PeerSessionOptions,
  SessionStats,
} from './session-api.ts'
export type { MachineStats } from './machine-api.ts'
export type { BusyScope, GoawayReason } from './wire-codes.ts'
