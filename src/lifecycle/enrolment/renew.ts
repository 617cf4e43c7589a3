import {
  type Clock,
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { CertificateAuthority } from '../../trust/pki/index.ts'
import { isAbsentTooLong, keyHashOf, reissue, toGrant } from './issue.ts'
import type { EnrolmentGrant, RenewRequest } from './messages.ts'
import { verifyRenewProofs } from './proofs.ts'
import type { EnrolmentStore, EnrolmentTransaction, PrincipalRecord } from './records.ts'

/**
 * How a renewal ended. `copyOf` is the id of the principal that was locked because its keys seem to
 * exist twice.
 */
export type RenewResult =
  | { readonly grant: EnrolmentGrant; readonly repeated: boolean }
  | (Refusal & { readonly copyOf?: string })

/** Decides renewal requests. */
export interface RenewService {
  /**
   * Renews a certificate for a new TLS key. Authentication is the identity key over this
   * connection, so an expired leaf can still be renewed within the profile's grace. The same
   * request again gets the same certificate.
   *
   * @param request - decoded, not yet trusted
   * @param exporter - 32 bytes of {@link ENROLMENT_EXPORTER_LABEL} of the connection it came on
   * @returns the grant, or a refusal `KOS_ENROLMENT_PROOF`, `KOS_ENROLMENT_UNKNOWN`,
   *   `KOS_ENROLMENT_LOCKED`, `KOS_ENROLMENT_EXPIRED`, `KOS_ENROLMENT_PROFILE` or
   *   `KOS_ENROLMENT_COPY`
   * @throws KosError of storage or of the CA; nothing is changed then
   */
  renew(request: RenewRequest, exporter: Uint8Array): Promise<RenewResult>
}

interface RenewDeps {
  readonly clock: Clock
  readonly store: EnrolmentStore
  readonly ca: CertificateAuthority
}

/**
 * Makes the renewal service.
 *
 * **Security:** the caller limits the rate and size of requests before authentication, records
 * every result, puts the principal of `copyOf` on the lock list, and notes in the registry when a
 * generation is first seen in use (`generationUsed`): copies are found by that.
 *
 * @param deps - clock, the registry and the CA
 * @see identity: Renewal and absence
 */
export function createRenewService(deps: RenewDeps): RenewService {
  return Object.freeze({
    renew: async (request: RenewRequest, exporter: Uint8Array): Promise<RenewResult> => {
      const proofs = verifyRenewProofs(request, exporter)
      if (isRefusal(proofs)) return proofs
      const { tlsSpki } = proofs
      return deps.store.transaction((transaction) =>
        decide(deps, { transaction, request, tlsSpki, tlsKeyHash: keyHashOf(tlsSpki) }),
      )
    },
  })
}

interface RenewCase {
  readonly transaction: EnrolmentTransaction
  readonly request: RenewRequest
  readonly tlsSpki: Uint8Array
  readonly tlsKeyHash: string
}

function decide(deps: RenewDeps, renewal: RenewCase): RenewResult {
  const { request, transaction } = renewal
  const principal = transaction.principal(request.principalId)
  // Who does not hold the identity key learns nothing about whom there is.
  if (!principal || !equalBytes(principal.identitySpki, request.identitySpki)) {
    return refuse('KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
  }
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  if (isAbsentTooLong(principal, deps.clock.wallMs())) {
    return refuse('KOS_ENROLMENT_EXPIRED', 'certificate/absence')
  }
  const behind = principal.generation - request.generation
  if (behind === 0) return certify(deps, renewal, principal)
  // A registry that came back from a backup is behind; that is no sign of a copy.
  if (behind < 0) return refuse('KOS_ENROLMENT_UNKNOWN', 'generation/ahead')
  return behind === 1 ? again(deps, renewal, principal) : copied(renewal, principal)
}

/**
 * A request from the generation before: a repeat after a lost answer when the key is the same, a
 * second try when the newer certificate was never used, else a copy of the keys.
 */
function again(deps: RenewDeps, renewal: RenewCase, principal: PrincipalRecord): RenewResult {
  const { transaction, tlsKeyHash } = renewal
  const before = transaction.certificate(principal.id, principal.generation, tlsKeyHash)
  if (before && before.notAfter > deps.clock.wallMs()) {
    return { grant: toGrant(principal, before), repeated: true }
  }
  // One that ended before it was fetched would be of no use: the same key gets a new one.
  if (before || !principal.generationUsed) return certify(deps, renewal, principal)
  return copied(renewal, principal)
}

function copied({ transaction }: RenewCase, principal: PrincipalRecord): RenewResult {
  transaction.changePrincipal(principal.id, { state: 'quarantined' })
  return { ...refuse('KOS_ENROLMENT_COPY', 'generation/older'), copyOf: principal.id }
}

/** Certifies the generation after the one that the request names. */
function certify(deps: RenewDeps, renewal: RenewCase, principal: PrincipalRecord): RenewResult {
  const { transaction, request, tlsSpki, tlsKeyHash } = renewal
  const generation = request.generation + 1
  // TLS keys are new at every renewal, and no key serves two principals or purposes.
  if (
    transaction.keyUse(tlsKeyHash) &&
    !transaction.certificate(principal.id, generation, tlsKeyHash)
  ) {
    return refuse('KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
  }
  const { addresses } = request
  const grant = reissue(deps.ca, transaction, { principal, tlsSpki, generation, addresses })
  return isRefusal(grant) ? grant : { grant, repeated: false }
}
