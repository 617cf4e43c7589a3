import { equalBytes, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { DirectoryState } from '../../trust/pki/index.ts'

/**
 * Holds a peer against its pin: the identity key and the profile that the signed directory names for
 * it. The leaf names the identity key and AUTH proves it, so a TLS key that is new at every renewal
 * needs no pin of its own.
 *
 * **Security:** a good certificate is not enough where pins are required: one that a CA issued by
 * mistake, and that the authority never listed, ends here.
 *
 * @param directory - the newest directory held
 * @param peer - what its leaf says
 * @returns a refusal KOS_TRANSPORT_PIN, or `undefined`
 * @see identity: Keys of a principal
 */
export function refuseUnpinned(directory: DirectoryState, peer: PeerFacts): Refusal | undefined {
  const entry = directory.byUri(peer.principal.uri)
  if (!entry) return refuse('KOS_TRANSPORT_PIN', 'pin: not listed')
  if (!equalBytes(entry.identityKeyHash, peer.identityKeyHash)) {
    return refuse('KOS_TRANSPORT_PIN', 'pin: identity key')
  }
  return entry.profile === peer.floor.name ? undefined : refuse('KOS_TRANSPORT_PIN', 'pin: profile')
}
