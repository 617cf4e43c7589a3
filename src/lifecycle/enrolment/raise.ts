import {
  type Clock,
  equalBytes,
  equalConstantTime,
  isRefusal,
  parsePrincipal,
  type Random,
  refuse,
  type Refusal,
  toBase64Url,
  unixMs,
} from '../../foundation/base/index.ts'
import { type Profile, profileOf, refuseDowngrade } from '../../foundation/profiles/index.ts'
import type { CertificateAuthority, LockMinimum } from '../../trust/pki/index.ts'
import type { EvidenceAppraiser } from './evidence.ts'
import { issue, keyHashOf, OPERATOR_LIFE_MS, toGrant } from './issue.ts'
import type { EnrolmentGrant } from './messages.ts'
import { joinAuthenticator } from './proofs.ts'
import { evidenceBinding, type RaiseRequest, verifyRaiseProofs } from './raise-messages.ts'
import type {
  EnrolmentStore,
  EnrolmentTransaction,
  PrincipalRecord,
  TokenRecord,
} from './records.ts'
import { type CreatedToken, MAX_TOKEN_LIFE_MS, tokenRefused, type TokenService } from './tokens.ts'

/** What a raise writes to the lock list, so that every older certificate of the principal dies. */
export interface RaisedMinimum extends LockMinimum {
  readonly uri: string
}

/** The registry and the signed lock list as one store. */
export interface RaiseStore extends EnrolmentStore {
  /**
   * Runs work and signs the lock list with the minimum that it returns, in one durable step: either
   * both are there after a crash or neither.
   */
  raise<T>(
    work: (transaction: EnrolmentTransaction) => {
      readonly result: T
      readonly minimum?: RaisedMinimum
    },
  ): T
}

/** How a raise ended. */
export type RaiseResult =
  | { readonly grant: EnrolmentGrant; readonly repeated: boolean; readonly token: TokenRecord }
  | Refusal

/** Raises profiles; nothing lowers one. */
export interface RaiseService {
  /**
   * Makes a token, good once, with which the device itself asks for the higher profile.
   *
   * @param principalId - whose profile is to rise
   * @param specification - the profile; the operator's URI; whole milliseconds, at most 10 min
   * @returns the token, or a refusal `KOS_ENROLMENT_UNKNOWN`, `KOS_ENROLMENT_LOCKED`,
   *   `KOS_PROFILES_DOWNGRADE`, `KOS_ENROLMENT_PROFILE` or `KOS_ENROLMENT_REQUEST`
   */
  createToken(
    principalId: string,
    specification: { readonly profile: Profile; readonly owner: string; readonly lifeMs: number },
  ): Promise<CreatedToken | Refusal>
  /**
   * Raises a profile: appraises the evidence, spends the token, issues the first certificate of the
   * higher profile, and lets every older one die, in one durable step. The same request again gets the
   * same certificate.
   *
   * @param request - decoded, not yet trusted
   * @param exporter - 32 bytes of the enrolment label of the connection it came on
   */
  raise(request: RaiseRequest, exporter: Uint8Array): Promise<RaiseResult>
}

interface RaiseDeps {
  readonly clock: Clock
  readonly random: Random
  readonly store: RaiseStore
  readonly ca: CertificateAuthority
  readonly tokens: TokenService
  readonly evidence: EvidenceAppraiser
  /** Makes durable that a raise is about to happen; when it rejects, nothing is changed. */
  readonly intend?: (token: TokenRecord) => Promise<void>
}

/**
 * Makes the service that raises profiles.
 *
 * **Security:** the caller limits rate and size of requests before authentication and records every
 * result.
 *
 * @see identity: Lock list
 */
