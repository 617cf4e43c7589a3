/** Device ids, the CA and its trust bundle, leaves and their checks, signed numbered objects. */
export { type RoleKeys } from './ca-keys.ts'
export { type CertificateAuthority, createCertificateAuthority } from './certificate-authority.ts'
export { chooseMac, deriveDeviceId, type DeviceIdFacts } from './device-id.ts'
export {
  createDirectoryState,
  type Directory,
  DIRECTORY_LIMITS,
  type DirectoryEntry,
  type DirectoryEntryInput,
  type DirectoryState,
  encodeDirectory,
  type ListenerAddresses,
  MAX_DIRECTORY_ENTRIES,
} from './directory.ts'
export {
  createFloorMemory,
  type FloorMemory,
  type FloorSighting,
  MAX_REMEMBERED_FLOORS,
} from './floor-memory.ts'
export { pkiErrors } from './errors.ts'
export { type IssuedLeaf, type LeafRequest } from './issue-leaf.ts'
export { KOS_IDENTITY_OID, type LeafIdentity } from './leaf-identity.ts'
export { signLockFreshness, signStandbyFreshness } from './lock-freshness.ts'
export {
  EMPTY_LOCK_LIST,
  encodeLockList,
  LOCK_LIST_LIMITS,
  type LockList,
  type LockMinimum,
  MAX_LOCKED,
  readLockList,
} from './lock-list.ts'
export { createLockState, type LockState, type StandbyQuestion } from './lock-state.ts'
export {
  issueNodeToken,
  NODE_TOKEN_LIFE_MS,
  type NodeTokenFacts,
  verifyNodeToken,
} from './node-token.ts'
export {
  compareNumbered,
  type EraNumber,
  type NumberedFields,
  type NumberedKind,
  type NumberedLimits,
  type NumberedObject,
  type SignedNumbered,
  signNumbered,
  signSuccessor,
  verifyNumbered,
} from './numbered.ts'
export { readNumberedBody } from './numbered-body.ts'
export {
  createNumberedState,
  type HeldObject,
  type NumberedRules,
  type NumberedState,
  SIGNED_BY,
} from './numbered-state.ts'
export { MAX_OUTER_CERTIFICATES, type OuterChain, type OuterSubject } from './outer-chain.ts'
export { PATH_REASONS, type PathReason, type PathRefusal } from './path-reasons.ts'
export {
  type ExpectedNames,
  PATH_LIMITS,
  type PathInput,
  type PathLimits,
  type PathPurpose,
  type PathWork,
  type PolicyInputs,
  type ValidatedPath,
} from './path-types.ts'
export { validatePath } from './path-validate.ts'
export { exportRootKeys, importRootKeys, openRootFile, type RootFile } from './root-file.ts'
export {
  askedIntermediate,
  type OpenedRequest,
  readRootRequest,
  type RootRequest,
} from './root-request.ts'
export { type RootSigner } from './root-sign.ts'
export { type RootStep } from './root-steps.ts'
export {
  derivePskKeys,
  isPskHandle,
  isPskIdentity,
  newPskHandle,
  PSK_LIFE_MS,
  PSK_OVERLAP_MS,
  PSK_ROOT_BYTES,
  pskHandleHash,
  pskIdentity,
  type PskKeys,
} from './psk.ts'
export { renewAtMs } from './renewal.ts'
export {
  MAX_STANDBY_PROOF_BYTES,
  signStandbyProof,
  STANDBY_LIMITS,
  type StandbyFields,
  type TrustedStandby,
  verifyStandbyProof,
} from './standby.ts'
export {
  MAX_TRUST_BUNDLE_BYTES,
  SIGNING_ROLES,
  type SigningRole,
  type TrustAnchor,
  type TrustBundle,
  type TrustedIntermediate,
  trustPin,
  verifyTrustBundle,
} from './trust-bundle.ts'
export { createTrustState, type TrustState } from './trust-state.ts'
export { findIssuer, type PeerCertificate, type PeerCheck, verifyPeerLeaf } from './verify-peer.ts'
export { createPeerVerifier, type PeerVerifier } from './verify-peer-memo.ts'
