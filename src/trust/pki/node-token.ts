import {
  equalBytes,
  isRefusal,
  type Principal,
  refuse,
  type Refusal,
  type UnixMs,
} from '../../foundation/base/index.ts'
import {
  type CoseSigner,
  type CoseVerifier,
  type CwtClaims,
  signCwt,
  verifyCwt,
} from '../../foundation/codec/index.ts'

/** Longest life of a token for another node, in milliseconds. @see protocol: End to end */
export const NODE_TOKEN_LIFE_MS: number = 10 * 60 * 1000
/** @see protocol: Limits */
const MAX_SKEW_MS = 30_000

/** What a token for another node says. */
export interface NodeTokenFacts {
  /** The authority that issues it. */
  readonly issuer: Principal
  /** Whom it is about. */
  readonly subject: Principal
  /** The node that it is for. */
  readonly audience: Principal
  /** SHA-256 of the SPKI of the subject's identity key: only with it the token is of use. */
  readonly identityKeyHash: Uint8Array
}

/**
 * Issues a token that a principal presents to one other node: the authority says that it knows this
 * identity key as this principal's now.
 *
 * @param facts - who, for whom, with which key
 * @param stamp - 16 random bytes that name the token, and the time
 * @param signer - a directory key of the trust bundle
 * @returns a CBOR Web Token, good for ten minutes
 *
 * **Security:** that subject and audience are active members is checked before.
 *
 * @see RFC 8392
 * @see RFC 8747 section 3.4
 */
export function issueNodeToken(
  facts: NodeTokenFacts,
  stamp: { readonly id: Uint8Array; readonly now: UnixMs },
  signer: CoseSigner,
): Uint8Array {
  const issuedAt = Math.floor(stamp.now / 1000)
  const claims: CwtClaims = {
    issuer: facts.issuer.uri,
    subject: facts.subject.uri,
    audience: facts.audience.uri,
    expiresAt: issuedAt + NODE_TOKEN_LIFE_MS / 1000,
    notBefore: issuedAt,
    issuedAt,
    id: stamp.id,
    confirmationKeyId: facts.identityKeyHash,
  }
  return signCwt(claims, signer)
}

/**
 * Verifies a token that a peer presents.
 *
 * @param token - as presented, not trusted
 * @param expected - the authority of the trust domain, the peer as its session proved it, and this node
 * @param at - the directory keys of the trust bundle, and one reading of the clock
 * @returns the id of the token, for the lock list, or a refusal KOS_PKI_TOKEN whose rule names the check
 *
 * **Security:** the peer's identity key was proven by AUTH of this session, or the token says nothing;
 * whether its id is locked the caller asks its lock list.
 */
export function verifyNodeToken(
  token: Uint8Array,
  expected: NodeTokenFacts,
  at: { readonly verifiers: readonly CoseVerifier[]; readonly now: UnixMs },
): { readonly id: Uint8Array } | Refusal {
  const claims = verifyCwt(token, (keyId) =>
    at.verifiers.find((verifier) => equalBytes(verifier.keyId, keyId)),
  )
  if (isRefusal(claims)) return refused(claims.rule)
  const problem = factsProblem(claims, expected) ?? timeProblem(claims, at.now)
  return problem === undefined ? { id: claims.id } : refused(problem)
}

function factsProblem(claims: CwtClaims, expected: NodeTokenFacts): string | undefined {
  if (claims.issuer !== expected.issuer.uri) return 'issuer'
  if (claims.audience !== expected.audience.uri) return 'audience'
  if (claims.subject !== expected.subject.uri) return 'subject'
  const isOwn = equalBytes(claims.confirmationKeyId, expected.identityKeyHash)
  return isOwn ? undefined : 'confirmation'
}

function timeProblem(claims: CwtClaims, now: UnixMs): string | undefined {
  const { expiresAt, notBefore, issuedAt } = claims
  if (expiresAt * 1000 <= now) return 'expired'
  if (Math.max(notBefore, issuedAt) * 1000 > now + MAX_SKEW_MS) return 'not-yet-valid'
  return (expiresAt - issuedAt) * 1000 > NODE_TOKEN_LIFE_MS ? 'life' : undefined
}

function refused(check: string): Refusal {
  return refuse('KOS_PKI_TOKEN', `token/${check}`)
}
