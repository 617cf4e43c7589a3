import { equalBytes, type UnixMs } from '../../foundation/base/index.ts'
import {
  type CertificateRevocationList,
  codecErrors,
  parseCrl,
  PKIX_EXTENSION_OID,
  type PkixCertificate,
} from '../../foundation/codec/index.ts'
import { type PathProblem, problem } from './path-reasons.ts'
import type { WorkMeter } from './path-work.ts'

/** The revocation lists of one validation. */
export interface CrlSet {
  readonly lists: readonly CertificateRevocationList[]
  /** What was wrong with the first list that could not be read. */
  readonly unreadable?: string
}

/** Reads the lists that were handed in. */
export function readCrls(crls: readonly (Uint8Array | CertificateRevocationList)[]): CrlSet {
  const lists: CertificateRevocationList[] = []
  let unreadable: string | undefined
  for (const crl of crls) {
    const read = crl instanceof Uint8Array ? tryParse(crl) : crl
    if (typeof read === 'string') unreadable ??= read
    else lists.push(read)
  }
  return unreadable === undefined ? { lists } : { lists, unreadable }
}

function tryParse(der: Uint8Array): CertificateRevocationList | string {
  try {
    return parseCrl(der)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return String(error.details['rule'])
  }
}

/** What revocation is asked with. */
export interface RevocationContext {
  readonly crls: CrlSet
  readonly nowMs: UnixMs
  readonly work: WorkMeter
}

/**
 * Asks the lists of a certificate's issuer. Of the usable ones the one of the highest number
 * speaks; no usable one is a "no".
 *
 * @param issuer - its issuer in this path, which also signs its lists
 * @see RFC 5280 section 6.3.3
 */
export function revocationProblem(
  certificate: PkixCertificate,
  issuer: PkixCertificate,
  context: RevocationContext,
): PathProblem | undefined {
  let newest: CertificateRevocationList | undefined
  let failed: PathProblem | undefined
  for (const list of context.crls.lists) {
    if (!isListOf(list, certificate, issuer)) continue
    const unusable = listProblem(list, issuer, context)
    if (unusable) failed ??= unusable
    else if (!newest || list.crlNumber > newest.crlNumber) newest = list
  }
  if (!newest) return failed ?? missing(context.crls)
  const entry = newest.revoked.get(certificate.serialHex)
  return entry && problem('revoked', entry.reason)
}

function missing({ unreadable }: CrlSet): PathProblem {
  return unreadable === undefined ? problem('crl-missing') : problem('crl-encoding', unreadable)
}

// RFC 5280 section 6.3.3 (b)(1), 5.2.1: the issuer's name, and its key where it says which.
function isListOf(
  list: CertificateRevocationList,
  certificate: PkixCertificate,
  issuer: PkixCertificate,
): boolean {
  const { subjectKeyId } = issuer
  return (
    list.issuer.key === certificate.issuer.key &&
    (subjectKeyId === undefined || equalBytes(list.authorityKeyId, subjectKeyId))
  )
}

const KINDS: ReadonlyMap<string, string> = new Map([
  [PKIX_EXTENSION_OID.deltaCrlIndicator, 'delta'],
  [PKIX_EXTENSION_OID.issuingDistributionPoint, 'distribution-point'],
  [PKIX_EXTENSION_OID.certificateIssuer, 'indirect'],
])

function listProblem(
  list: CertificateRevocationList,
  issuer: PkixCertificate,
  { nowMs, work }: RevocationContext,
): PathProblem | undefined {
  // RFC 5280 sections 5.2, 5.3: such a list MUST NOT be used.
  const [unknown] = list.unhandledCritical
  if (unknown !== undefined) {
    const kind = KINDS.get(unknown)
    return kind === undefined
      ? problem('crl-critical-extension', unknown)
      : problem('crl-kind', kind)
  }
  // RFC 5280 section 6.3.3 (f).
  if (issuer.keyUsage && !issuer.keyUsage.includes('cRLSign')) return problem('crl-key-usage')
  // RFC 5280 section 6.3.3 (g).
  const verdict = work.verify(list, issuer.publicKey)
  if (verdict === 'limit') return problem('work-limit', 'signatures')
  if (verdict === 'bad') return problem('crl-signature')
  // RFC 5280 sections 5.1.2.4 and 6.3.3 (a).
  if (nowMs < list.thisUpdate) return problem('crl-not-yet-valid')
  return nowMs > list.nextUpdate ? problem('crl-expired') : undefined
}
