import type { UnixMs } from '../../foundation/base/index.ts'
import {
  KEY_PURPOSE,
  type KeyUsage,
  type ObjectIdentifier,
  type PkixCertificate,
  type PkixNameConstraints,
} from '../../foundation/codec/index.ts'
import { constraintsProblem } from './path-constraints.ts'
import { expectedNamesProblem } from './path-names.ts'
import {
  certificatePoliciesProblem,
  finishPolicies,
  initialPolicyState,
  nextPoliciesProblem,
  type PathPolicies,
  type PolicyState,
} from './path-policies.ts'
import { type PathProblem, type PathRefusal, problem, refusePath } from './path-reasons.ts'
import { type CrlSet, revocationProblem } from './path-revocation.ts'
import type { PathInput, PathPurpose } from './path-types.ts'
import type { WorkMeter } from './path-work.ts'

/** A path whose names and signatures hold. */
export interface SignedPath {
  /** The target first. */
  readonly certificates: readonly PkixCertificate[]
  readonly anchor: PkixCertificate
}

/** What a path is processed with. */
export interface ProcessContext {
  readonly input: PathInput
  readonly revocation: 'path' | 'target' | 'none'
  readonly crls: CrlSet
  readonly work: WorkMeter
}

/** The state variables. @see RFC 5280 section 6.1.2 */
interface PathState {
  readonly policies: PolicyState
  readonly constraints: PkixNameConstraints[]
  maxPathLength: number
}

/**
 * Processes a path from its anchor down to the target.
 *
 * @returns the policies of the path, or why it is refused
 * @see RFC 5280 section 6.1
 */
export function processPath(path: SignedPath, context: ProcessContext): PathPolicies | PathRefusal {
  const { certificates, anchor } = path
  const { input } = context
  const state: PathState = {
    policies: initialPolicyState(input.policies ?? {}, certificates.length),
    constraints: [],
    maxPathLength: certificates.length,
  }
  const failedAnchor = anchorProblem(anchor, input, state)
  if (failedAnchor) return refusePath(failedAnchor, certificates.length, anchor)
  let issuer = anchor
  for (let depth = certificates.length - 1; depth >= 0; depth--) {
    const certificate = certificates[depth] ?? anchor
    const link = { certificate, issuer, isTarget: depth === 0 }
    const failed =
      certificateProblem(link, state, context) ??
      (link.isTarget ? undefined : nextProblem(certificate, state, input.purpose))
    if (failed) return refusePath(failed, depth, certificate)
    issuer = certificate
  }
  const policies = wrapUp(issuer, state, input)
  return 'reason' in policies ? refusePath(policies, 0, issuer) : policies
}

// RFC 5280 section 6.1.1 (d) leaves the anchor to the caller; RFC 5937 section 3 makes what its
// certificate says binding, and so do we, dates included.
function anchorProblem(
  anchor: PkixCertificate,
  input: PathInput,
  state: PathState,
): PathProblem | undefined {
  const failed =
    validityProblem(anchor, input.nowMs) ??
    caProblem(anchor) ??
    issuerUseProblem(anchor, input.purpose)
  if (anchor.nameConstraints) state.constraints.push(anchor.nameConstraints)
  state.maxPathLength = Math.min(
    state.maxPathLength,
    anchor.basicConstraints?.pathLength ?? Infinity,
  )
  return failed
}

/** One certificate of a path with its issuer in it. */
interface Link {
  readonly certificate: PkixCertificate
  readonly issuer: PkixCertificate
  readonly isTarget: boolean
}

// RFC 5280 section 6.1.3: basic certificate processing; (a)(1) and (a)(4) held when it was built.
function certificateProblem(
  { certificate, issuer, isTarget }: Link,
  state: PathState,
  { input, revocation, crls, work }: ProcessContext,
): PathProblem | undefined {
  const { nowMs } = input
  // RFC 5280 section 6.1.3 (a)(2).
  const invalid = validityProblem(certificate, nowMs)
  if (invalid) return invalid
  // RFC 5280 section 6.1.3 (a)(3).
  const isAsked = revocation === 'path' || (revocation === 'target' && isTarget)
  const revoked = isAsked
    ? revocationProblem(certificate, issuer, { crls, nowMs, work })
    : undefined
  if (revoked) return revoked
  // RFC 5280 section 6.1.3 (b), (c): self-issued certificates are free, but not as the target.
  const isFree = certificate.selfIssued && !isTarget
  return (
    (isFree ? undefined : constraintsProblem(certificate, state.constraints, work)) ??
    // RFC 5280 section 6.1.3 (d), (e), (f).
    certificatePoliciesProblem(state.policies, certificate, isTarget)
  )
}

