import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  sha256,
  type UnixMs,
} from '../../foundation/base/index.ts'
import {
  codecErrors,
  coseVerifierFromSpki,
  spkiAlgorithm,
  verifyCose1,
} from '../../foundation/codec/index.ts'
import { type PeerCertificate, type TrustBundle, verifyPeerLeaf } from '../../trust/pki/index.ts'
import { CLAIM_CONTEXT, claimBinding, MAX_PROOF_BYTES, type RecoveryClaim } from './messages.ts'

/** A member as it proved itself. */
export interface ProvenMember {
  readonly peer: PeerCertificate
  readonly claim: RecoveryClaim
}

/**
 * Checks what a member says of itself: a leaf of a permitted intermediate, and a signature for this
 * connection by the identity key that the leaf names. A leaf that has ended counts as of its last
 * moment: what it says of name, floor and generation does not grow old.
 *
 * **Security:** whether the member is locked is the caller's question.
 *
 * @param claim - decoded, not yet trusted
 * @param check - the bundles that its issuer may stand in, the TLS exporter, the time
 * @returns the member, or a refusal KOS_RECOVERY_CLAIM
 */
export function verifyClaim(
  claim: RecoveryClaim,
  check: {
    readonly bundles: readonly TrustBundle[]
    readonly exporter: Uint8Array
    readonly nowMs: UnixMs
  },
): ProvenMember | Refusal {
  const peer = provenLeaf(claim.leaf, check)
  if (isRefusal(peer)) return peer
  if (!equalBytes(sha256(claim.identitySpki), peer.identityKeyHash)) return failed('identity-key')
  try {
    const [ed25519, mlDsa44] = claim.logSpkis
    const fits =
      spkiAlgorithm(claim.identitySpki) === 'P-256' &&
      spkiAlgorithm(claim.kemSpki) === 'P-256' &&
      ed25519 !== undefined &&
      spkiAlgorithm(ed25519) === 'Ed25519' &&
      mlDsa44 !== undefined &&
      spkiAlgorithm(mlDsa44) === 'ML-DSA-44'
    if (!fits) return failed('keys')
    const verified = verifyCose1(claim.proof, {
      externalAad: CLAIM_CONTEXT,
      verifier: coseVerifierFromSpki(claim.identitySpki),
      maxBytes: MAX_PROOF_BYTES,
    })
    if (isRefusal(verified)) return failed('signature')
    if (!equalBytes(verified.payload, claimBinding(claim, check.exporter))) return failed('binding')
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return failed('encoding')
  }
  return { peer, claim }
}

function provenLeaf(
  leaf: Uint8Array,
  { bundles, nowMs }: { readonly bundles: readonly TrustBundle[]; readonly nowMs: UnixMs },
): PeerCertificate | Refusal {
  let last: Refusal = failed('no-bundle')
  for (const bundle of bundles) {
    const found = verifyPeerLeaf(leaf, { bundle, purpose: 'client', nowMs, graceMs: Infinity })
    if (!isRefusal(found)) return found
    last = failed(found.rule)
  }
  return last
}

function failed(check: string): Refusal {
  return refuse('KOS_RECOVERY_CLAIM', `claim/${check}`)
}
