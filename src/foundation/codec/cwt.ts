import { concatBytes, equalBytes, isRefusal, type Refusal } from '../base/index.ts'
import { copyBytes } from './cbor-bytes.ts'
import { CborReader } from './cbor-reader.ts'
import { CborWriter } from './cbor-writer.ts'
import { decodeOrRefuse } from './cose-message.ts'
import { signCose1, verifyCose1 } from './cose-sign1.ts'
import { coseRefusal, type CoseSigner, type CoseVerifier } from './cose-types.ts'

/** The claims of a token for another node: these, all of them. Times are whole seconds. */
export interface CwtClaims {
  /** URI of who issued it. */
  readonly issuer: string
  /** URI of whom it is about. */
  readonly subject: string
  /** URI of whom it is for. */
  readonly audience: string
  readonly expiresAt: number
  readonly notBefore: number
  readonly issuedAt: number
  /** 1 to 64 bytes, never issued twice. */
  readonly id: Uint8Array
  /** Id of the key that its bearer has to prove; 32 bytes, SHA-256 of the key's SPKI. */
  readonly confirmationKeyId: Uint8Array
}

/** CBOR tag 61 in its shortest form. @see RFC 8392 section 6 */
const TAG_CWT = Uint8Array.of(0xd8, 0x3d)
/** Largest token that is read, in bytes. */
export const MAX_CWT_BYTES: number = 2048
const MAX_URI_BYTES = 512
const MAX_ID_BYTES = 64
const KEY_ID_BYTES = 32
/** @see RFC 8392 section 4 */
const ISSUER = 1
const SUBJECT = 2
const AUDIENCE = 3
const EXPIRES = 4
const NOT_BEFORE = 5
const ISSUED_AT = 6
const ID = 7
/** @see RFC 8747 section 3.1 */
const CONFIRMATION = 8
/** @see RFC 8747 section 3.4 */
const CONFIRMATION_KEY_ID = 3
/** Other signed objects carry external data: a signature of one is none of the other. */
const NO_EXTERNAL_DATA = new Uint8Array(0)

/** Encodes the claims as the map that is signed. */
export function encodeCwtClaims(claims: CwtClaims): Uint8Array {
  const writer = new CborWriter()
  writer.map(CONFIRMATION)
  writer.uint(ISSUER)
  writer.text(claims.issuer)
  writer.uint(SUBJECT)
  writer.text(claims.subject)
  writer.uint(AUDIENCE)
  writer.text(claims.audience)
  writer.uint(EXPIRES)
  writer.uint(claims.expiresAt)
  writer.uint(NOT_BEFORE)
  writer.uint(claims.notBefore)
  writer.uint(ISSUED_AT)
  writer.uint(claims.issuedAt)
  writer.uint(ID)
  writer.bytes(claims.id)
  writer.uint(CONFIRMATION)
  writer.map(1)
  writer.uint(CONFIRMATION_KEY_ID)
  writer.bytes(claims.confirmationKeyId)
  return writer.take()
}

/**
 * Makes a CBOR Web Token: claims, signed as COSE_Sign1, under the tag of CWT.
 *
 * @param claims - all of them
 * @param signer - the issuer's key
 * @returns the token
 * @see RFC 8392 section 7.1
 */
export function signCwt(claims: CwtClaims, signer: CoseSigner): Uint8Array {
  const content = { payload: encodeCwtClaims(claims), externalAad: NO_EXTERNAL_DATA }
  return concatBytes(TAG_CWT, signCose1(content, signer))
}

/**
 * Verifies form and signature of a CBOR Web Token strictly: tagged, exactly the known claims, each of
 * its type and within its bounds.
 *
 * @param bytes - the token
 * @param resolve - finds a trusted issuer key by its id; `undefined` refuses
 * @returns copies of the claims, or a refusal KOS_CODEC_COSE whose rule names the check
 *
 * **Security:** audience, times and the confirmation key are the caller's to compare.
 *
 * @see RFC 8392 section 7.2
 */
export function verifyCwt(
  bytes: Uint8Array,
  resolve: (keyId: Uint8Array) => CoseVerifier | undefined,
): CwtClaims | Refusal {
  if (bytes.length > MAX_CWT_BYTES) return coseRefusal('format: too long')
  if (!equalBytes(bytes.subarray(0, TAG_CWT.length), TAG_CWT)) return coseRefusal('format: tag')
  const verified = verifyCose1(bytes.subarray(TAG_CWT.length), {
    externalAad: NO_EXTERNAL_DATA,
    resolve,
    maxBytes: MAX_CWT_BYTES,
  })
  if (isRefusal(verified)) return verified
  return decodeOrRefuse(() => readClaims(verified.payload))
}

function readClaims(payload: Uint8Array): CwtClaims | Refusal {
  const reader = new CborReader(payload, { maxBytes: MAX_CWT_BYTES, maxTextBytes: MAX_URI_BYTES })
  if (reader.map() !== CONFIRMATION) return coseRefusal('claims: number')
  // Keys are ascending in deterministic CBOR: eight of them are 1 to 8, or one is unknown.
  const key = (expected: number): boolean => reader.nextKey(expected - 1) === expected
  const unknown = coseRefusal('claims: unknown')
  if (reader.nextKey(undefined) !== ISSUER) return unknown
  const issuer = reader.text()
  if (!key(SUBJECT)) return unknown
  const subject = reader.text()
  if (!key(AUDIENCE)) return unknown
  const audience = reader.text()
  if (!key(EXPIRES)) return unknown
  const expiresAt = reader.uint()
  if (!key(NOT_BEFORE)) return unknown
  const notBefore = reader.uint()
  if (!key(ISSUED_AT)) return unknown
  const issuedAt = reader.uint()
  if (!key(ID)) return unknown
  const id = reader.bytes()
  if (!key(CONFIRMATION)) return unknown
  const confirmationKeyId = readConfirmation(reader)
  reader.end()
  if (!confirmationKeyId || id.length === 0 || id.length > MAX_ID_BYTES) {
    return coseRefusal('claims: length')
  }
  return {
    issuer,
    subject,
    audience,
    expiresAt,
    notBefore,
    issuedAt,
    id: copyBytes(id, 0, id.length),
    confirmationKeyId: copyBytes(confirmationKeyId, 0, KEY_ID_BYTES),
  }
}

function readConfirmation(reader: CborReader): Uint8Array | undefined {
  if (reader.map() !== 1 || reader.nextKey(undefined) !== CONFIRMATION_KEY_ID) return undefined
  const keyId = reader.bytes()
  return keyId.length === KEY_ID_BYTES ? keyId : undefined
}
