/** The tamper-evident log: Merkle tree, signed checkpoints, proofs, verification, forwarding. */
export {
  type AuditEntry,
  type AuditLog,
  type AuditLogDeps,
  type AuditLogOptions,
  type AuditSource,
  createAuditLog,
  type InclusionProof,
} from './audit-log.ts'
export {
  type Checkpoint,
  type CheckpointVerifier,
  claimedSize,
  createCheckpointVerifier,
  type LogKey,
  type LogKeys,
  logOrigin,
  type LogPublicKeys,
  type TreeHead,
} from './checkpoint.ts'
export { JOURNAL_BYTES, journalPath } from './journal.ts'
export { decodeEntry, type DecodedEntry, type ForwardedEntry } from './entry.ts'
export { type AuditErrorCode, auditErrors } from './errors.ts'
export {
  AUDIT_EVENT_LIMITS,
  AUDIT_OUTCOMES,
  AUDIT_TYPES,
  type AuditDetail,
  type AuditEvent,
  type AuditEventLimits,
  type AuditOutcome,
  type AuditType,
} from './event.ts'
export { FORWARD_LIMITS, type ForwardBatch, forwardBatchSchema } from './forwarding.ts'
export type { IngestResult, IngestSource } from './ingest.ts'
export type { AuditReceipt } from './log.ts'
export {
  type ConsistencyClaim,
  type InclusionClaim,
  verifyConsistency,
  verifyInclusion,
} from './proofs.ts'
export { type CallRecord, type CallRecorder, createCallRecorder } from './recorder.ts'
export type { SourceAlarm } from './source-alarm.ts'
export type { SignedNote } from './signed-note.ts'
export type { AuditStore } from './sqlite-storage.ts'
export { auditSegments, auditTables } from './sqlite-tables.ts'
export { type AuditFault, type AuditVerification } from './verify.ts'
export { verifyAuditFile, type VerifyFileOptions } from './verify-file.ts'