export function createRaiseService(deps: RaiseDeps): RaiseService {
  return Object.freeze({
    createToken: (
      principalId: string,
      specification: Parameters<RaiseService['createToken']>[1],
    ): Promise<CreatedToken | Refusal> => createToken(deps, principalId, specification),
    raise: async (request: RaiseRequest, exporter: Uint8Array): Promise<RaiseResult> => {
      using secret = deps.tokens.secretOf(request.tokenId)
      const expected = joinAuthenticator(secret, exporter, request.csr)
      if (!equalConstantTime(expected, request.authenticator)) return raiseTokenRefused('secret')
      const proofs = verifyRaiseProofs(request, exporter)
      if (isRefusal(proofs)) return proofs
      const usable = await usableToken(deps, request.tokenId)
      if (usable) await deps.intend?.(usable)
      const { tlsSpki } = proofs
      return deps.store.raise((transaction) =>
        decide(deps, { transaction, request, exporter, tlsSpki, tlsKeyHash: keyHashOf(tlsSpki) }),
      )
    },
  })
}

async function usableToken(deps: RaiseDeps, tokenId: string): Promise<TokenRecord | undefined> {
  const token = await deps.store.transaction((transaction) => transaction.token(tokenId))
  const isOpen = token?.state === 'open' && token.expiresAt > deps.clock.wallMs()
  return isOpen && token.raises !== undefined ? token : undefined
}

