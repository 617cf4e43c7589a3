import {
  type Clock,
  isRefusal,
  type Log,
  refuse,
  type Refusal,
  type Secret,
  sha256,
  toHex,
  type UnixMs,
} from '../../foundation/base/index.ts'
import { verifyContentDigest } from '../../foundation/codec/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  type ArrivedRequest,
  type ArrivedSignature,
  readRequestSignature,
} from '../../network/session/index.ts'
import type { ApiTokens } from './api-tokens.ts'
import type { RequestNonces } from './request-nonces.ts'

/** A token that was issued at READY of an open session. */
export interface SessionTokenFacts {
  /** SHA-256 of the identity key's SPKI of the peer, lower-case hexadecimal. */
  readonly identityKeyHash: string
  readonly expiresAt: UnixMs
  readonly secret: Secret
}

/** A request whose signature holds; its body is not read yet. */
export interface SignedRequest {
  /**
   * Checks the body against the digest that was signed, and uses up the nonce.
   *
   * @param body - as it came
   * @param isSafe - whether the request changes nothing
   */
  confirm(body: Uint8Array, isSafe: boolean): Promise<Refusal | undefined>
}

/**
 * Checks the signature of a request against the caller behind the client certificate; the rule of a
 * refusal is for the log.
 */
export type CheckSignature = (
  request: ArrivedRequest,
  caller: PrincipalRecord,
) => SignedRequest | Refusal

/** What checking signatures needs. */
export interface RequestSignaturesDeps {
  readonly clock: Clock
  readonly log: Log
  readonly tokens: ApiTokens
  readonly nonces: RequestNonces
  /** The token of an open session, by its handle. */
  sessionToken(handle: string): SessionTokenFacts | undefined
}

/** A token in force, whatever it was issued by. */
interface KnownToken {
  readonly identityKeyHash: string
  readonly secret: Secret
  /** Whether the secret is a copy of ours. */
  readonly isOwned: boolean
}

/**
 * Makes the check of signed requests: form and time, token, MAC, whose token it is; then body and nonce.
 *
 * **Security:** a valid MAC under another caller's certificate says that the secret was stolen: the
 * token is revoked at once, and its owner asks for another.
 *
 * @see identity: Tokens
 */
export function createRequestSignatures(deps: RequestSignaturesDeps): CheckSignature {
  return (request, caller) => {
    const signature = readRequestSignature(request, deps.clock.wallMs())
    if (isRefusal(signature)) return signature
    const problem = signerProblem(deps, signature, caller)
    if (problem) return problem
    const { handle, nonce, endsAt, contentDigest } = signature
    deps.tokens.used(handle)
    return {
      confirm: async (body, isSafe) => {
        const fits = contentDigest === undefined || verifyContentDigest(contentDigest, body)
        return fits ? deps.nonces.take({ handle, nonce, endsAt }, isSafe) : refused('digest')
      },
    }
  }
}

function signerProblem(
  deps: RequestSignaturesDeps,
  signature: ArrivedSignature,
  caller: PrincipalRecord,
): Refusal | undefined {
  const token = tokenOf(deps, signature.handle)
  if (isRefusal(token)) return token
  const isSigned = signature.verify(token.secret)
  if (token.isOwned) token.secret[Symbol.dispose]()
  if (!isSigned) return refused('mac')
  if (token.identityKeyHash === toHex(sha256(caller.identitySpki))) return undefined
  deps.log.event('api-token.stolen', { session: signature.handle, peer: caller.uri }, 'error')
  deps.tokens.revoke(signature.handle).catch((error: unknown) => {
    deps.log.event('api-token.revocation-not-kept', { error: String(error) }, 'error')
  })
  return refused('token-other-key')
}

function tokenOf(deps: RequestSignaturesDeps, handle: string): KnownToken | Refusal {
  const { clock, tokens } = deps
  const now = clock.wallMs()
  const token = tokens.find(handle)
  if (token) {
    if (token.isRevoked) return refused('token-revoked')
    if (token.expiresAt <= now) return refused('token-expired')
    const { identityKeyHash } = token
    return { identityKeyHash, secret: tokens.secretOf(token), isOwned: true }
  }
  const ofSession = deps.sessionToken(handle)
  if (!ofSession) return refused('token-unknown')
  if (ofSession.expiresAt <= now) return refused('token-expired')
  return { ...ofSession, isOwned: false }
}

function refused(check: string): Refusal {
  return refuse('KOS_SESSION_SIGNATURE', `signature/${check}`)
}
