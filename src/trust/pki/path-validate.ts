import type { PkixCertificate } from '../../foundation/codec/index.ts'
import type { PathPolicies } from './path-policies.ts'
import { processPath } from './path-process.ts'
import { type PathProblem, type PathRefusal, problem, refusePath } from './path-reasons.ts'
import { readCrls } from './path-revocation.ts'
import { indexIssuers, PathSearch, tryParse } from './path-search.ts'
import { PATH_LIMITS, type PathInput, type PathLimits, type ValidatedPath } from './path-types.ts'
import { WorkMeter } from './path-work.ts'

/**
 * Finds a path from a certificate to a trust anchor and validates it: for certificates of outside
 * issuers, such as makers of devices and of TPMs. Peers of the own trust domain are checked by
 * {@link verifyPeerLeaf}, which knows the one path they may have.
 *
 * It is pure: no clock, no network, no trust store. Candidates are hints in any order and number;
 * all cross-certified paths are tried within {@link PATH_LIMITS}, and the refusal that is returned
 * is that of the path which came furthest.
 *
 * **Security:** it proves who issued what, not that the presenter holds the target's key. Whether
 * a CRL is the newest one is not known to it; it demands a current one where `revocation` asks.
 * Anchors are believed: their own signature is not verified, everything else they say binds.
 *
 * @param input - see {@link PathInput}
 * @returns the accepted path, or a refusal KOS_PKI_PATH whose rule is a {@link PathReason} and
 *   whose `depth` tells the certificate
 * @see RFC 5280 section 6, RFC 9618, RFC 5937, RFC 4158; docs/chains.md
 * @example
 * ```ts
 * import { unixMs } from 'kos/base'
 * import { validatePath } from 'kos/pki'
 *
 * const result = validatePath({
 *   target: Uint8Array.of(0x30, 0x00),
 *   anchors: [],
 *   nowMs: unixMs(1_767_225_600_000),
 *   purpose: 'server',
 *   names: { dns: 'camera-1.example' },
 * })
 * result.allow ? 'accepted' : result.rule // 'encoding'
 * ```
 */
export function validatePath(input: PathInput): ValidatedPath | PathRefusal {
  const limits = { ...PATH_LIMITS, ...input.limits }
  const tooMany = inputProblem(input, limits)
  if (tooMany) return refusePath(tooMany, 0)
  const work = new WorkMeter(limits)
  const target = tryParse(input.target, limits)
  if ('reason' in target) return refusePath(target, 0)
  // The key is what the caller will use: a point off its curve is found here, not later.
  if (!work.importKey(target.publicKey)) return refusePath(problem('encoding', 'spki'), 0, target)
  return search(target, input, { limits, work })
}

function search(
  target: PkixCertificate,
  input: PathInput,
  { limits, work }: { readonly limits: PathLimits; readonly work: WorkMeter },
): ValidatedPath | PathRefusal {
  const { anchors, candidates = [], crls = [] } = input
  const revocation = input.revocation ?? (crls.length > 0 ? 'path' : 'none')
  const context = { input, revocation, crls: readCrls(crls), work }
  let found: Omit<ValidatedPath, 'allow' | 'revocation' | 'work'> | undefined
  const process = (
    certificates: readonly PkixCertificate[],
    anchor: PkixCertificate,
  ): PathRefusal | undefined => {
    const policies: PathPolicies | PathRefusal = processPath({ certificates, anchor }, context)
    if ('rule' in policies) return policies
    found = { certificates: Object.freeze(certificates), anchor, ...policies }
    return undefined
  }
  const index = indexIssuers(anchors, candidates)
  const refusal = new PathSearch({ index, limits, work, process }).run(target)
  if (found) return Object.freeze({ allow: true, ...found, revocation, work: work.total() })
  return refusal ?? refusePath(problem('no-issuer'), 0, target)
}

function inputProblem(input: PathInput, limits: PathLimits): PathProblem | undefined {
  const { anchors, candidates = [], crls = [] } = input
  if (anchors.length > limits.maxAnchors) return problem('input', 'anchors')
  if (candidates.length > limits.maxCandidates) return problem('input', 'candidates')
  return crls.length > limits.maxCrls ? problem('input', 'crls') : undefined
}
