import { refuse, type Refusal, sha256, utf8, validate, z } from '../../foundation/base/index.ts'
import {
  cborToPlain,
  codecErrors,
  type CoseSigner,
  decodeCbor,
  encodeCbor,
  signCose1,
} from '../../foundation/codec/index.ts'
import type { EraNumber } from '../../trust/pki/index.ts'

/** The numbered objects that a member brings. */
export const RECOVERED_KINDS = ['directory', 'lock-list', 'manifest'] as const
/** One of {@link RECOVERED_KINDS}. */
export type RecoveredKind = (typeof RECOVERED_KINDS)[number]

/** Upper bound of an offer in bytes: a bundle and all three objects at their largest. */
export const MAX_OFFER_BYTES: number = 64 * 1024 * 1024

/** What a member proves of itself: its leaf, and its keys, for one TLS connection. */
export interface RecoveryClaim {
  /** The newest certificate, DER. */
  readonly leaf: Uint8Array
  /** P-256. */
  readonly identitySpki: Uint8Array
  /** P-256. */
  readonly kemSpki: Uint8Array
  /** Checkpoint keys of its own log: Ed25519, then ML-DSA-44. */
  readonly logSpkis: readonly Uint8Array[]
  /** COSE_Sign1 by the identity key over the TLS exporter and every other field. */
  readonly proof: Uint8Array
}

/** What a member brings to an authority that was restored from a backup. */
export interface RecoveryOffer {
  /** The trust bundle it holds: signed by both roots. */
  readonly bundle: Uint8Array
  /** The signed objects it holds, as far as they are newer than what the authority has. */
  readonly objects: { readonly [K in RecoveredKind]?: Uint8Array | undefined }
  /** Absent: a member without certificate. */
  readonly claim?: RecoveryClaim | undefined
}

/** What a restored authority says of itself before it believes anybody. */
export interface RecoveryStatus {
  /** Whether it waits for its members, and serves nothing else. */
  readonly isWaiting: boolean
  /** The newest that it knows of, by kind. */
  readonly newest: { readonly [K in RecoveredKind | 'bundle']?: EraNumber | undefined }
}

/** Upper bound of the proof of a claim, a COSE_Sign1, in bytes. */
export const MAX_PROOF_BYTES = 1024

const CONTEXT = utf8('kos-recovery-v1')
const DECODE_LIMITS = Object.freeze({ maxBytes: MAX_OFFER_BYTES, maxDepth: 4, maxItems: 64 })

const bytes = (max: number): z.ZodType<Uint8Array> =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= max)
const object = bytes(MAX_OFFER_BYTES).optional()
const spki = bytes(2048)

const offerSchema = z.strictObject({
  bundle: bytes(MAX_OFFER_BYTES),
  objects: z.strictObject({ directory: object, 'lock-list': object, manifest: object }),
  claim: z
    .strictObject({
      leaf: bytes(8192),
      identitySpki: spki,
      kemSpki: spki,
      logSpkis: z.array(spki).length(2),
      proof: bytes(MAX_PROOF_BYTES),
    })
    .optional(),
})

const place = z.strictObject({ era: z.int().min(1), number: z.int().min(1) }).optional()
/** Of the JSON answer that carries a {@link RecoveryStatus}. */
export const recoveryStatus: z.ZodType<RecoveryStatus> = z.strictObject({
  isWaiting: z.boolean(),
  newest: z.strictObject({
    bundle: place,
    directory: place,
    'lock-list': place,
    manifest: place,
  }),
})

/**
 * Signs what a member proves of itself.
 *
 * @param facts - leaf and keys
 * @param exporter - 32 bytes of the TLS connection that the claim goes over
 * @param identity - signs with the identity key
 */
export function createClaim(
  facts: Omit<RecoveryClaim, 'proof'>,
  exporter: Uint8Array,
  identity: CoseSigner,
): RecoveryClaim {
  const payload = claimBinding(facts, exporter)
  return { ...facts, proof: signCose1({ payload, externalAad: CONTEXT }, identity) }
}

/** What the identity key signs. */
export function claimBinding(
  facts: Omit<RecoveryClaim, 'proof'>,
  exporter: Uint8Array,
): Uint8Array {
  const { leaf, identitySpki, kemSpki, logSpkis } = facts
  return encodeCbor([exporter, sha256(encodeCbor({ leaf, identitySpki, kemSpki, logSpkis }))])
}

/** The context that the proof of a claim is signed in. */
export const CLAIM_CONTEXT: Uint8Array = CONTEXT

/** Writes an offer as deterministic CBOR. */
export function encodeOffer({ bundle, objects, claim }: RecoveryOffer): Uint8Array {
  const present = Object.entries(objects).flatMap(([kind, signed]) =>
    signed ? [[kind, signed] as const] : [],
  )
  return encodeCbor({
    bundle,
    objects: Object.fromEntries(present),
    ...(claim && { claim: { ...claim } }),
  })
}

/**
 * Decodes an offer strictly. Every field is a copy.
 *
 * **Security:** form only; {@link RecoveryCollector.take} checks what it says.
 *
 * @returns the offer, or a refusal `KOS_RECOVERY_OFFER`
 */
export function decodeOffer(message: Uint8Array): RecoveryOffer | Refusal {
  try {
    const checked = validate(offerSchema, cborToPlain(decodeCbor(message, DECODE_LIMITS)))
    return checked.allow ? checked.value : refuse('KOS_RECOVERY_OFFER', checked.rule)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refuse('KOS_RECOVERY_OFFER', 'encoding')
  }
}
