import type { Refusal } from '../base/index.ts'
import { copyBytes } from './cbor-bytes.ts'
import { CborReader } from './cbor-reader.ts'
import { CborWriter } from './cbor-writer.ts'
import { coseError, coseRefusal, MAX_KEY_ID_BYTES } from './cose-types.ts'
import { codecErrors } from './errors.ts'

/** Header parameters. @see RFC 9052 section 3.1 */
const HEADER_ALGORITHM = 1
const HEADER_CONTENT_TYPE = 3
const HEADER_KEY_ID = 4
const MAX_CONTENT_TYPE_BYTES = 255

/** The protected header of a signer or of a message with one signer. */
export interface CoseHeader {
  readonly algorithmId: number
  readonly keyId: Uint8Array
  readonly contentType?: string | undefined
}

/** A message of one signature or one tag, taken apart but not verified. */
export interface CoseSingle {
  readonly header: CoseHeader
  readonly protectedBytes: Uint8Array
  readonly payload: Uint8Array
  readonly proof: Uint8Array
}

/** Encodes a protected header; unprotected headers stay empty. */
export function encodeHeader(header: CoseHeader): Uint8Array {
  const { algorithmId, keyId, contentType } = header
  if (keyId.length === 0 || keyId.length > MAX_KEY_ID_BYTES) throw coseError('key id: length')
  const writer = new CborWriter()
  writer.map(contentType === undefined ? 2 : 3)
  writer.int(HEADER_ALGORITHM)
  writer.int(algorithmId)
  if (contentType !== undefined) {
    if (contentType.length > MAX_CONTENT_TYPE_BYTES) throw coseError('content type: length')
    writer.int(HEADER_CONTENT_TYPE)
    writer.text(contentType)
  }
  writer.int(HEADER_KEY_ID)
  writer.bytes(keyId)
  return writer.take()
}

/** Decodes a protected header: algorithm and key id must stand there, nothing unknown may. */
export function decodeHeader(bytes: Uint8Array): CoseHeader {
  const reader = new CborReader(bytes, { maxTextBytes: MAX_CONTENT_TYPE_BYTES })
  const pairs = reader.map()
  expectKey(reader, undefined, HEADER_ALGORITHM)
  const algorithmId = reader.int()
  let previous = HEADER_ALGORITHM
  let contentType: string | undefined
  if (pairs === 3) {
    expectKey(reader, previous, HEADER_CONTENT_TYPE)
    contentType = reader.text()
    previous = HEADER_CONTENT_TYPE
  }
  expectKey(reader, previous, HEADER_KEY_ID)
  const keyId = reader.bytes()
  // RFC 9052 section 3.1: a parameter that is not understood, critical or not, is refused here.
  if (pairs > 3) throw coseError('header: unknown parameter')
  if (keyId.length === 0 || keyId.length > MAX_KEY_ID_BYTES) throw coseError('key id: length')
  reader.end()
  return { algorithmId, keyId: copyBytes(keyId, 0, keyId.length), contentType }
}

/** COSE_Sign1 and COSE_Mac0: tag, then [protected, unprotected, payload, proof]. */
export function encodeSingle(
  tag: number,
  parts: Pick<CoseSingle, 'protectedBytes' | 'payload' | 'proof'>,
): Uint8Array {
  const writer = new CborWriter(parts.payload.length + parts.proof.length + 256)
  writer.tag(tag)
  writer.array(4)
  writer.bytes(parts.protectedBytes)
  writer.map(0)
  writer.bytes(parts.payload)
  writer.bytes(parts.proof)
  return writer.take()
}

/** Takes a COSE_Sign1 or COSE_Mac0 apart. The parts are views, the header's are copies. */
export function decodeSingle(
  tag: number,
  bytes: Uint8Array,
  maxBytes: number,
): CoseSingle | Refusal {
  return decodeOrRefuse(() => {
    const reader = openMessage(tag, bytes, maxBytes)
    const protectedBytes = reader.bytes()
    readEmptyMap(reader)
    const payload = reader.bytes()
    const proof = reader.bytes()
    reader.end()
    return { header: decodeHeader(protectedBytes), protectedBytes, payload, proof }
  })
}

/** Reads the tag and the four-element array that every COSE message here starts with. */
export function openMessage(tag: number, bytes: Uint8Array, maxBytes: number): CborReader {
  const reader = new CborReader(bytes, { maxBytes, allowedTags: [tag] })
  reader.tag()
  if (reader.array() !== 4) throw coseError('message: not four elements')
  return reader
}

/** Unprotected headers are not authenticated: none is accepted. */
export function readEmptyMap(reader: CborReader): void {
  if (reader.map() !== 0) throw coseError('header: unprotected parameter')
}

/** The next map key must be this one. */
export function expectKey(
  reader: CborReader,
  previous: number | undefined,
  expected: number,
): void {
  if (reader.nextKey(previous) !== expected) throw coseError('header: unexpected parameter')
}

/** Runs a decoder: its error becomes one refusal; which rule it broke stays in the details. */
export function decodeOrRefuse<T extends object>(decode: () => T | Refusal): T | Refusal {
  try {
    return decode()
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return coseRefusal(`format: ${String(error.details['rule'])}`)
  }
}

/**
 * The bytes that are signed or authenticated.
 *
 * @param context - `Signature1`, `Signature` or `MAC0`
 * @param parts - protected headers, external data, payload, in this order
 * @see RFC 9052 sections 4.4 and 6.3
 */
export function coseStructure(context: string, parts: readonly Uint8Array[]): Uint8Array {
  const bytes = parts.reduce((sum, part) => sum + part.length, 64)
  const writer = new CborWriter(bytes)
  writer.array(parts.length + 1)
  writer.text(context)
  for (const part of parts) writer.bytes(part)
  return writer.view
}
