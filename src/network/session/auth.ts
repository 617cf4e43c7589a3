import { equalBytes, isRefusal, refuse, type Refusal, utf8 } from '../../foundation/base/index.ts'
import {
  CborReader,
  CborWriter,
  codecErrors,
  type CoseSigner,
  type CoseVerifier,
  coseVerifierFromSpki,
  signCose1,
  verifyCose1,
} from '../../foundation/codec/index.ts'
import type { AuthEvidence } from './authenticator.ts'
import { sessionErrors } from './errors.ts'
import { MAX_CONTROL_BYTES } from './frames.ts'
import { malformed } from './hello.ts'
import type { Role } from './key-schedule.ts'

/** Context string: first element of the binding, and the external data of the signature. */
const CONTEXT = 'kos-auth-v1'
const CONTEXT_BYTES = utf8(CONTEXT)

/** Label of the channel binding; its context is empty. @see RFC 9266 section 2 */
export const BINDING_LABEL: string = 'EXPORTER-Channel-Binding'
/** Length of the channel binding in bytes. */
export const BINDING_BYTES: number = 32

const [KEY_SPKI, KEY_SIGNATURE, KEY_ATTESTATION, KEY_SECOND_FACTOR] = [1, 2, 3, 4]
const MAX_SPKI_BYTES = 4096

/**
 * What an AUTH signs. The role ends reflection, the exporter ends machines in the middle, both leaf
 * hashes tie the identity to the TLS keys, both HELLO hashes to the negotiation.
 */
export interface AuthBinding {
  /** Role of the signer. */
  readonly role: Role
  /** SHA-256 of the SPKI of the signer's TLS leaf. */
  readonly ownLeafHash: Uint8Array
  /** SHA-256 of the SPKI of the other end's TLS leaf. */
  readonly peerLeafHash: Uint8Array
  /** SHA-256 of the dialler's HELLO frame, header and payload. */
  readonly diallerHelloHash: Uint8Array
  /** SHA-256 of the listener's HELLO frame, header and payload. */
  readonly listenerHelloHash: Uint8Array
  /** tls-exporter of RFC 9266, 32 bytes. */
  readonly exporter: Uint8Array
}

/** Encodes the binding: the payload of the COSE_Sign1. */
export function encodeBinding(binding: AuthBinding): Uint8Array {
  const writer = new CborWriter()
  writer.array(7)
  writer.text(CONTEXT)
  writer.uint(binding.role === 'dialler' ? 1 : 2)
  writer.bytes(binding.ownLeafHash)
  writer.bytes(binding.peerLeafHash)
  writer.bytes(binding.diallerHelloHash)
  writer.bytes(binding.listenerHelloHash)
  writer.bytes(binding.exporter)
  return writer.take()
}

/** Who signs an AUTH, and what goes with it. */
export interface AuthAuthor {
  readonly identitySpki: Uint8Array
  readonly identitySigner: CoseSigner
  readonly evidence: AuthEvidence
}

/**
 * Identity keys met before, ready for verification: importing one costs a fifth of an AUTH. Found by the
 * hash in the facts of a verified leaf, as the very object, so an entry lives as long as those facts
 * are remembered and no longer.
 */
export type MetKeys = WeakMap<
  Uint8Array,
  { readonly spki: Uint8Array; readonly verifier: CoseVerifier }
>

/** Signs a binding and encodes the AUTH payload. */
export function encodeAuth(binding: Uint8Array, author: AuthAuthor): Uint8Array {
  const { attestation, secondFactor } = author.evidence
  const signed = signCose1({ payload: binding, externalAad: CONTEXT_BYTES }, author.identitySigner)
  const writer = new CborWriter()
  writer.map(2 + (attestation ? 1 : 0) + (secondFactor ? 1 : 0))
  writer.uint(KEY_SPKI)
  writer.bytes(author.identitySpki)
  writer.uint(KEY_SIGNATURE)
  writer.bytes(signed)
  if (attestation) {
    writer.uint(KEY_ATTESTATION)
    writer.bytes(attestation)
  }
  if (secondFactor) {
    writer.uint(KEY_SECOND_FACTOR)
    writer.bytes(secondFactor)
  }
  return writer.take()
}

/**
 * Verifies an AUTH payload: the presented identity key is the one the leaf names, and it signed
 * exactly the binding that this end computed.
 *
 * @param payload - of the AUTH frame
 * @param binding - the binding as this end sees it, with the peer as signer
 * @param identity - what the peer's verified leaf says, and the keys met before
 * @returns the evidence sent along, or a refusal KOS_SESSION_AUTH whose rule is for the log only
 *
 * **Security:** the evidence is not looked at.
 */
export function verifyAuth(
  payload: Uint8Array,
  binding: Uint8Array,
  identity: { readonly keyHash: Uint8Array; readonly met?: MetKeys | undefined },
): AuthEvidence | Refusal {
  try {
    const { spki, signed, evidence } = decodeAuth(payload)
    const verifier = verifierOf(spki, identity)
    if (!verifier) return authRefusal('identity key')
    const checked = verifyCose1(signed, {
      externalAad: CONTEXT_BYTES,
      maxBytes: MAX_CONTROL_BYTES,
      verifier,
    })
    if (isRefusal(checked)) return authRefusal(checked.rule)
    if (!equalBytes(checked.payload, binding)) return authRefusal('binding')
    return evidence
  } catch (error) {
    if (!codecErrors.has(error) && !sessionErrors.has(error)) throw error
    return authRefusal(`format: ${String(error.details['rule'])}`)
  }
}

/** The key of the leaf's identity, imported once; `undefined` when the presented one is another. */
function verifierOf(
  spki: Uint8Array,
  { keyHash, met }: { readonly keyHash: Uint8Array; readonly met?: MetKeys | undefined },
): CoseVerifier | undefined {
  const known = met?.get(keyHash)
  if (known && equalBytes(known.spki, spki)) return known.verifier
  const verifier = coseVerifierFromSpki(spki)
  if (!equalBytes(verifier.keyId, keyHash)) return undefined
  met?.set(keyHash, { spki, verifier })
  return verifier
}

function authRefusal(rule: string): Refusal {
  return refuse('KOS_SESSION_AUTH', rule)
}

function decodeAuth(payload: Uint8Array): {
  readonly spki: Uint8Array
  readonly signed: Uint8Array
  readonly evidence: AuthEvidence
} {
  const reader = new CborReader(payload)
  const fields = new Map<number, Uint8Array>()
  let previous: number | undefined
  for (let left = reader.map(); left > 0; left -= 1) {
    const key = reader.nextKey(previous)
    if (typeof key !== 'number' || key < KEY_SPKI || key > KEY_SECOND_FACTOR) {
      throw malformed('auth: unknown field')
    }
    fields.set(key, new Uint8Array(reader.bytes()))
    previous = key
  }
  reader.end()
  const spki = fields.get(KEY_SPKI)
  const signed = fields.get(KEY_SIGNATURE)
  if (!spki || !signed || spki.length > MAX_SPKI_BYTES) throw malformed('auth: fields')
  const evidence: AuthEvidence = {
    attestation: fields.get(KEY_ATTESTATION),
    secondFactor: fields.get(KEY_SECOND_FACTOR),
  }
  return { spki, signed, evidence }
}
