import { equalBytes, isRefusal, type Refusal } from '../base/index.ts'
import { copyBytes } from './cbor-bytes.ts'
import { CborReader } from './cbor-reader.ts'
import { CborWriter } from './cbor-writer.ts'
import { verifyRaw } from './cose-keys.ts'
import {
  coseStructure,
  decodeHeader,
  decodeOrRefuse,
  encodeHeader,
  expectKey,
  openMessage,
  readEmptyMap,
} from './cose-message.ts'
import {
  COSE_ALGORITHMS,
  type CoseContent,
  coseError,
  coseRefusal,
  type CoseSigner,
  type CoseVerifier,
} from './cose-types.ts'

/** @see RFC 9052 section 4.1 */
const TAG_SIGN = 98
const CONTEXT = 'Signature'
/**
 * Private protected parameter of the body: the ids of all keys that sign. It is covered by every
 * signature, so that none can be dropped. @see RFC 9052 section 11.1, private use below −65536
 */
const HEADER_REQUIRED_KEYS = -70001
const MAX_SIGNERS = 8

interface Parts {
  readonly bodyProtected: Uint8Array
  readonly required: readonly Uint8Array[]
  readonly payload: Uint8Array
  readonly signatures: readonly { signProtected: Uint8Array; signature: Uint8Array }[]
}

/**
 * Makes a COSE_Sign message that is valid only with the signatures of all signers, for example of a
 * classical and a post-quantum key.
 *
 * @param content - payload and external data
 * @param signers - 1 to 8, each with its own key
 * @returns the message; signatures stand in the order of their key ids
 * @throws KOS_CODEC_COSE when the number of signers is wrong or one occurs twice
 * @see RFC 9052 section 4.1
 */
export function signCose(content: CoseContent, signers: readonly CoseSigner[]): Uint8Array {
  const { payload, externalAad } = content
  const ordered = orderByKeyId(signers)
  const bodyProtected = encodeRequired(ordered.map(({ keyId }) => keyId))
  const writer = new CborWriter(payload.length + 1024)
  writer.tag(TAG_SIGN)
  writer.array(4)
  writer.bytes(bodyProtected)
  writer.map(0)
  writer.bytes(payload)
  writer.array(ordered.length)
  for (const signer of ordered) {
    const algorithmId = COSE_ALGORITHMS[signer.algorithm].id
    const signProtected = encodeHeader({ algorithmId, keyId: signer.keyId })
    const parts = [bodyProtected, signProtected, externalAad, payload]
    writer.array(3)
    writer.bytes(signProtected)
    writer.map(0)
    writer.bytes(signer.sign(coseStructure(CONTEXT, parts)))
  }
  return writer.take()
}

/**
 * Verifies a COSE_Sign message: it must carry the signatures of all verifiers and of no other key.
 *
 * @param bytes - the message
 * @param check - external data, size limit and the keys, all of which must have signed
 * @returns a copy of the payload, or a refusal whose rule names the check (`format: …`, `key id`,
 *   `algorithm`, `signature`)
 * @throws KOS_CODEC_COSE when the number of verifiers is wrong or one occurs twice
 *
 * **Security:** says who signed, not whether it is new: numbers and times are the caller's.
 *
 * @see RFC 9052 section 4.4
 */
export function verifyCose(
  bytes: Uint8Array,
  check: {
    readonly externalAad: Uint8Array
    readonly maxBytes: number
    readonly verifiers: readonly CoseVerifier[]
  },
): { readonly payload: Uint8Array } | Refusal {
  const verifiers = orderByKeyId(check.verifiers)
  const message = decodeOrRefuse(() => decodeParts(bytes, check.maxBytes))
  if (isRefusal(message)) return message
  const { bodyProtected, required, payload, signatures } = message
  if (required.length !== verifiers.length || signatures.length !== verifiers.length) {
    return coseRefusal('key id')
  }
  for (const [index, verifier] of verifiers.entries()) {
    const entry = signatures[index]
    const keyId = required[index]
    if (!entry || !keyId || !equalBytes(keyId, verifier.keyId)) return coseRefusal('key id')
    const header = decodeOrRefuse(() => decodeHeader(entry.signProtected))
    if (isRefusal(header)) return header
    if (!equalBytes(header.keyId, keyId)) return coseRefusal('key id')
    if (header.contentType !== undefined) return coseRefusal('content type')
    if (header.algorithmId !== COSE_ALGORITHMS[verifier.algorithm].id) {
      return coseRefusal('algorithm')
    }
    const parts = [bodyProtected, entry.signProtected, check.externalAad, payload]
    if (!verifyRaw(verifier, coseStructure(CONTEXT, parts), entry.signature)) {
      return coseRefusal('signature')
    }
  }
  return { payload: copyBytes(payload, 0, payload.length) }
}

function decodeParts(bytes: Uint8Array, maxBytes: number): Parts {
  const reader = openMessage(TAG_SIGN, bytes, maxBytes)
  const bodyProtected = reader.bytes()
  readEmptyMap(reader)
  const payload = reader.bytes()
  const signatures: Parts['signatures'][number][] = []
  for (let left = readCount(reader); left > 0; left -= 1) {
    if (reader.array() !== 3) throw coseError('signature: not three elements')
    const signProtected = reader.bytes()
    readEmptyMap(reader)
    signatures.push({ signProtected, signature: reader.bytes() })
  }
  reader.end()
  return { bodyProtected, required: decodeRequired(bodyProtected), payload, signatures }
}

function encodeRequired(keyIds: readonly Uint8Array[]): Uint8Array {
  const writer = new CborWriter()
  writer.map(1)
  writer.int(HEADER_REQUIRED_KEYS)
  writer.array(keyIds.length)
  for (const keyId of keyIds) writer.bytes(keyId)
  return writer.take()
}

function decodeRequired(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = new CborReader(bytes)
  if (reader.map() !== 1) throw coseError('header: unexpected parameter')
  expectKey(reader, undefined, HEADER_REQUIRED_KEYS)
  const keyIds: Uint8Array[] = []
  for (let left = readCount(reader); left > 0; left -= 1) keyIds.push(reader.bytes())
  reader.end()
  return keyIds
}

function readCount(reader: CborReader): number {
  const count = reader.array()
  if (count < 1 || count > MAX_SIGNERS) throw coseError('signature: number of signers')
  return count
}

/** One order for everyone: by key id, so that a set of keys has one encoding. */
function orderByKeyId<T extends { readonly keyId: Uint8Array }>(keys: readonly T[]): readonly T[] {
  if (keys.length < 1 || keys.length > MAX_SIGNERS) throw coseError('number of keys')
  const ordered = keys.toSorted((a, b) => Buffer.compare(a.keyId, b.keyId))
  for (const [index, key] of ordered.entries()) {
    const next = ordered[index + 1]
    if (next && equalBytes(key.keyId, next.keyId)) throw coseError('a key occurs twice')
  }
  return ordered
}
