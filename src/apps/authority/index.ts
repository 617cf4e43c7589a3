/** The control plane of one trust domain: registry, CA, joining, HTTP API, audit log. */
export {
  type AuditEntryView,
  auditMemberList,
  type AuditMemberView,
  auditPage,
  type AuditPage,
  type AuditReport,
  auditReport,
  checkList,
  type CheckView,
  fabricObjects,
  principalList,
  type PrincipalPatch,
  principalView,
  type PrincipalView,
  sessionList,
  type SessionView,
  standbyList,
  type StandbyView,
} from './api-schema.ts'
export { type AlertList, alertList, type AlertView } from './api-schema-alerts.ts'
export {
  caChainView,
  caCsrView,
  caStatus,
  type CaStatus,
  rootRequestView,
} from './api-schema-ca.ts'
export {
  batchCreated,
  type BatchCreated,
  batchRefused,
  type BatchRefused,
  type BatchRow,
  type EstAccess,
  estTokenCreated,
  tokenCreated,
  tokenDetail,
  type TokenDetail,
  tokenList,
  type TokenView,
} from './api-schema-tokens.ts'
export {
  CREDENTIAL_KINDS,
  credentialPage,
  credentialRevoked,
  credentialRotated,
  type CredentialView,
} from './api-schema-credentials.ts'
export { userChanged, userInvited, userList, type UserView } from './api-schema-users.ts'
export { auditOrigin } from './audit-service.ts'
export { type AuthorityOptions, type RunningAuthority, startAuthority } from './authority.ts'
export { type BackupSummary } from './backup-archive.ts'
export { type BackupOptions, createBackup, type CreatedBackup } from './backup-create.ts'
export {
  inspectBackup,
  restoreUnpacked,
  unpackBackup,
  type RestoredBackup,
  type RestoreOptions,
} from './backup-restore.ts'
export { type RecoveryOutcome } from './recovery-apply.ts'
export { RECOVERY_WAIT_MS, type RecoveryProgress } from './recovery-phase.ts'
export { authorityErrors } from './errors.ts'
export { withHint } from './hints.ts'
export { rootRequestWords } from './root-words.ts'