async function createToken(
  deps: RaiseDeps,
  principalId: string,
  specification: Parameters<RaiseService['createToken']>[1],
): Promise<CreatedToken | Refusal> {
  const { profile, owner, lifeMs } = specification
  if (!Number.isInteger(lifeMs) || lifeMs < 1000 || lifeMs > MAX_TOKEN_LIFE_MS) {
    return refuse('KOS_ENROLMENT_REQUEST', 'token/life')
  }
  const now = deps.clock.wallMs()
  const stored = await deps.store.transaction((transaction): TokenRecord | Refusal => {
    const principal = transaction.principal(principalId)
    if (!principal) return refuse('KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
    const problem = raiseProblem(deps, principal, profile)
    if (problem) return problem
    const record: TokenRecord = {
      id: toBase64Url(deps.random.bytes(16)),
      name: principal.name,
      kind: principal.kind === 'agent' ? 'agent' : 'device',
      profile: profile.name,
      owner,
      createdAt: now,
      expiresAt: unixMs(now + lifeMs),
      state: 'open',
      spentTlsKeyHash: undefined,
      principalId: undefined,
      raises: principal.id,
    }
    transaction.insertToken(record)
    return record
  })
  if (isRefusal(stored)) return stored
  return { record: stored, secret: deps.tokens.secretOf(stored.id) }
}

/** What stands against a raise before any evidence is looked at. */
function raiseProblem(
  deps: Pick<RaiseDeps, 'evidence'>,
  principal: PrincipalRecord,
  wanted: Profile,
): Refusal | undefined {
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  if (principal.origin !== undefined) {
    return refuse('KOS_ENROLMENT_PROFILE', 'raise/no-identity-key', {
      remedy: 'A device that came in by EST has no identity key: join it with kosd.',
    })
  }
  const floor = profileOf(principal.profile)
  const lower = refuseDowngrade(floor, wanted)
  if (lower) return lower
  if (wanted === floor) {
    return refuse('KOS_ENROLMENT_PROFILE', 'raise/same', {
      remedy: `It has ${floor.name} already.`,
    })
  }
  if (floor.certificateLifeMs === undefined || wanted.certificateLifeMs === undefined) {
    return refuse('KOS_ENROLMENT_PROFILE', 'raise/no-certificate', {
      remedy:
        'Only principals with a certificate can be raised: join the device with its own keys.',
    })
  }
  return wanted.joinEvidence === 'hardware' ? deps.evidence.refuseProfile(wanted) : undefined
}

interface RaiseCase {
  readonly transaction: EnrolmentTransaction
  readonly request: RaiseRequest
  readonly exporter: Uint8Array
  readonly tlsSpki: Uint8Array
  readonly tlsKeyHash: string
}

interface Decided {
  readonly result: RaiseResult
  readonly minimum?: RaisedMinimum
}

function decide(deps: RaiseDeps, raise: RaiseCase): Decided {
  const { transaction, request } = raise
  const token = transaction.token(request.tokenId)
  if (token?.raises === undefined) return { result: raiseTokenRefused('unknown') }
  if (token.state === 'revoked') return { result: raiseTokenRefused('revoked') }
  const principal = transaction.principal(token.raises)
  if (!principal || !equalBytes(principal.identitySpki, request.identitySpki)) {
    return { result: refuse('KOS_ENROLMENT_UNKNOWN', 'principal/identity-key') }
  }
  if (token.state === 'spent') return { result: spentBefore(deps, raise, { token, principal }) }
  if (token.expiresAt <= deps.clock.wallMs()) return { result: raiseTokenRefused('expired') }
  const problem = evidenceProblem(deps, raise, { token, principal })
  return problem ? { result: problem } : certify(deps, raise, { token, principal })
}

interface Whose {
  readonly token: TokenRecord
  readonly principal: PrincipalRecord
}

/** The same request again gets the same certificate, as long as it is the newest and has not ended. */
function spentBefore(deps: RaiseDeps, raise: RaiseCase, { token, principal }: Whose): RaiseResult {
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  const { transaction, tlsKeyHash } = raise
  const before = transaction.certificate(principal.id, principal.generation, tlsKeyHash)
  const isSame = token.spentTlsKeyHash === tlsKeyHash && before !== undefined
  if (!isSame || before.notAfter <= deps.clock.wallMs()) return raiseTokenRefused('spent')
  return { grant: toGrant(principal, before), repeated: true, token }
}

function evidenceProblem(
  deps: RaiseDeps,
  raise: RaiseCase,
  { token, principal }: Whose,
): Refusal | undefined {
  const { transaction, request, exporter, tlsKeyHash } = raise
  const wanted = profileOf(token.profile)
  const problem = raiseProblem(deps, principal, wanted)
  if (problem) return problem
  if (transaction.keyUse(tlsKeyHash)) return refuse('KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
  if (wanted.joinEvidence !== 'hardware') return undefined
  const binding = evidenceBinding(exporter, request.csr)
  const { evidence } = request
  return deps.evidence.appraise({
    principal,
    wanted,
    evidence: evidence.length === 0 ? undefined : evidence,
    binding,
  })
}

function certify(deps: RaiseDeps, raise: RaiseCase, { token, principal }: Whose): Decided {
  const { transaction, tlsSpki } = raise
  const named = parsePrincipal(principal.uri)
  if (!named) return { result: refuse('KOS_ENROLMENT_UNKNOWN', 'principal/kind') }
  const wanted = profileOf(token.profile)
  const generation = principal.generation + 1
  const certificate = issue(deps.ca, {
    principal: named,
    identitySpki: principal.identitySpki,
    tlsSpki,
    profile: wanted,
    generation,
    lifeMs: named.kind === 'user' ? OPERATOR_LIFE_MS : undefined,
  })
  const spent = { tlsKeyHash: certificate.tlsKeyHash, principalId: principal.id }
  if (!transaction.spendToken(token.id, spent)) return { result: raiseTokenRefused('spent') }
  transaction.insertCertificate(certificate)
  transaction.changePrincipal(principal.id, {
    profile: wanted.name,
    generation,
    generationUsed: false,
    certificateNotBefore: certificate.notBefore,
    certificateNotAfter: certificate.notAfter,
  })
  const grant = toGrant({ ...principal, profile: wanted.name }, certificate)
  return {
    result: { grant, repeated: false, token },
    minimum: { uri: principal.uri, generation, floor: wanted.name },
  }
}

function raiseTokenRefused(check: string): Refusal {
  return tokenRefused(check, 'line: kosctl devices raise NAME --profile PROFILE')
}
