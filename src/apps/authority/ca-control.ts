import { type Log, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { CertificateAuthority, TrustedIntermediate } from '../../trust/pki/index.ts'
import type { CaStatus } from './api-schema-ca.ts'
import type { RotationStep } from './ca-rotation.ts'
import type { HeldCertificate } from './registry.ts'

/** Names of holders that are listed; all of them are counted. */
const MAX_NAMES = 20

/** The rotation of the intermediate CA, in the operator's hand. */
export interface CaControl {
  /** What is permitted, what issues, and who still holds certificates of which. */
  status(): CaStatus
  /** Permits another intermediate; it does not issue yet. */
  prepare(): CaStatus | Refusal
  /** Lets the other permitted one issue; the same again goes back. */
  activate(): CaStatus | Refusal
  /** Tells members to renew what the one that does not issue has signed. */
  taint(): CaStatus | Refusal
  /**
   * Takes the one that does not issue out of the trust bundle; there is no way back.
   *
   * @param isForced - also while certificates under it are in force
   */
  revoke(isForced: boolean): CaStatus | Refusal
}

interface CaControlDeps {
  readonly log: Log
  readonly ca: CertificateAuthority
  certificatesInForce(): Iterable<HeldCertificate>
  /** The bundle or the issuing intermediate is another one. */
  onChanged(step: RotationStep): void
}

/** Makes the operator's hand on the rotation of the intermediate. */
export function createCaControl(deps: CaControlDeps): CaControl {
  const { ca } = deps
  const status = (): CaStatus => statusOf(ca, deps.certificatesInForce())
  const hasOther = (): boolean => ca.trust.intermediates.length > 1
  const take = (step: RotationStep, change: () => void): CaStatus => {
    change()
    deps.log.event('ca.rotation', { state: step })
    deps.onChanged(step)
    return status()
  }
  const withOther = (step: RotationStep, change: () => void): CaStatus | Refusal =>
    hasOther() ? take(step, change) : refused('one-intermediate', PREPARE_FIRST)
  return {
    status,
    prepare: () => {
      if (hasOther()) return refused('two-intermediates', REVOKE_FIRST)
      return rootless(ca) ?? take('prepared', () => ca.prepareIntermediate())
    },
    activate: () => {
      const needsRoots = ca.trust.intermediates.some(({ isTainted }) => isTainted)
      return (
        (needsRoots ? rootless(ca) : undefined) ??
        withOther('switched', () => ca.switchIntermediate())
      )
    },
    taint: () => rootless(ca) ?? withOther('tainted', () => ca.taintIntermediate()),
    revoke: (isForced) => {
      const refusal = rootless(ca)
      if (refusal) return refusal
      const old = status().intermediates.find(({ state }) => state !== 'issuing')
      const holders = old?.holders ?? 0
      if (holders > 0 && !isForced) {
        return refused('holders', `Still held: ${holders}. ${RENEW_FIRST}`)
      }
      return withOther('retired', () => ca.retireIntermediate())
    },
  }
}

const PREPARE_FIRST = 'Permit another one first: kosctl ca prepare.'
const REVOKE_FIRST = 'Finish the rotation that is under way first: kosctl ca status.'
const RENEW_FIRST = 'Wait until they are renewed ("kosctl ca taint" asks for it), or add --force.'

function rootless(ca: CertificateAuthority): Refusal | undefined {
  if (ca.hasRootKeys) return undefined
  return refused('root-keys', 'Bring both root keys back to this authority, and repeat it.')
}

function refused(rule: string, remedy: string): Refusal {
  return refuse('KOS_AUTHORITY_CA', `ca/${rule}`, { remedy })
}

function statusOf(ca: CertificateAuthority, certificates: Iterable<HeldCertificate>): CaStatus {
  const { era, number, intermediates } = ca.trust
  // A principal that tried twice has two certificates of its newest number.
  const held = intermediates.map((one) => ({ keyId: keyIdOf(one), names: new Set<string>() }))
  for (const { name, der } of certificates) {
    // The authority key identifier of the leaf: 160 bits that stand nowhere else by chance.
    held.find(({ keyId }) => der.includes(keyId))?.names.add(name)
  }
  return {
    bundle: { era, number },
    rootKeys: ca.hasRootKeys,
    intermediates: intermediates.map((one, at) => viewOf(ca, one, [...(held[at]?.names ?? [])])),
  }
}

function viewOf(
  ca: CertificateAuthority,
  one: TrustedIntermediate,
  names: readonly string[],
): CaStatus['intermediates'][number] {
  const { der, notBefore, notAfter } = one.certificate
  const isIssuing = Buffer.compare(der, ca.chain[0]) === 0
  return {
    keyId: keyIdOf(one).toString('hex'),
    serial: one.certificate.serialHex,
    state: isIssuing ? 'issuing' : one.isTainted ? 'tainted' : 'permitted',
    notBefore,
    notAfter,
    holders: names.length,
    names: names.toSorted().slice(0, MAX_NAMES),
  }
}

function keyIdOf({ certificate }: TrustedIntermediate): Buffer {
  return Buffer.from(certificate.subjectKeyId ?? [])
}
