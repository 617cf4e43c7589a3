import { equalBytes, isRefusal, refuse, type Refusal, utf8 } from '../../foundation/base/index.ts'
import {
  type CborInput,
  type CoseSigner,
  type CoseVerifier,
  encodeCbor,
  signCose1,
  verifyCose1,
} from '../../foundation/codec/index.ts'
import type { NumberedObject } from './numbered.ts'

/** An answer of the authority and one of a standby signer are never taken for one another. */
const CONTEXTS: Readonly<Record<FreshnessSigner, Uint8Array>> = Object.freeze({
  authority: utf8('kos-lock-freshness-v1'),
  standby: utf8('kos-standby-freshness-v1'),
})
const MAX_ANSWER_BYTES = 1024
const MIN_NONCE_BYTES = 16

/** Who answers a nonce. */
export type FreshnessSigner = 'authority' | 'standby'

/**
 * Answers a node's nonce: this lock list was the newest when the nonce was asked.
 *
 * @param newest - the lock list that is in force
 * @param nonce - the node's own random bytes, 16 to 64
 * @param signer - a lock key
 */
export function signLockFreshness(
  newest: NumberedObject,
  nonce: Uint8Array,
  signer: CoseSigner,
): Uint8Array {
  return signAnswer('authority', encodeAnswer(newest, nonce), signer)
}

/**
 * Answers a node's nonce in place of an authority that is away: no newer lock list than this one is
 * known here.
 *
 * @param newest - the newest lock list that was ever held
 * @param nonce - the node's own random bytes, 16 to 64
 * @param signer - the key of a standby signer
 */
export function signStandbyFreshness(
  newest: NumberedObject,
  nonce: Uint8Array,
  signer: CoseSigner,
): Uint8Array {
  return signAnswer('standby', encodeAnswer(newest, nonce), signer)
}

/**
 * Verifies an answer to a nonce.
 *
 * @param bytes - the answer
 * @param asked - the own nonce, and the lock list that is held
 * @param by - who must have signed: the lock keys of the trust bundle, or the key of one standby
 * @returns a refusal KOS_PKI_OBJECT when the answer is not genuine (`freshness: …`), is for another
 *   nonce or names another list, or `undefined`
 */
export function verifyLockFreshness(
  bytes: Uint8Array,
  asked: { readonly nonce: Uint8Array; readonly held: NumberedObject },
  by: { readonly signer: FreshnessSigner; readonly verifiers: readonly CoseVerifier[] },
): Refusal | undefined {
  if (asked.nonce.length < MIN_NONCE_BYTES) return refuse('KOS_PKI_OBJECT', 'freshness: nonce')
  const message = verifyCose1(bytes, {
    externalAad: CONTEXTS[by.signer],
    maxBytes: MAX_ANSWER_BYTES,
    resolve: (keyId) => by.verifiers.find((verifier) => equalBytes(verifier.keyId, keyId)),
  })
  if (isRefusal(message)) return refuse('KOS_PKI_OBJECT', `freshness: ${message.rule}`)
  // The encoding is deterministic, so the only acceptable payload is known byte for byte.
  const expected = encodeAnswer(asked.held, asked.nonce)
  return equalBytes(message.payload, expected)
    ? undefined
    : refuse('KOS_PKI_OBJECT', 'freshness: other list or nonce')
}

function signAnswer(by: FreshnessSigner, payload: Uint8Array, signer: CoseSigner): Uint8Array {
  return signCose1({ payload, externalAad: CONTEXTS[by] }, signer)
}

function encodeAnswer({ era, number, hash }: NumberedObject, nonce: Uint8Array): Uint8Array {
  const answer: CborInput = [era, number, hash, nonce]
  return encodeCbor(answer)
}
