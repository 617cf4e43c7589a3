import type { Clock, Log, Refusal } from '../../foundation/base/index.ts'
import type { CertificateAuthority, TrustedIntermediate } from '../../trust/pki/index.ts'
import type { CaStatus } from './api-schema-ca.ts'
import { intermediateState, isRequestDue, type RotationStep } from './ca-rotation.ts'
import { chainView, type CompanyChain, createCompanyChain } from './company-chain.ts'
import type { HeldCertificate } from './registry.ts'
import { refuseCa } from './hints.ts'
import { createRootRequests, type RootRequests } from './root-requests.ts'
import { rootRequestWords } from './root-words.ts'

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
  /** Why the intermediate that does not issue is not to be revoked yet. */
  refuseRevoke(isForced: boolean): Refusal | undefined
  /** The same steps, asked of root keys that are kept elsewhere. */
  readonly requests: RootRequests
  /** The place below a company's root. */
  readonly company: CompanyChain
}

interface CaControlDeps {
  readonly clock: Clock
  readonly log: Log
  readonly ca: CertificateAuthority
  readonly certificatesInForce: () => Iterable<HeldCertificate>
  /** The bundle or the issuing intermediate is another one. */
  onChanged(step: RotationStep | 'answered'): void
  /** The authority's own certificate. */
  leaf(): Uint8Array
  /** The chain to a company's root is another one. */
  onChainChanged(): void
}

/** Makes the operator's hand on the rotation of the intermediate. */
export function createCaControl(deps: CaControlDeps): CaControl {
  const { ca } = deps
  const status = (): CaStatus => statusOf(deps)
  const hasOther = (): boolean => ca.trust.intermediates.length > 1
  const take = (step: RotationStep, change: () => void): CaStatus => {
    change()
    deps.log.event('ca.rotation', { state: step })
    deps.onChanged(step)
    return status()
  }
  const withOther = (step: RotationStep, change: () => void): CaStatus | Refusal =>
    hasOther() ? take(step, change) : refuseCa('one-intermediate', PREPARE_FIRST)
  const refuseRevoke = (isForced: boolean): Refusal | undefined => {
    const old = status().intermediates.find(({ state }) => state !== 'issuing')
    const holders = old?.holders ?? 0
    return holders > 0 && !isForced
      ? refuseCa('holders', `Still held: ${holders}. ${RENEW_FIRST}`)
      : undefined
  }
  return {
    status,
    prepare: () => {
      if (hasOther()) return refuseCa('two-intermediates', REVOKE_FIRST)
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
    revoke: (isForced) =>
      rootless(ca) ?? refuseRevoke(isForced) ?? withOther('retired', () => ca.retireIntermediate()),
    refuseRevoke,
    requests: createRootRequests({
      log: deps.log,
      ca,
      status,
      onChanged: () => deps.onChanged('answered'),
    }),
    company: createCompanyChain({
      log: deps.log,
      ca,
      status,
      leaf: () => deps.leaf(),
      onChanged: () => deps.onChainChanged(),
    }),
  }
}

const PREPARE_FIRST = 'Permit another one first: kosctl ca prepare.'
const REVOKE_FIRST = 'Finish the rotation that is under way first: kosctl ca status.'
const RENEW_FIRST = 'Wait until they are renewed ("kosctl ca taint" asks for it), or add --force.'

/** What is to be done where the root keys are not. */
export const ASK_ELSEWHERE =
  'The root keys are offline: write a request for them with "kosctl ca request … > FILE".'

function rootless(ca: CertificateAuthority): Refusal | undefined {
  if (ca.hasRootKeys) return undefined
  return refuseCa('root-keys', ASK_ELSEWHERE)
}

function statusOf({ ca, clock, certificatesInForce }: CaControlDeps): CaStatus {
  const { era, number, intermediates } = ca.trust
  // A principal that tried twice has two certificates of its newest number.
  const held = intermediates.map((one) => ({ keyId: keyIdOf(one), names: new Set<string>() }))
  for (const { name, der } of certificatesInForce()) {
    // The authority key identifier of the leaf: 160 bits that stand nowhere else by chance.
    held.find(({ keyId }) => der.includes(keyId))?.names.add(name)
  }
  const chain = chainView(ca, clock)
  return {
    bundle: { era, number },
    rootKeys: ca.hasRootKeys,
    due: isRequestDue(ca),
    ...pendingOf(ca),
    intermediates: intermediates.map((one, at) => viewOf(ca, one, [...(held[at]?.names ?? [])])),
    ...(chain && { chain }),
  }
}

function pendingOf(ca: CertificateAuthority): Pick<CaStatus, 'pending'> {
  const request = ca.pendingRequest()
  if (!request) return {}
  const { era, number, by, issuedAt } = request
  const changes = rootRequestWords({ request, current: ca.trust })
  return { pending: { era, number, by, issuedAt, changes } }
}

function viewOf(
  ca: CertificateAuthority,
  one: TrustedIntermediate,
  names: readonly string[],
): CaStatus['intermediates'][number] {
  const { notBefore, notAfter } = one.certificate
  return {
    keyId: keyIdOf(one).toString('hex'),
    serial: one.certificate.serialHex,
    state: intermediateState(ca, one),
    notBefore,
    notAfter,
    holders: names.length,
    names: names.toSorted().slice(0, MAX_NAMES),
  }
}

function keyIdOf({ certificate }: TrustedIntermediate): Buffer {
  return Buffer.from(certificate.subjectKeyId ?? [])
}
