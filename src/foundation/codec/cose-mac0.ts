import { createHmac } from 'node:crypto'
import { equalBytes, equalConstantTime, isRefusal, type Refusal } from '../base/index.ts'
import { copyBytes } from './cbor-bytes.ts'
import { coseStructure, decodeSingle, encodeHeader, encodeSingle } from './cose-message.ts'
import { type CoseContent, coseError, type CoseMacKey, coseRefusal } from './cose-types.ts'

/** @see RFC 9052 section 6.2 */
const TAG_MAC0 = 17
const CONTEXT = 'MAC0'
/** HMAC 256/256: HMAC with SHA-256, not truncated. @see RFC 9053 section 3.1 */
const HMAC_256_256 = 5
const MIN_SECRET_BYTES = 32

/**
 * Makes a COSE_Mac0 message (HMAC 256/256), tagged, with algorithm and key id in the protected
 * header.
 *
 * @param content - payload and external data
 * @param key - the shared key
 * @throws KOS_CODEC_COSE when the secret is shorter than 32 bytes or the key id has a wrong length
 *
 * **Security:** whoever can verify can also make the message: put role and direction into
 * `externalAad`, else it can be reflected.
 *
 * @see RFC 9052 section 6.2
 */
export function macCose0(content: CoseContent, key: CoseMacKey): Uint8Array {
  const { payload, externalAad } = content
  const protectedBytes = encodeHeader({ algorithmId: HMAC_256_256, keyId: key.keyId })
  const proof = hmac(key, coseStructure(CONTEXT, [protectedBytes, externalAad, payload]))
  return encodeSingle(TAG_MAC0, { protectedBytes, payload, proof })
}

/**
 * Verifies a COSE_Mac0 message strictly, comparing the tag in constant time.
 *
 * @param bytes - the message
 * @param check - external data, size limit and the key
 * @returns a copy of the payload, or a refusal whose rule names the check
 * @throws KOS_CODEC_COSE when the secret is shorter than 32 bytes
 * @see RFC 9052 section 6.3
 */
export function verifyCoseMac0(
  bytes: Uint8Array,
  check: {
    readonly externalAad: Uint8Array
    readonly maxBytes: number
    readonly key: CoseMacKey
  },
): { readonly payload: Uint8Array } | Refusal {
  const message = decodeSingle(TAG_MAC0, bytes, check.maxBytes)
  if (isRefusal(message)) return message
  const { header, protectedBytes, payload, proof } = message
  if (header.contentType !== undefined) return coseRefusal('content type')
  if (!equalBytes(header.keyId, check.key.keyId)) return coseRefusal('key id')
  if (header.algorithmId !== HMAC_256_256) return coseRefusal('algorithm')
  const parts = [protectedBytes, check.externalAad, payload]
  const expected = hmac(check.key, coseStructure(CONTEXT, parts))
  if (!equalConstantTime(expected, proof)) return coseRefusal('tag')
  return { payload: copyBytes(payload, 0, payload.length) }
}

function hmac(key: CoseMacKey, bytes: Uint8Array): Uint8Array {
  if (key.secret.length < MIN_SECRET_BYTES) throw coseError('secret: too short')
  return key.secret.use((secret) => createHmac('sha256', secret).update(bytes).digest())
}
