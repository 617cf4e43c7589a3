import {
  type Clock,
  equalBytes,
  type Gcra,
  isRefusal,
  refuse,
  type Refusal,
  takeGcra,
} from '../../foundation/base/index.ts'
import {
  EXTENSION_OID,
  parseCertificate,
  type X509Certificate,
  type X509Name,
} from '../../foundation/codec/index.ts'
import type { CertificateAuthority } from '../../trust/pki/index.ts'
import { type EstCsr, verifyEstCsr } from './est-csr.ts'
import { keyHashOf, reissue, toGrant } from './issue.ts'
import type {
  CertificateRecord,
  EnrolmentStore,
  EnrolmentTransaction,
  PrincipalRecord,
} from './records.ts'
import type { RenewResult } from './renew.ts'

/** What an EST client sends to `/simplereenroll`. */
export interface EstRenewRequest {
  /** Whose certificate the connection presented. */
  readonly principalId: string
  /** That certificate, DER; the caller has verified it, and that the connection holds its key. */
  readonly leaf: Uint8Array
  /** PKCS#10, DER. */
  readonly csr: Uint8Array
}

/** Decides renewals by EST. */
export interface EstRenewService {
  /**
   * Renews the certificate of a device that came in by EST, for a new TLS key or for the same. The same
   * request again gets the same certificate.
   *
   * @param request - proven by its connection
   * @param binding - 32 bytes `tls-exporter` of that connection
   * @returns the grant, or a refusal `KOS_ENROLMENT_CSR`, `KOS_ENROLMENT_PROOF`,
   *   `KOS_ENROLMENT_UNKNOWN`, `KOS_ENROLMENT_LOCKED`, `KOS_ENROLMENT_EXPIRED`, `KOS_ENROLMENT_PROFILE`,
   *   `KOS_ENROLMENT_RATE` or `KOS_ENROLMENT_COPY`
   * @throws KosError of storage or of the CA; nothing is changed then
   */
  renew(request: EstRenewRequest, binding: Uint8Array): Promise<RenewResult>
}

interface EstRenewDeps {
  readonly clock: Clock
  readonly store: EnrolmentStore
  readonly ca: CertificateAuthority
}

/** New certificates of one device: what lost answers and second tries need, then one per hour. */
const RENEWAL_RATE = { perSecond: 1 / 3600, burst: 4 }

/** What the service works with: one state of the rate per device that renews, so no more than there are. */
interface EstRenewParts extends EstRenewDeps {
  readonly rates: Map<string, Gcra>
}

interface RenewCase {
  readonly transaction: EnrolmentTransaction
  readonly request: EstRenewRequest
  readonly certificate: X509Certificate
  readonly tlsSpki: Uint8Array
  readonly tlsKeyHash: string
}

/**
 * Makes the service of renewals by EST.
 *
 * **Security:** the caller verifies the leaf of the connection (chain, validity, locks, registry), limits
 * the rate, records every result, and puts the principal of `copyOf` on the lock list. Copies are found
 * when both renew; of two that keep the same key for ever and renew in step nothing can tell.
 *
 * @param deps - clock, the registry and the CA
 * @see RFC 7030 section 4.2.2
 */
export function createEstRenewService(deps: EstRenewDeps): EstRenewService {
  const parts: EstRenewParts = { ...deps, rates: new Map() }
  return Object.freeze({
    renew: async (request: EstRenewRequest, binding: Uint8Array): Promise<RenewResult> => {
      const proven = verifyEstCsr(request.csr, binding)
      if (isRefusal(proven)) return proven
      const certificate = parseCertificate(request.leaf)
      const otherNames = namesProblem(proven, certificate)
      if (otherNames) return otherNames
      const { tlsSpki } = proven
      return deps.store.transaction((transaction) =>
        decide(parts, {
          transaction,
          request,
          certificate,
          tlsSpki,
          tlsKeyHash: keyHashOf(tlsSpki),
        }),
      )
    },
  })
}

/** RFC 7030 section 4.2.2: subject and alternative names are those of the certificate. */
function namesProblem({ csr, extensions }: EstCsr, held: X509Certificate): Refusal | undefined {
  const wanted = extensions.find(({ oid }) => oid === EXTENSION_OID.subjectAltNames)?.value
  const has = held.extensions.find(({ oid }) => oid === EXTENSION_OID.subjectAltNames)?.value
  const isSame = wanted && has && equalBytes(wanted, has) && isSameName(csr.subject, held.subject)
  if (isSame) return undefined
  return refuse('KOS_ENROLMENT_CSR', 'csr/names', {
    remedy: 'Subject and subjectAltName have to be those of the certificate; see docs/est.md.',
  })
}

