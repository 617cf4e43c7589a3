import { refuse, type Refusal, validate, z } from '../../foundation/base/index.ts'
import { cborToPlain, codecErrors, decodeCbor, encodeCbor } from '../../foundation/codec/index.ts'
import { MAX_HOST_PORT, splitHostPort } from './host-port.ts'
import { isTokenId } from './join-line.ts'

/** TLS exporter label of both enrolment requests; 32 bytes, no context. @see RFC 9266 */
export const ENROLMENT_EXPORTER_LABEL = 'EXPORTER-kos1-enrolment'

/** Upper bound of an enrolment request in bytes. */
export const MAX_ENROLMENT_BYTES: number = 16 * 1024

/** Upper bound of a proof of possession, a COSE_Sign1, in bytes. */
export const MAX_PROOF_BYTES: number = 1024

/** What a request can need at most: its fields in a map, one list deep. */
const DECODE_LIMITS = Object.freeze({
  maxBytes: MAX_ENROLMENT_BYTES,
  maxDepth: 2,
  maxItems: 64,
  maxTextBytes: 512,
})

/** What a device sends to join. Names in the CSR are ignored: the token fixes them. */
export interface JoinRequest {
  readonly tokenId: string
  /** PKCS#10 of the TLS key, DER. */
  readonly csr: Uint8Array
  /** P-256. */
  readonly identitySpki: Uint8Array
  /** COSE_Sign1 by the identity key over the exporter and every field but the two proofs. */
  readonly proof: Uint8Array
  /** HMAC-SHA256(secret, exporter ‖ CSR). */
  readonly authenticator: Uint8Array
  /** 6 bytes; zeros when the device has no permanent MAC address. */
  readonly mac: Uint8Array
  /** P-256. */
  readonly kemSpki: Uint8Array
  /** Checkpoint keys of the device's own log: Ed25519, then ML-DSA-44. */
  readonly logSpkis: readonly Uint8Array[]
  /** host:port under which peers reach the device, at most 8. */
  readonly addresses: readonly string[]
  /** What it would like to be called; only a token for several devices listens to that. */
  readonly name?: string
}

/** What a principal sends to renew its certificate. */
export interface RenewRequest {
  readonly principalId: string
  /** PKCS#10 of the new TLS key, DER. */
  readonly csr: Uint8Array
  readonly identitySpki: Uint8Array
  /** COSE_Sign1 by the identity key over the exporter and every other field. */
  readonly proof: Uint8Array
  /** The generation the principal holds. */
  readonly generation: number
  /** host:port under which peers reach it now, at most 8; none keeps what is known. */
  readonly addresses: readonly string[]
}

/** What a device sends to join with a pre-shared key: it has no key of its own to be certified. */
export interface PskJoinRequest {
  readonly tokenId: string
  /** 32 random bytes, kept by the device: the same ones make it the same request. */
  readonly nonce: Uint8Array
  /** 6 bytes; zeros when the device has no permanent MAC address. */
  readonly mac: Uint8Array
  /** Checkpoint keys of the device's own log: Ed25519, then ML-DSA-44. */
  readonly logSpkis: readonly Uint8Array[]
  /** As in {@link JoinRequest}. */
  readonly name?: string
  /** HMAC-SHA256(secret, exporter ‖ every other field). */
  readonly authenticator: Uint8Array
}

/** A pre-shared key granted by {@link PskJoinRequest}. */
export interface PskGrant {
  readonly principalId: string
  readonly uri: string
  readonly name: string
  readonly profile: string
  readonly generation: number
  readonly handle: string
  /** 32 secret bytes. */
  readonly root: Uint8Array
}

/** A certificate granted by {@link JoinRequest} or {@link RenewRequest}. */
export interface EnrolmentGrant {
  readonly principalId: string
  readonly uri: string
  readonly name: string
  readonly profile: string
  readonly generation: number
  /** The certificate, DER. */
  readonly leaf: Uint8Array
}

/** Schema of a byte string whose length lies within both bounds. */
export const bytes = (min: number, max: number): z.ZodType<Uint8Array> =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= min && value.length <= max,
  )

const csr = bytes(64, 4096)
const spki = bytes(32, 2048)
const proof = bytes(64, MAX_PROOF_BYTES)
const address = z
  .string()
  .max(MAX_HOST_PORT)
  .refine((text) => splitHostPort(text) !== undefined)
const addresses = z.array(address).max(8)
const wantedName = z.string().min(1).max(63).exactOptional()

const joinSchema: z.ZodType<JoinRequest> = z.strictObject({
  tokenId: z.string().max(22).refine(isTokenId),
  csr,
  identitySpki: spki,
  proof,
  authenticator: bytes(32, 32),
  mac: bytes(6, 6),
  kemSpki: spki,
  logSpkis: z.array(spki).length(2),
  addresses,
  name: wantedName,
})

const pskJoinSchema: z.ZodType<PskJoinRequest> = z.strictObject({
  tokenId: z.string().max(22).refine(isTokenId),
  nonce: bytes(32, 32),
  mac: bytes(6, 6),
  logSpkis: z.array(spki).length(2),
  name: wantedName,
  authenticator: bytes(32, 32),
})

const renewSchema: z.ZodType<RenewRequest> = z.strictObject({
  principalId: z.string().min(1).max(64),
  csr,
  identitySpki: spki,
  proof,
  generation: z.int().min(1).max(0xffff_ffff),
  addresses,
})

/**
 * Writes a request or a grant.
 *
 * @param message - plain fields only
 * @returns deterministic CBOR, a map with the field names as keys
 */
export function encodeMessage(
  message: JoinRequest | RenewRequest | EnrolmentGrant | PskJoinRequest,
): Uint8Array {
  return encodeCbor({ ...message })
}

/**
 * Decodes a join request strictly. Every field is a copy.
 *
 * **Security:** form only; {@link JoinService.join} checks the proofs.
 *
 * @param message - at most {@link MAX_ENROLMENT_BYTES}
 * @returns the request, or a refusal `KOS_ENROLMENT_REQUEST` whose rule names the field, or
 *   `encoding`
 */
export function decodeJoinRequest(message: Uint8Array): JoinRequest | Refusal {
  return decodeMessage(joinSchema, message)
}

/**
 * Decodes a join request for a pre-shared key strictly. Every field is a copy.
 *
 * **Security:** form only; {@link PskJoinService.join} checks the authenticator.
 *
 * @param message - at most {@link MAX_ENROLMENT_BYTES}
 * @returns as {@link decodeJoinRequest}
 */
export function decodePskJoinRequest(message: Uint8Array): PskJoinRequest | Refusal {
  return decodeMessage(pskJoinSchema, message)
}

/**
 * Decodes a renewal request strictly. Every field is a copy.
 *
 * **Security:** form only; {@link RenewService.renew} checks the proofs.
 *
 * @param message - at most {@link MAX_ENROLMENT_BYTES}
 * @returns as {@link decodeJoinRequest}
 */
export function decodeRenewRequest(message: Uint8Array): RenewRequest | Refusal {
  return decodeMessage(renewSchema, message)
}

/** Decodes a request of one of this room's schemas strictly; see {@link decodeJoinRequest}. */
export function decodeMessage<T>(schema: z.ZodType<T>, message: Uint8Array): T | Refusal {
  try {
    const checked = validate(schema, cborToPlain(decodeCbor(message, DECODE_LIMITS)))
    return checked.allow ? checked.value : refuse('KOS_ENROLMENT_REQUEST', checked.rule)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refuse('KOS_ENROLMENT_REQUEST', 'encoding')
  }
}
