/** kOS-SEC-0…4 as one frozen table, their comparison, the no-downgrade rule. */
export {
  atLeast,
  parseProfileName,
  profileOf,
  profileOfLevel,
  refuseDowngrade,
  stricterOf,
  weakerOf,
} from './compare.ts'
export { profilesErrors } from './errors.ts'
export {
  listenersOf,
  type Meeting,
  meeting,
  type MeetingFactor,
  type MeetingRule,
  meetingWithAuthority,
} from './matrix.ts'
export {
  type AttestationRule,
  type AuditRule,
  type AuthenticationRule,
  type ExecutionQuota,
  type MessageRule,
  type NamedGroup,
  type PermissionCeiling,
  type Profile,
  PROFILE_NAMES,
  type ProfileLevel,
  type ProfileName,
  type RevocationRule,
  type TransportRule,
  type UpdateRule,
} from './profile.ts'
export { PROFILES } from './table.ts'
