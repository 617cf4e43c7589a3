import type { Principal, Refusal, Secret, UnixMs } from '../../foundation/base/index.ts'
import type { CoseSigner } from '../../foundation/codec/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'

/** Evidence beside the signature of AUTH; opaque here. */
export interface AuthEvidence {
  /** An attestation result; absent: none was sent. */
  readonly attestation?: Uint8Array | undefined
  /** A second factor; absent: none was sent. */
  readonly secondFactor?: Uint8Array | undefined
}

/** Who this end is, as its own certificate says. */
export interface OwnIdentity {
  readonly principal: Principal
  /** The floor in the own leaf. */
  readonly floor: Profile
  /** SubjectPublicKeyInfo of the identity key, DER. */
  readonly identitySpki: Uint8Array
  /** The identity key; its id is SHA-256 of `identitySpki`. */
  readonly identitySigner: CoseSigner
}

/** The peer at the other end of a pre-shared key. */
export interface PskPeer {
  /**
   * What stands behind the handle: `floor` is that of the listener, `tlsKeyHash` names the handle,
   * `identityKeyHash` the device for all its handles.
   */
  readonly facts: PeerFacts
  /** The authentication key of the handle: 32 bytes, derived apart from the key that TLS uses. */
  readonly authKey: Secret
  /**
   * Decides once the peer proved the key; absent: welcome.
   *
   * @param machine - 32 bytes that tell two machines with one key apart
   */
  readonly admit?: ((machine: Uint8Array) => Refusal | undefined) | undefined
}

/** What the session asks about pre-shared keys. */
export interface PskAuthenticator {
  /** This end, and 32 bytes that its machine is known by. */
  own(): { readonly principal: Principal; readonly machine: Uint8Array }
  /**
   * Finds the peer of the handle that TLS was made with, and checks the lock list.
   *
   * @param handle - as it stood in TLS
   * @param nowMs - the one wall-clock reading of this decision
   */
  verify(handle: string, nowMs: UnixMs): PskPeer | Refusal
}

/**
 * What the session asks about identities: the port that `apps/` wires to trust/pki and the key
 * store.
 */
export interface PeerAuthenticator {
  /** The own identity now; asked once per handshake, so that a renewal counts for the next one. */
  own(): OwnIdentity
  /** Pre-shared keys; absent: a connection that was made with one is refused. */
  readonly psk?: PskAuthenticator
  /**
   * Verifies the peer's TLS leaf against the trust bundle, its validity and the lock list.
   *
   * @param leafDer - the leaf as sent
   * @param purpose - which side of TLS the peer was
   * @param nowMs - the one wall-clock reading of this decision
   */
  verifyPeer(leafDer: Uint8Array, purpose: 'client' | 'server', nowMs: UnixMs): PeerFacts | Refusal
  /**
   * Makes the own evidence for this binding; absent: none.
   *
   * @param binding - the bytes that AUTH signs
   */
  evidence?(binding: Uint8Array): AuthEvidence
  /**
   * Decides what the profile demands beyond the identity key: attestation before admission, the
   * second factor, cluster membership. Absent: a peer or own profile that demands any is refused, and
   * so is an AUTH that carries evidence.
   *
   * @param peer - proven facts
   * @param evidence - what AUTH carried
   * @param binding - the bytes the peer signed
   * @returns a refusal, or `undefined` when the demands are met
   */
  admit?(peer: PeerFacts, evidence: AuthEvidence, binding: Uint8Array): Refusal | undefined
}
