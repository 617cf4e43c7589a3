import {
  equalBytes,
  isRefusal,
  parsePrincipal,
  type PrincipalUri,
  refuse,
  type Refusal,
  type Schema,
  type TrustDomain,
  utf8,
  zm,
} from '../../foundation/base/index.ts'
import {
  codecErrors,
  type CoseSigner,
  type CoseVerifier,
  coseVerifierFromSpki,
  encodeCbor,
  signCose1,
  verifyCose1,
} from '../../foundation/codec/index.ts'

/**
 * A standby signer that both roots permit: while the authority is away it answers the nonces of
 * members. Its key signs that answer and nothing else: no lock list, directory or certificate.
 */
export interface TrustedStandby {
  /** URI of the member that has the key. */
  readonly principal: PrincipalUri
  /** SubjectPublicKeyInfo of its key, P-256. */
  readonly spki: Uint8Array
  readonly key: CoseVerifier
  /** How long after the authority's last signature it counts, in milliseconds. */
  readonly maxMs: number
}

/** What stands of a standby signer in a bundle to be signed. */
export type StandbyFields = Omit<TrustedStandby, 'key'>

/** How many standby signers there may be, and the bounds of {@link TrustedStandby.maxMs}. */
export const STANDBY_LIMITS: {
  readonly maxStandbys: number
  readonly minMs: number
  readonly maxMs: number
} = Object.freeze({ maxStandbys: 3, minMs: 60_000, maxMs: 86_400_000 })

const PROOF_CONTEXT = utf8('kos-standby-key-v1')
/** Largest proof that is read. */
export const MAX_STANDBY_PROOF_BYTES = 1024

interface StandbyBody {
  readonly principal: string
  readonly spki: Uint8Array
  readonly maxMs: number
}

/** The standby signers of a bundle. One spelling only: without any there is no such field. */
export const standbySchema: Schema<StandbyBody[]> = zm
  .array(
    zm.strictObject({
      principal: zm.string().check(zm.maxLength(512)),
      spki: zm.instanceof(Uint8Array),
      maxMs: zm.int().check(zm.minimum(STANDBY_LIMITS.minMs), zm.maximum(STANDBY_LIMITS.maxMs)),
    }),
  )
  .check(zm.minLength(1), zm.maxLength(STANDBY_LIMITS.maxStandbys))

/**
 * Reads the standby signers of a verified bundle: members of its domain, each named once, with P-256
 * keys.
 *
 * @returns `undefined` when one of them does not fit
 */
export function readStandbys(
  listed: readonly StandbyBody[],
  trustDomain: TrustDomain,
): readonly TrustedStandby[] | undefined {
  const standbys = listed.flatMap(({ principal: uri, spki, maxMs }) => {
    const principal = parsePrincipal(uri)
    const key = coseVerifierFromSpki(spki)
    const isMember = principal?.kind === 'device' || principal?.kind === 'agent'
    const fits = isMember && principal.trustDomain === trustDomain && key.algorithm === 'ES256'
    const entry = { spki: Uint8Array.from(spki), key, maxMs }
    return fits ? [Object.freeze({ principal: principal.uri, ...entry })] : []
  })
  const names = new Set(standbys.map(({ principal }) => principal))
  return names.size === listed.length ? Object.freeze(standbys) : undefined
}

/**
 * Proves to the authority that a member has the key with which it offers itself as a standby signer.
 *
 * @param principal - the member: what another one recorded proves nothing for it
 * @param signer - the key
 */
export function signStandbyProof(principal: PrincipalUri, signer: CoseSigner): Uint8Array {
  return signCose1({ payload: encodeCbor([principal]), externalAad: PROOF_CONTEXT }, signer)
}

/**
 * Verifies the proof of a member that offers itself as a standby signer.
 *
 * **Security:** it says who has the key, not that anybody wants it: an operator does.
 *
 * @param principal - whom the session proved
 * @param offer - the key it names, and its proof
 * @returns a refusal KOS_PKI_OBJECT, or `undefined`
 */
export function verifyStandbyProof(
  principal: PrincipalUri,
  offer: { readonly spki: Uint8Array; readonly proof: Uint8Array },
): Refusal | undefined {
  const verifier = readKey(offer.spki)
  if (verifier?.algorithm !== 'ES256') return refuse('KOS_PKI_OBJECT', 'standby: key')
  const message = verifyCose1(offer.proof, {
    externalAad: PROOF_CONTEXT,
    maxBytes: MAX_STANDBY_PROOF_BYTES,
    verifier,
  })
  if (isRefusal(message)) return refuse('KOS_PKI_OBJECT', `standby: ${message.rule}`)
  return equalBytes(message.payload, encodeCbor([principal]))
    ? undefined
    : refuse('KOS_PKI_OBJECT', 'standby: other principal')
}

function readKey(spki: Uint8Array): CoseVerifier | undefined {
  try {
    return coseVerifierFromSpki(spki)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}
