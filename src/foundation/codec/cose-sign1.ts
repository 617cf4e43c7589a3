import { equalBytes, isRefusal, type Refusal } from '../base/index.ts'
import { copyBytes } from './cbor-bytes.ts'
import { verifyRaw } from './cose-keys.ts'
import { coseStructure, decodeSingle, encodeHeader, encodeSingle } from './cose-message.ts'
import {
  COSE_ALGORITHMS,
  type CoseContent,
  coseRefusal,
  type CoseSigner,
  type CoseVerifier,
} from './cose-types.ts'

/** @see RFC 9052 section 4.2 */
const TAG_SIGN1 = 18
const CONTEXT = 'Signature1'

/** How a COSE_Sign1 is checked: by one key, or by the key that its id leads to. */
export type CoseSign1Check = {
  readonly externalAad: Uint8Array
  readonly maxBytes: number
  /** The content type the message must carry; absent: it must carry none. */
  readonly contentType?: string
} & (
  | { readonly verifier: CoseVerifier; readonly resolve?: never }
  | {
      /** Finds a trusted key; `undefined` refuses. The id is not authenticated yet. */
      readonly resolve: (keyId: Uint8Array) => CoseVerifier | undefined
      readonly verifier?: never
    }
)

/**
 * Makes a COSE_Sign1 message, tagged, with algorithm and key id in the protected header.
 *
 * @param content - payload, external data and, where the context needs it, a content type
 * @param signer - who signs
 * @returns the message
 * @throws KOS_CODEC_COSE when the key id or content type is too long
 * @see RFC 9052 section 4.2
 * @example
 * ```ts
 * import { utf8 } from 'kos/base'
 * import { type CoseSigner, signCose1 } from 'kos/codec'
 * declare const signer: CoseSigner
 * signCose1({ payload: utf8('hello'), externalAad: utf8('demo-v1') }, signer)
 * ```
 */
export function signCose1(
  content: CoseContent & { readonly contentType?: string },
  signer: CoseSigner,
): Uint8Array {
  const { payload, externalAad, contentType } = content
  const protectedBytes = encodeHeader({
    algorithmId: COSE_ALGORITHMS[signer.algorithm].id,
    keyId: signer.keyId,
    contentType,
  })
  const proof = signer.sign(coseStructure(CONTEXT, [protectedBytes, externalAad, payload]))
  return encodeSingle(TAG_SIGN1, { protectedBytes, payload, proof })
}

/**
 * Verifies a COSE_Sign1 message strictly: tagged, empty unprotected header, exactly the expected
 * protected parameters, low s for ES256.
 *
 * @param bytes - the message
 * @param check - external data, size limit, and the key or a way to find it
 * @returns a copy of the payload and the id of the key that signed, or a refusal whose rule names
 *   the check (`format: …`, `content type`, `key id`, `algorithm`, `signature`)
 *
 * **Security:** says who signed, not whether they may, nor whether it is new: audience, time and
 * number are the caller's. The refusal's rule is for the log, not for the sender.
 *
 * @see RFC 9052 section 4.4
 */
export function verifyCose1(
  bytes: Uint8Array,
  check: CoseSign1Check,
): { readonly payload: Uint8Array; readonly keyId: Uint8Array } | Refusal {
  const message = decodeSingle(TAG_SIGN1, bytes, check.maxBytes)
  if (isRefusal(message)) return message
  const { header, protectedBytes, payload, proof } = message
  if (header.contentType !== check.contentType) return coseRefusal('content type')
  const verifier = check.verifier ?? check.resolve(header.keyId)
  if (!verifier || !equalBytes(verifier.keyId, header.keyId)) return coseRefusal('key id')
  // RFC 9053 section 2: the key decides the algorithm, the message only has to agree.
  if (header.algorithmId !== COSE_ALGORITHMS[verifier.algorithm].id) return coseRefusal('algorithm')
  const signed = coseStructure(CONTEXT, [protectedBytes, check.externalAad, payload])
  if (!verifyRaw(verifier, signed, proof)) return coseRefusal('signature')
  return { payload: copyBytes(payload, 0, payload.length), keyId: header.keyId }
}
