/** What an authority that was restored from a backup learns from its members. */
export { type ProvenMember, verifyClaim } from './claim.ts'
export {
  createRecoveryCollector,
  readRecovered,
  type Recovered,
  type RecoveredState,
  type RecoveryCollector,
} from './collector.ts'
export { recoveryErrors } from './errors.ts'
export {
  createClaim,
  decodeOffer,
  encodeOffer,
  MAX_OFFER_BYTES,
  RECOVERED_KINDS,
  type RecoveredKind,
  type RecoveryClaim,
  type RecoveryOffer,
  recoveryStatus,
  type RecoveryStatus,
} from './messages.ts'
