import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  type Sha256,
  sha256,
  type UnixMs,
  unixMs,
  utf8,
} from '../../foundation/base/index.ts'
import {
  codecErrors,
  type CborInput,
  CborReader,
  type CborValue,
  CborWriter,
  type CoseSigner,
  type CoseVerifier,
  encodeCbor,
  signCose1,
  verifyCose1,
} from '../../foundation/codec/index.ts'
import { pkiErrors } from './errors.ts'

/** Kinds of numbered objects; each is signed in a context of its own. */
export type NumberedKind = 'lock-list' | 'directory' | 'manifest'

/** The place of an object among those of its kind: the era first, then the number. */
export interface EraNumber {
  /** Rises only when a restored authority opens a new era with its root keys; from 1. */
  readonly era: number
  /** Rises with every change; from 1. */
  readonly number: number
}

/** What is signed. */
export interface NumberedFields extends EraNumber {
  readonly body: CborInput
  readonly issuedAt: UnixMs
  /** {@link NumberedObject.hash} of the object before it; absent on the first one. */
  readonly previous?: Uint8Array | undefined
}

/** A verified numbered object. */
export interface NumberedObject extends EraNumber {
  readonly body: CborValue
  /** When it was signed last; rises when an unchanged object is signed again. */
  readonly issuedAt: UnixMs
  readonly previous: Uint8Array | undefined
  /** SHA-256 over era, number, previous hash and body: the same however often it is signed. */
  readonly hash: Sha256
}

/** Bounds of a numbered object. */
export interface NumberedLimits {
  readonly maxBytes: number
  /** Items of the whole payload; 4096 by default. */
  readonly maxItems?: number
}

const HASH_BYTES = 32
const context = (kind: NumberedKind): Uint8Array => utf8(`kos-${kind}-v1`)

/**
 * Compares places: below, equal to or above 0. Everything that is kept compares before it replaces,
 * so neither era nor number ever goes down.
 */
export function compareNumbered(a: EraNumber, b: EraNumber): number {
  return a.era - b.era || a.number - b.number
}

/**
 * Signs a numbered object: COSE_Sign1 over `[era, number, issuedAt, previous / null, body]` in the
 * context `kos-<kind>-v1`.
 *
 * @param kind - the context
 * @param fields - see {@link NumberedFields}
 * @param signer - the key that the trust bundle delegates this kind to
 * @throws KosError KOS_PKI_ISSUE when era, number or previous hash are out of range
 */
export function signNumbered(
  kind: NumberedKind,
  fields: NumberedFields,
  signer: CoseSigner,
): Uint8Array {
  const { era, number, issuedAt, previous, body } = fields
  if (!(Number.isSafeInteger(era) && Number.isSafeInteger(number) && era >= 1 && number >= 1)) {
    throw pkiErrors.error('KOS_PKI_ISSUE', { rule: 'era-number' })
  }
  if (previous && previous.length !== HASH_BYTES) {
    throw pkiErrors.error('KOS_PKI_ISSUE', { rule: 'previous' })
  }
  const payload = encodeCbor([era, number, issuedAt, previous ?? null, body])
  return signCose1({ payload, externalAad: context(kind) }, signer)
}

/**
 * Verifies a numbered object.
 *
 * **Security:** says that the object is genuine, not that it is the newest: compare it with what is
 * held ({@link compareNumbered}) before it replaces anything. The body is decoded, not validated.
 *
 * @param kind - the context it must have been signed in
 * @param bytes - the signed object
 * @param check - the trusted keys (any one of them may have signed) and bounds
 * @returns the object, or a refusal KOS_PKI_OBJECT whose rule names the check
 */
