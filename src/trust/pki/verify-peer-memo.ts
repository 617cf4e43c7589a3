import { hash } from 'node:crypto'
import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import type { TrustBundle } from './trust-bundle.ts'
import {
  judgeLeaf,
  type PeerCertificate,
  type PeerCheck,
  proveLeaf,
  type ProvenLeaf,
} from './verify-peer.ts'

/** Verifies leaves like `verifyPeerLeaf`, and remembers what it proved of the last ones. */
export interface PeerVerifier {
  /** Leaves remembered now. */
  readonly size: number
  /**
   * Verifies a peer's TLS leaf; same checks and answers as {@link verifyPeerLeaf}.
   *
   * @param leafDer - the leaf as the peer presented it
   * @param check - see {@link PeerCheck}
   */
  verify(leafDer: Uint8Array, check: PeerCheck): PeerCertificate | Refusal
}

/** Leaves that a verifier remembers by default: about 8 MB when full. */
export const DEFAULT_REMEMBERED_LEAVES = 4096

/**
 * Makes a verifier for connections. A device comes back with the leaf it had, and each connection asks
 * twice (after TLS and in the session): reading the certificate and verifying the signature of its
 * issuer is then done once per leaf, not twice per connection.
 *
 * **Security:** remembered is only that a leaf, told by SHA-256 of its bytes, passed the checks that
 * depend on nothing but leaf and trust bundle. Time, purpose and expected name are judged at every call,
 * the lock list by the caller as before. Another bundle empties the memory, the end of a leaf removes
 * it, a refusal is never remembered, and only leaves of the own authority can take up room.
 *
 * @param options - how many leaves are remembered at most; the one unseen for longest falls out
 */
export function createPeerVerifier(
  options: { readonly maxRemembered?: number } = {},
): PeerVerifier {
  const { maxRemembered = DEFAULT_REMEMBERED_LEAVES } = options
  const proven = new Map<string, ProvenLeaf>()
  let bundle: TrustBundle | undefined
  const prove = (key: string, leafDer: Uint8Array, by: TrustBundle): ProvenLeaf | Refusal => {
    const known = proven.get(key)
    if (known) {
      // Written again, so that the order of the map is the order of use.
      proven.delete(key)
      proven.set(key, known)
      return known
    }
    const leaf = proveLeaf(leafDer, by)
    if (isRefusal(leaf)) return leaf
    if (proven.size >= maxRemembered) {
      for (const [oldest] of proven) {
        proven.delete(oldest)
        break
      }
    }
    proven.set(key, leaf)
    return leaf
  }
  return {
    get size(): number {
      return proven.size
    },
    verify: (leafDer, check): PeerCertificate | Refusal => {
      if (check.bundle !== bundle) {
        proven.clear()
        bundle = check.bundle
      }
      const key = hash('sha256', leafDer, 'base64')
      const leaf = prove(key, leafDer, check.bundle)
      if (isRefusal(leaf)) return leaf
      const peer = judgeLeaf(leaf, check)
      if (isRefusal(peer) && check.nowMs > leaf.peer.notAfter) proven.delete(key)
      return peer
    },
  }
}
