import type { CertificateAuthority, TrustedIntermediate } from '../../trust/pki/index.ts'
import type { IntermediateView } from './api-schema-ca.ts'

/** How long members have to learn of a new intermediate before it issues. */
const ANNOUNCE_MS = 24 * 60 * 60 * 1000

/** A step of the rotation of the intermediate. */
export type RotationStep = 'prepared' | 'switched' | 'tainted' | 'retired'

/**
 * Takes the next step of the rotation of the intermediate, if one is due: at half of its life another
 * one is permitted, a day later that one issues, and the former one goes when it has ended. Certificates
 * never outlive their issuer, so nothing that is valid is lost. Steps that an operator took before stand.
 *
 * The root keys sign the first and the last step: without them the authority goes on until the
 * intermediate ends, and warns from half of its life on: see {@link isRequestDue}.
 *
 * @param ca - the certificate authority; its state is durable when this returns
 * @param nowMs - wall time
 * @returns the step that was taken
 * @see profiles: Intermediate 90 days with two active
 */
export function rotateIntermediate(
  ca: CertificateAuthority,
  nowMs: number,
): RotationStep | undefined {
  const current = ca.issuing
  const other = ca.trust.intermediates
    .map(({ certificate }) => certificate)
    .find((certificate) => certificate !== current)
  if (!other) {
    if (!ca.intermediateDue || !ca.hasRootKeys) return undefined
    ca.prepareIntermediate()
    return 'prepared'
  }
  if (other.notAfter > current.notAfter) {
    // One that an operator prepared early, or went back from, waits for the operator.
    if (!ca.intermediateDue) return undefined
    const isKnown = nowMs - other.notBefore > ANNOUNCE_MS
    if (!isKnown && nowMs < current.notAfter) return undefined
    ca.switchIntermediate()
    return 'switched'
  }
  if (nowMs <= other.notAfter || !ca.hasRootKeys) return undefined
  ca.retireIntermediate()
  return 'retired'
}

/**
 * Whether an operator is to ask root keys that are kept elsewhere for the next intermediate: the one that
 * issues is past half of its life, and none that lives longer is permitted.
 */
export function isRequestDue(ca: CertificateAuthority): boolean {
  if (ca.hasRootKeys || !ca.intermediateDue) return false
  return ca.trust.intermediates.every(
    ({ certificate }) => certificate.notAfter <= ca.issuing.notAfter,
  )
}

/** What an intermediate is good for at the moment. */
export function intermediateState(
  ca: CertificateAuthority,
  { certificate, isTainted }: TrustedIntermediate,
): IntermediateView['state'] {
  if (certificate === ca.issuing) return 'issuing'
  return isTainted ? 'tainted' : 'permitted'
}

/** What is to be typed then. */
export const REQUEST_COMMAND = 'kosctl ca request prepare > FILE'