export function verifyNumbered(
  kind: NumberedKind,
  bytes: Uint8Array,
  check: NumberedLimits & { readonly verifiers: readonly CoseVerifier[] },
): NumberedObject | Refusal {
  const message = verifyCose1(bytes, {
    externalAad: context(kind),
    maxBytes: check.maxBytes,
    resolve: (keyId) => check.verifiers.find((verifier) => equalBytes(verifier.keyId, keyId)),
  })
  if (isRefusal(message)) return objectRefusal(message.rule)
  try {
    return readPayload(message.payload, check)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return objectRefusal(`payload: ${String(error.details['rule'])}`)
  }
}

function readPayload(payload: Uint8Array, limits: NumberedLimits): NumberedObject | Refusal {
  const { maxBytes, maxItems } = limits
  const bounds = { maxBytes, ...(maxItems !== undefined && { maxItems }) }
  const reader = new CborReader(payload, bounds)
  if (reader.array() !== 5) return objectRefusal('payload: fields')
  const era = reader.uint()
  const number = reader.uint()
  const issuedAt = unixMs(reader.uint())
  const previous = reader.skipNull() ? undefined : Uint8Array.from(reader.bytes())
  const body = reader.raw()
  reader.end()
  if (era < 1 || number < 1) return objectRefusal('payload: era-number')
  if (previous && previous.length !== HASH_BYTES) return objectRefusal('payload: previous')
  return Object.freeze({
    era,
    number,
    issuedAt,
    previous,
    body: new CborReader(body, bounds).value(),
    hash: hashNumbered({ era, number }, previous, body),
  })
}

/** The issue time is left out: an unchanged object that is signed again keeps its hash. */
function hashNumbered(
  { era, number }: EraNumber,
  previous: Uint8Array | undefined,
  encodedBody: Uint8Array,
): Sha256 {
  const writer = new CborWriter(encodedBody.length + 64)
  writer.array(4)
  writer.uint(era)
  writer.uint(number)
  if (previous) writer.bytes(previous)
  else writer.null()
  writer.raw(encodedBody)
  return sha256(writer.view)
}

/** An object in its signed and its readable form. */
export interface SignedNumbered {
  readonly bytes: Uint8Array
  readonly object: NumberedObject
}

/**
 * Signs what follows on an object: the same number again when the body did not change (only the
 * issue time rises), else the next number, linked to the object before.
 *
 * @param kind - the context
 * @param held - the newest object of this kind, as signed or restored; absent: this is the first
 * @param next - era (not below the held one), body and time
 * @param signer - the key that the trust bundle delegates this kind to
 * @returns the signed object; store it durably before it is published
 * @throws KosError KOS_PKI_ISSUE when the era would go down
 */
export function signSuccessor(
  kind: NumberedKind,
  next: {
    readonly held: NumberedObject | undefined
    readonly era: number
    readonly body: CborInput
    readonly issuedAt: UnixMs
  },
  signer: CoseSigner,
): SignedNumbered {
  const { held, era } = next
  const encoded = encodeCbor(next.body)
  const place = placeAfter(held, era, encoded)
  const fields = {
    ...place,
    body: new CborReader(encoded, { maxBytes: encoded.length, maxItems: encoded.length }).value(),
    // A clock that was set back must not make a newer signature look older.
    issuedAt: unixMs(Math.max(next.issuedAt, held?.issuedAt ?? 0)),
  }
  const bytes = signNumbered(kind, fields, signer)
  const hash = hashNumbered(place, place.previous, encoded)
  return { bytes, object: Object.freeze({ ...fields, hash }) }
}

function placeAfter(
  held: NumberedObject | undefined,
  era: number,
  encodedBody: Uint8Array,
): EraNumber & { readonly previous: Uint8Array | undefined } {
  if (!held) return { era, number: 1, previous: undefined }
  if (era < held.era) throw pkiErrors.error('KOS_PKI_ISSUE', { rule: 'era' })
  const unchanged = era === held.era && equalBytes(encodedBody, encodeCbor(held.body))
  return unchanged
    ? { era, number: held.number, previous: held.previous }
    : { era, number: held.number + 1, previous: held.hash }
}

function objectRefusal(rule: string): Refusal {
  return refuse('KOS_PKI_OBJECT', rule)
}
