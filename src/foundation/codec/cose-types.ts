import type { KeyObject } from 'node:crypto'
import { type KosError, refuse, type Refusal, type Secret } from '../base/index.ts'
import { codecErrors } from './errors.ts'

/** Signature algorithms of COSE messages. @see RFC 9053 section 2, RFC 9864, COSE ML-DSA */
export type CoseAlgorithm = 'ES256' | 'EdDSA' | 'ML-DSA-44' | 'ML-DSA-65'

/** What makes signatures: a software key, or a hardware key behind the same shape. */
export interface CoseSigner {
  readonly algorithm: CoseAlgorithm
  /** SHA-256 of the public key's SPKI. */
  readonly keyId: Uint8Array
  /**
   * Signs the Sig_structure.
   *
   * @returns the raw signature; for ES256 the 64 bytes r ‖ s
   */
  sign(toBeSigned: Uint8Array): Uint8Array
}

/** A public key that is trusted for one purpose by whoever holds this object. */
export interface CoseVerifier {
  readonly algorithm: CoseAlgorithm
  /** SHA-256 of the public key's SPKI. */
  readonly keyId: Uint8Array
  readonly key: KeyObject
}

/** A shared HMAC key. */
export interface CoseMacKey {
  /** 1 to 64 bytes, public: it travels in clear. */
  readonly keyId: Uint8Array
  /** 32 bytes at least. */
  readonly secret: Secret
}

/** What is protected, and in which context. */
export interface CoseContent {
  readonly payload: Uint8Array
  /** Never sent: both sides must know it, for example `kos-manifest-v1` or a channel binding. */
  readonly externalAad: Uint8Array
}

interface AlgorithmFacts {
  readonly id: number
  readonly signatureBytes: number
}

/** Identifier in header 1, and the one length that a signature has. */
export const COSE_ALGORITHMS: Readonly<Record<CoseAlgorithm, AlgorithmFacts>> = Object.freeze({
  ES256: { id: -7, signatureBytes: 64 },
  EdDSA: { id: -8, signatureBytes: 64 },
  'ML-DSA-44': { id: -48, signatureBytes: 2420 },
  'ML-DSA-65': { id: -49, signatureBytes: 3309 },
})

/** Longest key identifier that is accepted, in bytes. */
export const MAX_KEY_ID_BYTES = 64

/** The error of misuse, by rule. */
export function coseError(rule: string, cause?: unknown): KosError {
  return codecErrors.error('KOS_CODEC_COSE', { rule }, cause)
}

/** The refusal of a received message, by the check that failed. */
export function coseRefusal(rule: string): Refusal {
  return refuse('KOS_CODEC_COSE', rule)
}
