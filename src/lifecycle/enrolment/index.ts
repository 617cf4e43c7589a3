/** Joining and renewal: tokens, proofs of possession, certificates, idempotence. */
export { enrolmentErrors } from './errors.ts'
export {
  createEstEnrolService,
  type EstEnrolRequest,
  type EstEnrolService,
  estPassword,
} from './est-enrol.ts'
export { createEstRenewService, type EstRenewRequest, type EstRenewService } from './est-renew.ts'
export { type EvidenceAppraiser, type EvidenceClaim, noHardwareEvidence } from './evidence.ts'
export { isAbsentTooLong, issue, type IssueFacts, keyHashOf, OPERATOR_LIFE_MS } from './issue.ts'
export { createJoinService, type JoinDeps, type JoinResult, type JoinService } from './join.ts'
export {
  createPskJoinService,
  pskJoinAuthenticator,
  type PskJoinResult,
  type PskJoinService,
  type PskVault,
} from './join-psk.ts'
export { formatJoinLine, type JoinLine, parseJoinLine } from './join-line.ts'
export {
  decodeJoinRequest,
  decodePskJoinRequest,
  decodeRenewRequest,
  encodeMessage,
  ENROLMENT_EXPORTER_LABEL,
  type EnrolmentGrant,
  type JoinRequest,
  MAX_ENROLMENT_BYTES,
  type PskGrant,
  type PskJoinRequest,
  type RenewRequest,
} from './messages.ts'
export type {
  CertificateRecord,
  EnrolmentOrigin,
  EnrolmentStore,
  EnrolmentTransaction,
  KeyUse,
  PrincipalChange,
  PrincipalRecord,
  PskRecord,
  TokenRecord,
  TokenUse,
} from './records.ts'
export { createPskKeyService, isPskDead, type NextPsk, type PskKeyService } from './psk-keys.ts'
export {
  createRaiseService,
  type RaisedMinimum,
  type RaiseResult,
  type RaiseService,
  type RaiseStore,
} from './raise.ts'
export {
  createRaiseRequest,
  decodeRaiseRequest,
  encodeRaiseRequest,
  evidenceBinding,
  type RaiseRequest,
} from './raise-messages.ts'
export { createRenewService, type RenewResult, type RenewService } from './renew.ts'
export {
  createJoinRequest,
  createRenewRequest,
  type JoinFacts,
  type RequestKeys,
} from './requests.ts'
export {
  type BatchRefusal,
  type CreatedBatch,
  type CreatedToken,
  createTokenService,
  MAX_BATCH_TOKEN_LIFE_MS,
  MAX_BATCH_TOKENS,
  MAX_TOKEN_LIFE_MS,
  type TokenService,
  type TokenSpecification,
} from './tokens.ts'
