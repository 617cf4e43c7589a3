import { refuse, type Refusal, toHex } from '../../foundation/base/index.ts'
import type { PkixCertificate } from '../../foundation/codec/index.ts'

/**
 * Every reason for which a path is refused, with the clause it stands on. The order is the one in
 * which the checks of one certificate are made; `docs/chains.md` explains each.
 */
export const PATH_REASONS = {
  input: 'more anchors, candidates or CRLs than the limits allow',
  encoding: 'RFC 5280 section 4',
  'key-size': 'RFC 8017 section 3.1, NIST SP 800-131A section 3',
  'no-issuer': 'RFC 5280 section 6.1.3 (a)(4)',
  depth: 'RFC 4158 section 5.1',
  signature: 'RFC 5280 section 6.1.3 (a)(1)',
  'work-limit': 'RFC 4158 section 5.1',
  'not-yet-valid': 'RFC 5280 section 6.1.3 (a)(2)',
  expired: 'RFC 5280 section 6.1.3 (a)(2)',
  'crl-encoding': 'RFC 5280 section 5',
  'crl-missing': 'RFC 5280 section 6.3.3',
  'crl-kind': 'RFC 5280 section 6.3.3 (b), (c)',
  'crl-critical-extension': 'RFC 5280 sections 5.2, 5.3',
  'crl-key-usage': 'RFC 5280 section 6.3.3 (f)',
  'crl-signature': 'RFC 5280 section 6.3.3 (g)',
  'crl-not-yet-valid': 'RFC 5280 section 5.1.2.4',
  'crl-expired': 'RFC 5280 section 6.3.3 (a)',
  revoked: 'RFC 5280 section 6.1.3 (a)(3)',
  'name-not-permitted': 'RFC 5280 section 6.1.3 (b)',
  'name-excluded': 'RFC 5280 section 6.1.3 (c)',
  'name-form': 'RFC 5280 section 4.2.1.10',
  policy: 'RFC 5280 sections 6.1.3 (f), 6.1.5 (g)',
  'policy-mapping': 'RFC 5280 section 6.1.4 (a)',
  ca: 'RFC 5280 section 6.1.4 (k)',
  'path-length': 'RFC 5280 section 6.1.4 (l)',
  'key-usage': 'RFC 5280 sections 6.1.4 (n), 4.2.1.3',
  'critical-extension': 'RFC 5280 sections 6.1.4 (o), 6.1.5 (f)',
  purpose: 'RFC 5280 section 4.2.1.12',
  'target-ca': 'RFC 5280 section 4.2.1.9',
  'name-uri': 'RFC 5280 section 4.2.1.6, SPIFFE X.509-SVID section 4.1',
  'name-dns': 'RFC 9525 section 6.3',
  'name-ip': 'RFC 9525 section 6.5',
} as const

/** One of {@link PATH_REASONS}. */
export type PathReason = keyof typeof PATH_REASONS

/** Why no path was accepted. */
export interface PathRefusal extends Refusal {
  readonly code: 'KOS_PKI_PATH'
  readonly rule: PathReason
  /** The clause of the rule. */
  readonly clause: string
  /** The refused certificate: 0 the target, 1 its issuer and so on; the anchor is the last. */
  readonly depth: number
}

/** What is said about a failed check. */
export interface PathProblem {
  readonly reason: PathReason
  /** The sub-rule, value or extension, in short and safe words. */
  readonly detail?: string
}

/** Makes the problem of a failed check. */
export function problem(reason: PathReason, detail?: string): PathProblem {
  return detail === undefined ? { reason } : { reason, detail }
}

/** Makes the refusal of a failed check. */
export function refusePath(
  failed: PathProblem,
  depth: number,
  certificate?: PkixCertificate,
): PathRefusal {
  const { reason, detail } = failed
  return Object.freeze({
    ...refuse('KOS_PKI_PATH', reason, {
      details: Object.freeze({
        depth,
        ...(detail !== undefined && { detail }),
        ...(certificate && { certificate: toHex(certificate.fingerprint) }),
      }),
    }),
    code: 'KOS_PKI_PATH',
    rule: reason,
    clause: PATH_REASONS[reason],
    depth,
  })
}
