import {
  concatBytes,
  equalConstantTime,
  isRefusal,
  refuse,
  type Refusal,
  type Secret,
  sha256,
  toBase64Url,
  type TrustDomain,
  utf8,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { verifyEstCsr } from './est-csr.ts'
import { issue, keyHashOf, profileProblem, toGrant } from './issue.ts'
import {
  intend,
  type JoinDeps,
  type JoinResult,
  namePrincipal,
  newPrincipal,
  otherKey,
  repeat,
} from './join.ts'
import { isTokenId } from './join-line.ts'
import { capacityProblem, nameProblem } from './names.ts'
import type { EnrolmentTransaction, TokenRecord } from './records.ts'
import { ownerProblem, tokenRefused, type TokenService } from './tokens.ts'

/** What an EST client sends to `/simpleenroll`. */
export interface EstEnrolRequest {
  /** User and password of HTTP Basic: a token's id, and its secret as {@link estPassword} writes it. */
  readonly user: string
  readonly password: string
  /** PKCS#10, DER. */
  readonly csr: Uint8Array
}

/** Decides the requests of devices that come in by EST. */
export interface EstEnrolService {
  /**
   * Enrols a device that has no `kosd`: spends the token, computes the device id, issues the first
   * certificate, in one durable transaction. The same token and key again get the same certificate.
   *
   * @param request - not yet trusted
   * @param binding - 32 bytes `tls-exporter` of the connection it came on
   * @returns the grant, or a refusal as `JoinService.join` gives it, or `KOS_ENROLMENT_CSR`
   * @throws KosError of storage or of the CA; nothing is changed then
   */
  enrol(request: EstEnrolRequest, binding: Uint8Array): Promise<JoinResult>
}

interface EstCase {
  readonly transaction: EnrolmentTransaction
  readonly tokenId: string
  readonly tlsSpki: Uint8Array
  readonly tlsKeyHash: string
  readonly trustDomain: TrustDomain
}

const IDENTITY_TAG = utf8('kos-est-identity')
const NO_MAC = '000000000000'

/**
 * Makes the service of first enrolments by EST.
 *
 * **Security:** the secret itself crosses the wire, inside TLS: a client that does not verify the
 * authority gives it away. The caller limits rate and size of requests before authentication, records
 * every result, and puts the principal of `copyOf` on the lock list.
 *
 * @param deps - as for `createJoinService`
 * @param options - the trust domain of new principals
 * @see RFC 7030 section 4.2.1
 */
export function createEstEnrolService(
  deps: JoinDeps,
  options: { readonly trustDomain: TrustDomain },
): EstEnrolService {
  return Object.freeze({
    enrol: async (request: EstEnrolRequest, binding: Uint8Array): Promise<JoinResult> => {
      // Before the signature: who does not know a secret costs the authority a few hashes.
      if (!knowsSecret(deps.tokens, request)) return tokenRefused('secret', SECRET)
      const proven = verifyEstCsr(request.csr, binding)
      if (isRefusal(proven)) return proven
      const { tlsSpki } = proven
      const intended = deps.intend && (await intend(deps, request.user))
      const result = await deps.store.transaction((transaction) =>
        decide(deps, {
          transaction,
          tokenId: request.user,
          tlsSpki,
          tlsKeyHash: keyHashOf(tlsSpki),
          ...options,
        }),
      )
      if (intended && isRefusal(result)) await deps.refused?.(intended, result)
      return result
    },
  })
}

const SECRET = 'secret: kosctl token create --name NAME --est'

/** The password of HTTP Basic that a token's secret is. */
export function estPassword(secret: Secret): string {
  return secret.use((bytes) => toBase64Url(bytes))
}

/** By hash: neither length nor content of a guess shows in the time. */
function knowsSecret(tokens: TokenService, { user, password }: EstEnrolRequest): boolean {
  if (!isTokenId(user)) return false
  using secret = tokens.secretOf(user)
  return equalConstantTime(sha256(utf8(estPassword(secret))), sha256(utf8(password)))
}

function decide(deps: JoinDeps, enrolment: EstCase): JoinResult {
  const token = enrolment.transaction.token(enrolment.tokenId)
  // A line of kosd is no secret of EST, and a token that raises a profile brings nobody in.
  if (token?.origin !== 'est') return tokenRefused('unknown', SECRET)
  if (token.state === 'revoked') return tokenRefused('revoked', SECRET)
  if (token.state === 'spent') return spentBefore(deps, enrolment, token)
  if (token.expiresAt <= deps.clock.wallMs()) return tokenRefused('expired', SECRET)
  return admissionProblem(enrolment, token) ?? admit(deps, enrolment, token)
}

/** Idempotence by (token, public key): the same request again, or somebody else with the secret. */
function spentBefore(deps: JoinDeps, enrolment: EstCase, token: TokenRecord): JoinResult {
  const { transaction, tlsKeyHash } = enrolment
  const principal = token.principalId && transaction.principal(token.principalId)
  if (!principal) return tokenRefused('spent', SECRET)
  if (token.spentTlsKeyHash !== tlsKeyHash) return otherKey(deps, { transaction, token, principal })
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  const certificate = transaction.certificate(principal.id, 1, tlsKeyHash)
  if (!certificate) return tokenRefused('spent', SECRET)
  const grant = repeat(deps, enrolment, { principal, certificate })
  return isRefusal(grant) ? grant : { grant, repeated: true, token }
}

/** What stands against an enrolment although secret and proof hold; the token stays open. */
function admissionProblem(enrolment: EstCase, token: TokenRecord): Refusal | undefined {
  const { transaction, tlsKeyHash } = enrolment
  const use = transaction.keyUse(tlsKeyHash)
  if (use) {
    return refuse('KOS_ENROLMENT_COPY', `keys/registered-${use.purpose}`, {
      remedy: 'Make a new key: this one belongs to another registration.',
    })
  }
  return (
    profileProblem(profileOf(token.profile)) ??
    capacityProblem(transaction) ??
    ownerProblem(transaction, token) ??
    nameProblem(transaction, token)
  )
}

function admit(deps: JoinDeps, enrolment: EstCase, token: TokenRecord): JoinResult {
  const { transaction, tlsSpki, trustDomain } = enrolment
  const uuid = deps.random.uuidv7()
  const identitySpki = estIdentity(tlsSpki)
  // The id comes from a key, like all ids: the first one that the device proved.
  const facts = { mac: new Uint8Array(6), uuid, identitySpki: tlsSpki }
  const named = namePrincipal(trustDomain, token, facts)
  if (!named) return refuse('KOS_ENROLMENT_REQUEST', 'token/name')
  const certificate = issue(deps.ca, {
    principal: named,
    identitySpki,
    tlsSpki,
    profile: profileOf(token.profile),
    generation: 1,
    lifeMs: undefined,
  })
  const spent = { tlsKeyHash: certificate.tlsKeyHash, principalId: named.id }
  if (!transaction.spendToken(token.id, spent)) return tokenRefused('spent', SECRET)
  const principal = newPrincipal(token, named, {
    mac: NO_MAC,
    uuid,
    identitySpki,
    kemSpki: undefined,
    logSpkis: [],
    addresses: [],
    createdAt: deps.clock.wallMs(),
    certificateNotBefore: certificate.notBefore,
    certificateNotAfter: certificate.notAfter,
    origin: 'est',
  })
  transaction.insertPrincipal(principal)
  transaction.insertCertificate(certificate)
  return { grant: toGrant(principal, certificate), repeated: false, token }
}

/**
 * Stands in for the identity key's SubjectPublicKeyInfo of a device that has none: its SHA-256 is what
 * the leaf names, through all TLS keys. It is no key, so nobody can ever sign AUTH, a renewal of `kosd`
 * or a request for a session token as this device.
 */
function estIdentity(firstTlsSpki: Uint8Array): Uint8Array {
  return concatBytes(IDENTITY_TAG, sha256(firstTlsSpki))
}
