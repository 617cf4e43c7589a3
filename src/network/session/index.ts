/** The session protocol: handshake, tokens, frames, streams, credits, rekey. */
export {
  API_TOKEN_LIFE_MS,
  type ApiTokenGrant,
  apiTokenSecret,
  checkTokenRequest,
  decodeTokenGrant,
  encodeTokenGrant,
  MAX_TOKEN_REQUEST_BYTES,
  signTokenRequest,
  type TokenConnection,
} from './api-token.ts'
export type {
  AuthEvidence,
  OwnIdentity,
  PeerAuthenticator,
  PskAuthenticator,
  PskPeer,
} from './authenticator.ts'
export type { CallFailure, CallResult, DataSink, SessionCallOutcome } from './calls.ts'
export { sessionErrors } from './errors.ts'
export { type ByteBudget, createByteBudget } from './flow.ts'
export { type HelloState, type NumberedAt, type PeerHello, PROTOCOL_VERSION } from './hello.ts'
export type { Role } from './key-schedule.ts'
export type { RecycleReason } from './lifetime.ts'
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
export { createSlowTimer, type SlowTimer } from './slow-timer.ts'
export {
  type ArrivedRequest,
  type ArrivedSignature,
  readRequestSignature,
  REQUEST_SKEW_MS,
  type RequestSignature,
  type RequestSigner,
  requestTarget,
  type RequestToSign,
  signRequest,
} from './signed-request.ts'
export type { MachineStats } from './machine-api.ts'
export type { BusyScope, GoawayReason } from './wire-codes.ts'
