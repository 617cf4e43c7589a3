import {
  type Clock,
  equalBytes,
  equalConstantTime,
  isRefusal,
  type Principal,
  principalOf,
  type Random,
  refuse,
  type Refusal,
  toHex,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import {
  type CertificateAuthority,
  deriveDeviceId,
  type DeviceIdFacts,
} from '../../trust/pki/index.ts'
import { floorProblem } from './floors.ts'
import {
  isAbsentTooLong,
  issue,
  keyHashOf,
  OPERATOR_LIFE_MS,
  profileProblem,
  reissue,
  toGrant,
} from './issue.ts'
import type { EnrolmentGrant, JoinRequest } from './messages.ts'
import { capacityProblem, nameProblem } from './names.ts'
import { joinAuthenticator, verifyJoinProofs } from './proofs.ts'
import type {
  CertificateRecord,
  EnrolmentStore,
  EnrolmentTransaction,
  PrincipalRecord,
  TokenRecord,
  TokenUse,
} from './records.ts'
import { consumeToken, tokenForDevice } from './token-uses.ts'
import { ownerProblem, tokenRefused, type TokenService } from './tokens.ts'

/**
 * How a join ended, with what the audit log needs to know of it. `copyOf` is the id of the principal
 * that was locked because somebody else has its token too.
 */
export type JoinResult =
  | { readonly grant: EnrolmentGrant; readonly repeated: boolean; readonly token: TokenRecord }
  | (Refusal & { readonly copyOf?: string })

/** Decides join requests. */
export interface JoinService {
  /**
   * Joins a device: spends the token, computes the device id, issues the first certificate, in one
   * durable transaction. The same request again gets the same certificate, after a restart too.
   *
   * @param request - decoded, not yet trusted
   * @param exporter - 32 bytes of {@link ENROLMENT_EXPORTER_LABEL} of the connection it came on
   * @returns the grant, or a refusal `KOS_ENROLMENT_TOKEN` (which looks the same for an unknown id
   *   and a wrong secret), `KOS_ENROLMENT_PROOF`, `KOS_ENROLMENT_PROFILE`,
   *   `KOS_ENROLMENT_NAME_TAKEN`, `KOS_ENROLMENT_REQUEST`, `KOS_ENROLMENT_FULL`, `KOS_ENROLMENT_LOCKED`,
   *   `KOS_ENROLMENT_EXPIRED` or `KOS_ENROLMENT_COPY`
   * @throws KosError of storage or of the CA; nothing is changed then
   */
  join(request: JoinRequest, exporter: Uint8Array): Promise<JoinResult>
}

/** What joining needs. */
export interface JoinDeps {
  readonly clock: Clock
  readonly random: Random
  readonly store: EnrolmentStore
  readonly ca: CertificateAuthority
  readonly tokens: TokenService
  /**
   * Makes durable that a device with an open token is about to join; when it rejects, nothing is
   * changed. Never asked for a token that cannot be used, so that old lines cannot fill a log.
   */
  readonly intend?: (token: TokenRecord) => Promise<void>
  /** Told that what was intended did not happen. */
  readonly refused?: (token: TokenRecord, refusal: Refusal) => Promise<void>
}

/**
 * Makes the join service.
 *
 * **Security:** the caller limits the rate and size of requests before authentication, records
 * every result, and puts the principal of `copyOf` on the lock list.
 *
 * @param deps - clock, randomness, the registry, the CA and the token service
 * @param options - the trust domain of new principals, and whom it brings in
 * @see identity: Joining
 */
export function createJoinService(deps: JoinDeps, options: JoinServiceOptions): JoinService {
  return Object.freeze({
    join: async (request: JoinRequest, exporter: Uint8Array): Promise<JoinResult> => {
      // Before the signatures: who does not know a secret costs the authority a few hashes.
      if (!knowsSecret(deps.tokens, request, exporter)) return tokenRefused('secret')
      const proofs = verifyJoinProofs(request, exporter)
      if (isRefusal(proofs)) return proofs
      const intended = deps.intend && (await intend(deps, request.tokenId))
      const result = await deps.store.transaction((transaction) =>
        decide(deps, { transaction, request, tlsSpki: proofs.tlsSpki, ...options }),
      )
      if (intended && isRefusal(result)) await deps.refused?.(intended, result)
      return result
    },
  })
}

/** Makes the intent of a join durable, when its token can be used at all. */
export async function intend(
  deps: Pick<JoinDeps, 'clock' | 'store' | 'intend'>,
  tokenId: string,
): Promise<TokenRecord | undefined> {
  const token = await deps.store.transaction((transaction) => transaction.token(tokenId))
  const isUsable = token?.state === 'open' && token.expiresAt > deps.clock.wallMs()
  if (!isUsable) return undefined
  await deps.intend?.(token)
  return token
}

function knowsSecret(tokens: TokenService, request: JoinRequest, exporter: Uint8Array): boolean {
  using secret = tokens.secretOf(request.tokenId)
  const expected = joinAuthenticator(secret, exporter, request.csr)
  return equalConstantTime(expected, request.authenticator)
}

interface JoinServiceOptions {
  readonly trustDomain: TrustDomain
  /** Whom it brings in; devices and agents when absent. A person's line brings no daemon in. */
  readonly kinds?: readonly TokenRecord['kind'][]
}

const DAEMONS: readonly TokenRecord['kind'][] = ['device', 'agent']

interface JoinCase extends JoinServiceOptions {
  readonly transaction: EnrolmentTransaction
  readonly request: JoinRequest
  readonly tlsSpki: Uint8Array
}

function decide(deps: JoinDeps, join: JoinCase): JoinResult {
  const { transaction, request, tlsSpki } = join
  const token = transaction.token(request.tokenId)
  // A token that raises a profile brings nobody in, and one of EST nobody with an identity key.
  if (!token || token.raises !== undefined || token.origin !== undefined) {
    return tokenRefused('unknown')
  }
  if (!(join.kinds ?? DAEMONS).includes(token.kind)) return otherKind(token)
  const use = token.uses && transaction.tokenUse(token.id, keyHashOf(tlsSpki))
  // Whoever is in may ask again, whatever became of the line meanwhile.
  if (use) return usedBefore(deps, join, { token, use })
  if (token.state === 'revoked') return tokenRefused('revoked')
  if (token.state === 'spent') {
    return token.uses ? tokenRefused('spent') : spentBefore(deps, join, token)
  }
  const nowMs = deps.clock.wallMs()
  if (token.expiresAt <= nowMs) return tokenRefused('expired')
  const own = tokenForDevice(transaction, token, { wanted: request.name, nowMs })
  if (isRefusal(own)) return own
  return admissionProblem(join, own) ?? admit(deps, join, own)
}

/** Whoever gets here knows the secret: what the line is good for may be said. */
export function otherKind({ kind }: Pick<TokenRecord, 'kind'>): Refusal {
  return refuse('KOS_ENROLMENT_TOKEN', 'token/kind', {
    remedy:
      kind === 'user'
        ? 'This line is for a person: kosctl login -.'
        : 'This line is for a device or an agent: kosd node --join -.',
  })
}

/** Idempotence by (token, public keys): the same request again, or somebody else with the line. */
function spentBefore(deps: JoinDeps, join: JoinCase, token: TokenRecord): JoinResult {
  const { transaction, request, tlsSpki } = join
  const principal = token.principalId && transaction.principal(token.principalId)
  if (!principal) return tokenRefused('spent')
  const isSame =
    token.spentTlsKeyHash === keyHashOf(tlsSpki) &&
    equalBytes(principal.identitySpki, request.identitySpki)
  if (!isSame) return otherKey(deps, { transaction, token, principal })
  return joinedBefore(deps, join, { token, principal })
}

/** The same of a token for several devices, where another key is another device. */
function usedBefore(
  deps: JoinDeps,
  join: JoinCase,
  { token, use }: { readonly token: TokenRecord; readonly use: TokenUse },
): JoinResult {
  const { transaction, request } = join
  const principal = transaction.principal(use.principalId)
  const isSame = principal && equalBytes(principal.identitySpki, request.identitySpki)
  return isSame ? joinedBefore(deps, join, { token, principal }) : tokenRefused('spent')
}

function joinedBefore(
  deps: JoinDeps,
  join: JoinCase,
  { token, principal }: { readonly token: TokenRecord; readonly principal: PrincipalRecord },
): JoinResult {
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  const { transaction, tlsSpki } = join
  const certificate = transaction.certificate(principal.id, 1, keyHashOf(tlsSpki))
  if (!certificate) return tokenRefused('spent')
  const grant = repeat(deps, join, { principal, certificate })
  return isRefusal(grant) ? grant : { grant, repeated: true, token }
}

/** The same certificate again; one that ended meanwhile would be of no use to who asks. */
export function repeat(
  deps: Pick<JoinDeps, 'clock' | 'ca'>,
  join: Pick<JoinCase, 'transaction' | 'tlsSpki'>,
  before: { readonly principal: PrincipalRecord; readonly certificate: CertificateRecord },
): EnrolmentGrant | Refusal {
  const { principal, certificate } = before
  const now = deps.clock.wallMs()
  if (certificate.notAfter > now) return toGrant(principal, certificate)
  // Whoever has renewed since knows its generation and does not join.
  if (principal.generation > 1) return tokenRefused('spent')
  if (isAbsentTooLong(principal, now)) return refuse('KOS_ENROLMENT_EXPIRED', 'certificate/absence')
  const { tlsSpki } = join
  return reissue(deps.ca, join.transaction, { principal, tlsSpki, generation: 1, addresses: [] })
}

/**
 * The secret is in other hands too. Once the first certificate is in use nobody can say whose device
 * it is, so it is locked. A line older than its token proves nothing and locks nobody out.
 */
export function otherKey(
  deps: Pick<JoinDeps, 'clock'>,
  spent: {
    readonly transaction: EnrolmentTransaction
    readonly token: TokenRecord
    readonly principal: PrincipalRecord
  },
): Refusal & { readonly copyOf?: string } {
  const { transaction, token, principal } = spent
  const isUsed = principal.generationUsed || principal.generation > 1
  const isOld = token.expiresAt <= deps.clock.wallMs()
  if (isOld || !isUsed || principal.state !== 'active') return tokenRefused('spent')
  transaction.changePrincipal(principal.id, { state: 'quarantined' })
  return { ...refuse('KOS_ENROLMENT_COPY', 'token/other-key'), copyOf: principal.id }
}

/** What stands against a join although token and proofs hold; the token stays open. */
function admissionProblem(join: JoinCase, token: TokenRecord): Refusal | undefined {
  const { transaction } = join
  return (
    profileProblem(profileOf(token.profile)) ??
    capacityProblem(transaction) ??
    ownerProblem(transaction, token) ??
    nameProblem(transaction, token) ??
    floorProblem(transaction, token, {
      mac: toHex(join.request.mac),
      identityKeyHash: keyHashOf(join.request.identitySpki),
    }) ??
    keysProblem(join)
  )
}

/** A key belongs to one principal and one purpose for ever, also after the principal's removal. */
function keysProblem({ transaction, request, tlsSpki }: JoinCase): Refusal | undefined {
  const { identitySpki, kemSpki, logSpkis } = request
  for (const spki of [identitySpki, tlsSpki, kemSpki, ...logSpkis]) {
    const use = transaction.keyUse(keyHashOf(spki))
    if (use) {
      return refuse('KOS_ENROLMENT_COPY', `keys/registered-${use.purpose}`, {
        remedy: 'Join from an empty state folder: its keys belong to another registration.',
      })
    }
  }
  return undefined
}

function admit(deps: JoinDeps, join: JoinCase, token: TokenRecord): JoinResult {
  const { transaction, request, tlsSpki } = join
  const uuid = deps.random.uuidv7()
  const { mac, identitySpki } = request
  const named = namePrincipal(join.trustDomain, token, { mac, uuid, identitySpki })
  if (!named) return refuse('KOS_ENROLMENT_REQUEST', 'token/name')
  const certificate = issue(deps.ca, {
    principal: named,
    identitySpki: request.identitySpki,
    tlsSpki,
    profile: profileOf(token.profile),
    generation: 1,
    lifeMs: token.kind === 'user' ? OPERATOR_LIFE_MS : undefined,
  })
  const usedAt = deps.clock.wallMs()
  const use = { keyHash: certificate.tlsKeyHash, principalId: named.id, usedAt }
  if (!consumeToken(transaction, token, use)) return tokenRefused('spent')
  const principal = newPrincipal(token, named, {
    mac: token.kind === 'user' ? '' : toHex(request.mac),
    uuid,
    identitySpki: request.identitySpki,
    kemSpki: request.kemSpki,
    logSpkis: request.logSpkis,
    addresses: request.addresses,
    createdAt: usedAt,
    certificateNotBefore: certificate.notBefore,
    certificateNotAfter: certificate.notAfter,
  })
  transaction.insertPrincipal(principal)
  transaction.insertCertificate(certificate)
  return { grant: toGrant(principal, certificate), repeated: false, token }
}

/** Who a device, agent or user is from now on. */
export function namePrincipal(
  trustDomain: TrustDomain,
  token: TokenRecord,
  facts: DeviceIdFacts,
): Principal | undefined {
  return token.kind === 'device'
    ? principalOf(trustDomain, 'device', deriveDeviceId(facts))
    : principalOf(trustDomain, token.kind, token.name)
}

/** What a join finds out of a principal; the rest its token says, or is the same for all. */
type JoinedFacts = Pick<
  PrincipalRecord,
  | 'mac'
  | 'uuid'
  | 'identitySpki'
  | 'kemSpki'
  | 'logSpkis'
  | 'addresses'
  | 'createdAt'
  | 'certificateNotBefore'
  | 'certificateNotAfter'
  | 'origin'
>

/** The record of a principal of the first generation, seen as it joins. */
export function newPrincipal(
  token: TokenRecord,
  { id, uri }: Principal,
  facts: JoinedFacts,
): PrincipalRecord {
  const { kind, name, profile, roles = [], groups = [], labels = {} } = token
  return {
    id,
    uri,
    kind,
    name,
    profile,
    // People own themselves.
    owner: kind === 'user' ? uri : token.owner,
    ...facts,
    state: 'active',
    generation: 1,
    generationUsed: false,
    roles,
    groups,
    labels,
    lastSeenAt: facts.createdAt,
  }
}