// RFC 5280 section 4.1.2.5: both ends are included.
function validityProblem(certificate: PkixCertificate, nowMs: UnixMs): PathProblem | undefined {
  if (nowMs < certificate.notBefore) return problem('not-yet-valid')
  return nowMs > certificate.notAfter ? problem('expired') : undefined
}

// RFC 5280 section 6.1.4: preparation for the next certificate.
function nextProblem(
  certificate: PkixCertificate,
  state: PathState,
  purpose: PathPurpose,
): PathProblem | undefined {
  // (a), (b), (h), (i), (j).
  const failed = nextPoliciesProblem(state.policies, certificate) ?? caProblem(certificate)
  if (failed) return failed
  // (g).
  if (certificate.nameConstraints) state.constraints.push(certificate.nameConstraints)
  // (l): self-issued certificates do not count.
  if (!certificate.selfIssued) {
    if (state.maxPathLength === 0) return problem('path-length')
    state.maxPathLength--
  }
  // (m).
  const { pathLength = Infinity } = certificate.basicConstraints ?? {}
  state.maxPathLength = Math.min(state.maxPathLength, pathLength)
  return issuerUseProblem(certificate, purpose)
}

// RFC 5280 section 6.1.4 (k).
function caProblem(certificate: PkixCertificate): PathProblem | undefined {
  return certificate.basicConstraints?.ca === true ? undefined : problem('ca')
}

// RFC 5280 section 6.1.4 (n), (o), and the purposes that an issuer limits itself to.
function issuerUseProblem(issuer: PkixCertificate, purpose: PathPurpose): PathProblem | undefined {
  return (
    keyUsageProblem(issuer, 'keyCertSign') ??
    criticalProblem(issuer) ??
    purposeProblem(issuer, purpose)
  )
}

// RFC 5280 section 4.2.1.3: where the extension is present, the key does nothing else.
function keyUsageProblem(certificate: PkixCertificate, usage: KeyUsage): PathProblem | undefined {
  const { keyUsage } = certificate
  return keyUsage && !keyUsage.includes(usage) ? problem('key-usage', usage) : undefined
}

// RFC 5280 sections 6.1.4 (o), 6.1.5 (f).
function criticalProblem(certificate: PkixCertificate): PathProblem | undefined {
  const [unknown] = certificate.unhandledCritical
  return unknown === undefined ? undefined : problem('critical-extension', unknown)
}

const PURPOSES: Readonly<Record<PathPurpose, readonly ObjectIdentifier[]>> = {
  server: [KEY_PURPOSE.serverAuth],
  client: [KEY_PURPOSE.clientAuth],
  both: [KEY_PURPOSE.serverAuth, KEY_PURPOSE.clientAuth],
  any: [],
}

// RFC 5280 section 4.2.1.12: where the extension is present, the key serves these purposes only.
// anyExtendedKeyUsage is not taken for TLS, as the clause permits.
function purposeProblem(
  certificate: PkixCertificate,
  purpose: PathPurpose,
): PathProblem | undefined {
  const { extendedKeyUsage } = certificate
  const missing = PURPOSES[purpose].find((oid) => extendedKeyUsage?.includes(oid) === false)
  return missing === undefined ? undefined : problem('purpose', missing)
}

// RFC 5280 section 6.1.5: wrap-up, and what the caller asks of the target.
function wrapUp(
  target: PkixCertificate,
  state: PathState,
  input: PathInput,
): PathPolicies | PathProblem {
  const policies = finishPolicies(state.policies, target, input.policies ?? {})
  if ('reason' in policies) return policies
  return (
    criticalProblem(target) ??
    targetUseProblem(target, input.purpose) ??
    expectedNamesProblem(target, input.names ?? {}) ??
    policies
  )
}

function targetUseProblem(target: PkixCertificate, purpose: PathPurpose): PathProblem | undefined {
  if (purpose === 'any') return undefined
  // A key that signs certificates does not also speak TLS.
  if (target.basicConstraints?.ca === true) return problem('target-ca')
  // RFC 8446 section 4.4.2.2: in TLS 1.3 the key signs, whatever else it may do.
  return keyUsageProblem(target, 'digitalSignature') ?? purposeProblem(target, purpose)
}
