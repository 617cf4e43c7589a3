import { type Refusal, type Secret, sha256, utf8, z } from '../../foundation/base/index.ts'
import { buildCsr, buildName, encodeCbor, signCose1 } from '../../foundation/codec/index.ts'
import { isTokenId } from './join-line.ts'
import { bytes, decodeMessage, MAX_PROOF_BYTES } from './messages.ts'
import { joinAuthenticator, type ProvenKeys, verifyProofs } from './proofs.ts'
import type { RequestKeys } from './requests.ts'

/** What a device sends to have its profile raised. Which profile, and whose, the token says. */
export interface RaiseRequest {
  readonly tokenId: string
  /** PKCS#10 of the new TLS key, DER. */
  readonly csr: Uint8Array
  readonly identitySpki: Uint8Array
  /** What the higher profile demands beyond keys; empty: nothing. */
  readonly evidence: Uint8Array
  /** COSE_Sign1 by the identity key over the exporter and every field but the two proofs. */
  readonly proof: Uint8Array
  /** HMAC-SHA256(secret, exporter ‖ CSR). */
  readonly authenticator: Uint8Array
}

/** Longest evidence in bytes: a TPM quote with its certificates and event log fits. */
export const MAX_EVIDENCE_BYTES: number = 8 * 1024
const RAISE_CONTEXT = utf8('kos-raise-v1')

const raiseSchema: z.ZodType<RaiseRequest> = z.strictObject({
  tokenId: z.string().max(22).refine(isTokenId),
  csr: bytes(64, 4096),
  identitySpki: bytes(32, 2048),
  evidence: bytes(0, MAX_EVIDENCE_BYTES),
  proof: bytes(64, MAX_PROOF_BYTES),
  authenticator: bytes(32, 32),
})

/**
 * Makes a request bound to one TLS connection.
 *
 * @param keys - identity key, the TLS key of the next generation, and its CSR where evidence was made
 *   for one already
 * @param facts - what the line of `kosctl devices raise` gives, and the evidence
 * @param exporter - 32 bytes of the enrolment label from the connection it is sent on
 *
 * **Security:** verify the authority on this connection first.
 */
export function createRaiseRequest(
  keys: RequestKeys & { readonly csr?: Uint8Array },
  facts: { readonly tokenId: string; readonly secret: Secret; readonly evidence: Uint8Array },
  exporter: Uint8Array,
): RaiseRequest {
  const { tokenId, secret, evidence } = facts
  const csr = keys.csr ?? buildCsr({ spki: keys.tlsSpki, subject: buildName([]) }, keys.tlsSigner)
  const statement = { tokenId, csr, identitySpki: keys.identitySpki, evidence }
  const payload = raiseBinding(statement, exporter)
  return {
    ...statement,
    proof: signCose1({ payload, externalAad: RAISE_CONTEXT }, keys.identity),
    authenticator: joinAuthenticator(secret, exporter, csr),
  }
}

/** Checks the proofs of possession, as those of a join. */
export function verifyRaiseProofs(
  request: RaiseRequest,
  exporter: Uint8Array,
): ProvenKeys | Refusal {
  const payload = (): Uint8Array => raiseBinding(request, exporter)
  return verifyProofs(request, exporter, { context: RAISE_CONTEXT, payload, others: [] })
}

/** What evidence has to be bound to: this connection and this TLS key. */
export function evidenceBinding(exporter: Uint8Array, csr: Uint8Array): Uint8Array {
  return sha256(encodeCbor(['kos-evidence-v1', exporter, csr]))
}

function raiseBinding(
  statement: Omit<RaiseRequest, 'proof' | 'authenticator'>,
  exporter: Uint8Array,
): Uint8Array {
  const { tokenId, csr, identitySpki, evidence } = statement
  return encodeCbor([exporter, sha256(encodeCbor({ tokenId, csr, identitySpki, evidence }))])
}

/** Writes a request: deterministic CBOR, a map with the field names as keys. */
export function encodeRaiseRequest(request: RaiseRequest): Uint8Array {
  return encodeCbor({ ...request })
}

/**
 * Decodes a request strictly. Every field is a copy.
 *
 * **Security:** form only; {@link RaiseService.raise} checks the proofs.
 *
 * @returns the request, or a refusal `KOS_ENROLMENT_REQUEST`
 */
export function decodeRaiseRequest(message: Uint8Array): RaiseRequest | Refusal {
  return decodeMessage(raiseSchema, message)
}
