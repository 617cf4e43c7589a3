import type { UnixMs } from '../../foundation/base/index.ts'
import type {
  CertificateRevocationList,
  ObjectIdentifier,
  PkixCertificate,
} from '../../foundation/codec/index.ts'

/** What the target's key is about to be used for; `any` asks for no purpose at all. */
export type PathPurpose = 'server' | 'client' | 'both' | 'any'

/** Names the target must carry as alternative names; each that is given. */
export interface ExpectedNames {
  /** Compared byte by byte. */
  readonly uri?: string
  /** A host name in ASCII, compared without case; a wildcard covers one leftmost label. */
  readonly dns?: string
  /** An address in text form. */
  readonly ip?: string
}

/** The inputs of policy processing. @see RFC 5280 section 6.1.1 (c), (e), (f), (g) */
export interface PolicyInputs {
  /** user-initial-policy-set; absent: any policy. */
  readonly initialPolicies?: readonly ObjectIdentifier[]
  /** initial-explicit-policy; `false` by default. */
  readonly requireExplicitPolicy?: boolean
  /** initial-policy-mapping-inhibit; `false` by default. */
  readonly inhibitPolicyMapping?: boolean
  /** initial-any-policy-inhibit; `false` by default. */
  readonly inhibitAnyPolicy?: boolean
}

/** Bounds of one validation; see {@link PATH_LIMITS}. */
export interface PathLimits {
  /** Certificates between target and anchor. */
  readonly maxDepth: number
  readonly maxCandidates: number
  readonly maxAnchors: number
  readonly maxCrls: number
  /** Signatures verified, of certificates and CRLs together; each pair once. */
  readonly maxSignatureChecks: number
  /** Certificates considered as issuers, over all paths. */
  readonly maxSteps: number
  /** Names compared with name constraints, over all paths. */
  readonly maxNameComparisons: number
  /** Bits of an RSA modulus. */
  readonly minRsaBits: number
  readonly maxRsaBits: number
}

/** The bounds that hold when the caller gives no others. */
export const PATH_LIMITS: PathLimits = Object.freeze({
  maxDepth: 8,
  maxCandidates: 16_384,
  maxAnchors: 1024,
  maxCrls: 64,
  maxSignatureChecks: 128,
  maxSteps: 65_536,
  maxNameComparisons: 262_144,
  minRsaBits: 2048,
  maxRsaBits: 8192,
})

/** What is validated, and against what. @see RFC 5280 section 6.1.1 */
export interface PathInput {
  /** The certificate in question, encoded, at most 16 KiB. */
  readonly target: Uint8Array
  /** Certificates that may stand between, encoded, in any order: hints, never trusted. */
  readonly candidates?: readonly Uint8Array[]
  /** Certificates of the trust anchors, encoded or parsed. */
  readonly anchors: readonly (Uint8Array | PkixCertificate)[]
  /** The one wall-clock reading of this decision. */
  readonly nowMs: UnixMs
  readonly purpose: PathPurpose
  readonly names?: ExpectedNames
  /** Revocation lists, encoded or parsed. */
  readonly crls?: readonly (Uint8Array | CertificateRevocationList)[]
  /** Whose revocation is asked; `path` when there are `crls`, else `none`. */
  readonly revocation?: 'path' | 'target' | 'none'
  readonly policies?: PolicyInputs
  readonly limits?: Partial<PathLimits>
}

/** What one validation cost. */
export interface PathWork {
  readonly signatureChecks: number
  readonly steps: number
  readonly nameComparisons: number
}

/** A path that was accepted, and what was decided on the way. @see RFC 5280 section 6.1.6 */
export interface ValidatedPath {
  readonly allow: true
  /** The target first, then its issuer, up to the one that the anchor issued. */
  readonly certificates: readonly PkixCertificate[]
  readonly anchor: PkixCertificate
  /** Policies under which the issuers put the path; the any-policy identifier stands for all. */
  readonly authorityPolicies: readonly ObjectIdentifier[]
  /** Those of them that the caller accepts. */
  readonly userPolicies: readonly ObjectIdentifier[]
  /** Whose revocation was asked; every certificate asked was on a current list and not on it. */
  readonly revocation: 'path' | 'target' | 'none'
  readonly work: PathWork
}