/** By type and text: how a string is encoded is the client’s choice. */
function isSameName(a: X509Name, b: X509Name): boolean {
  const textOf = ({ attributes }: X509Name): string =>
    JSON.stringify(attributes.map(({ oid, value }) => [oid, value]))
  return textOf(a) === textOf(b)
}

function decide(deps: EstRenewParts, renewal: RenewCase): RenewResult {
  const { transaction, request, certificate } = renewal
  const principal = transaction.principal(request.principalId)
  if (!principal) return refuse('KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
  if (principal.origin !== 'est') {
    return refuse('KOS_ENROLMENT_PROFILE', 'est/identity-key', {
      remedy: 'This device has an identity key: its kosd renews its certificate.',
    })
  }
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  const held = transaction.certificateOfSerial(certificate.serialHex)
  if (held?.principalId !== principal.id || !equalBytes(held.der, request.leaf)) {
    return refuse('KOS_ENROLMENT_UNKNOWN', 'certificate/unknown')
  }
  if (held.notAfter <= deps.clock.wallMs()) {
    return refuse('KOS_ENROLMENT_EXPIRED', 'certificate/ended')
  }
  // Issued for one key, and then, on another request, for another: one of the two holders is a copy.
  const last = transaction.lastCertificate(principal.id, held.generation)
  if (last?.serial !== held.serial) return copied(renewal, principal, 'generation/two-keys')
  const behind = principal.generation - held.generation
  if (behind === 0) return certify(deps, renewal, { principal, held })
  return behind === 1
    ? again(deps, renewal, { principal, held })
    : copied(renewal, principal, 'generation/older')
}

interface Holder {
  readonly principal: PrincipalRecord
  readonly held: CertificateRecord
}

/**
 * A request from the generation before: a repeat after a lost answer when the key is the same, a second
 * try when the newer certificate was never seen, else a copy of the key.
 */
function again(deps: EstRenewParts, renewal: RenewCase, { principal, held }: Holder): RenewResult {
  const { transaction, tlsKeyHash } = renewal
  const { generation, generationUsed } = principal
  const before = transaction.lastCertificate(principal.id, generation)
  // Whoever renews with the same key and was seen with the result does not ask for it again.
  const canRepeat = !generationUsed || tlsKeyHash !== held.tlsKeyHash
  if (before?.tlsKeyHash === tlsKeyHash && canRepeat) {
    return { grant: toGrant(principal, before), repeated: true }
  }
  if (!generationUsed) return certify(deps, renewal, { principal, held })
  return copied(renewal, principal, 'generation/older')
}

function copied(
  { transaction }: RenewCase,
  principal: PrincipalRecord,
  rule: string,
): Refusal & { readonly copyOf: string } {
  transaction.changePrincipal(principal.id, { state: 'quarantined' })
  return { ...refuse('KOS_ENROLMENT_COPY', rule), copyOf: principal.id }
}

/** Certifies the generation after the one that the connection presented. */
function certify(
  deps: EstRenewParts,
  renewal: RenewCase,
  { principal, held }: Holder,
): RenewResult {
  const { transaction, tlsSpki, tlsKeyHash } = renewal
  const generation = held.generation + 1
  // A key is kept or new: never an older one of its own, and never somebody else's.
  if (tlsKeyHash !== held.tlsKeyHash && transaction.keyUse(tlsKeyHash)) {
    return refuse('KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
  }
  const limited = takeRenewal(deps, principal.id)
  if (limited) return limited
  const grant = reissue(deps.ca, transaction, { principal, tlsSpki, generation, addresses: [] })
  return isRefusal(grant) ? grant : { grant, repeated: false }
}

/** Counts what is issued, and not requests: a client that is set up wrongly finds out why. */
function takeRenewal({ clock, rates }: EstRenewParts, principalId: string): Refusal | undefined {
  const state = rates.get(principalId) ?? { tatMs: 0 }
  rates.set(principalId, state)
  const waitMs = takeGcra(state, RENEWAL_RATE, clock.monotonicMs())
  if (waitMs === 0) return undefined
  return refuse('KOS_ENROLMENT_RATE', 'rate/renewals', {
    remedy: 'This certificate was renewed just now: half its life is early enough.',
    retryAfterMs: Math.ceil(waitMs),
  })
}
