import { createHmac } from 'node:crypto'
import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  type Secret,
  sha256,
  toHex,
  utf8,
} from '../../foundation/base/index.ts'
import {
  codecErrors,
  type CoseSigner,
  coseVerifierFromSpki,
  encodeCbor,
  importSpki,
  parseCsr,
  requestedExtensions,
  signCose1,
  spkiAlgorithm,
  verifyCose1,
  verifyCsr,
  type X509KeyAlgorithm,
} from '../../foundation/codec/index.ts'
import { unknownCritical } from './csr-extensions.ts'
import { type JoinRequest, MAX_PROOF_BYTES, type RenewRequest } from './messages.ts'

/** What the identity key signs of a join request: all of it but the two proofs. */
export type JoinStatement = Omit<JoinRequest, 'proof' | 'authenticator'>
/** What the identity key signs of a renewal request: all of it but the proof. */
export type RenewStatement = Omit<RenewRequest, 'proof'>

/** The keys of a request whose proofs hold. */
export interface ProvenKeys {
  readonly tlsSpki: Uint8Array
}

// One context per request kind: neither proof is ever good for the other, nor for AUTH.
const JOIN_CONTEXT = utf8('kos-join-v1')
const RENEW_CONTEXT = utf8('kos-renew-v1')
const EXPORTER_BYTES = 32

/** HMAC(secret, TLS exporter ‖ CSR): proves the secret without sending it. @see identity: Joining */
export function joinAuthenticator(
  secret: Secret,
  exporter: Uint8Array,
  csr: Uint8Array,
): Uint8Array {
  return secret.use((key) => createHmac('sha256', key).update(exporter).update(csr).digest())
}

/** Signs a join request for one TLS connection. */
export function signJoin(
  statement: JoinStatement,
  exporter: Uint8Array,
  identity: CoseSigner,
): Uint8Array {
  const payload = joinBinding(statement, exporter)
  return signCose1({ payload, externalAad: JOIN_CONTEXT }, identity)
}

/** Signs a renewal request for one TLS connection. */
export function signRenewal(
  statement: RenewStatement,
  exporter: Uint8Array,
  identity: CoseSigner,
): Uint8Array {
  const payload = renewBinding(statement, exporter)
  return signCose1({ payload, externalAad: RENEW_CONTEXT }, identity)
}

/**
 * Checks the proofs of possession of a join request: the CSR is signed by the TLS key, everything
 * is signed by the identity key for this connection, and every key is of its kind and used once.
 *
 * @returns the TLS key, or a refusal `KOS_ENROLMENT_PROOF`
 */
export function verifyJoinProofs(request: JoinRequest, exporter: Uint8Array): ProvenKeys | Refusal {
  const [ed25519, mlDsa44] = request.logSpkis
  const others: readonly KeyUse[] = [
    { spki: request.kemSpki, algorithm: 'P-256', check: 'kem-key' },
    { spki: ed25519, algorithm: 'Ed25519', check: 'log-key' },
    { spki: mlDsa44, algorithm: 'ML-DSA-44', check: 'log-key' },
  ]
  const payload = (): Uint8Array => joinBinding(request, exporter)
  return verifyProofs(request, exporter, { context: JOIN_CONTEXT, payload, others })
}

/** Checks the proofs of possession of a renewal request, as {@link verifyJoinProofs}. */
export function verifyRenewProofs(
  request: RenewRequest,
  exporter: Uint8Array,
): ProvenKeys | Refusal {
  const payload = (): Uint8Array => renewBinding(request, exporter)
  return verifyProofs(request, exporter, { context: RENEW_CONTEXT, payload, others: [] })
}

function joinBinding(statement: JoinStatement, exporter: Uint8Array): Uint8Array {
  const { tokenId, csr, identitySpki, mac, kemSpki, logSpkis, addresses, name } = statement
  const said = name === undefined ? {} : { name }
  const signed = { tokenId, csr, identitySpki, mac, kemSpki, logSpkis, addresses, ...said }
  return encodeCbor([exporter, sha256(encodeCbor(signed))])
}

function renewBinding(statement: RenewStatement, exporter: Uint8Array): Uint8Array {
  const { principalId, csr, identitySpki, generation, addresses } = statement
  const signed = { principalId, csr, identitySpki, generation, addresses }
  return encodeCbor([exporter, sha256(encodeCbor(signed))])
}

interface KeyUse {
  readonly spki: Uint8Array | undefined
  readonly algorithm: X509KeyAlgorithm
  /** The rule that a key of another kind breaks. */
  readonly check: string
}

/** What a kind of request has of its own. */
export interface Expected {
  readonly context: Uint8Array
  /** The bytes the identity key must have signed. */
  readonly payload: () => Uint8Array
  /** Keys that come without a proof of their own. */
  readonly others: readonly KeyUse[]
}

/** What all requests have in common: a CSR by the TLS key, and everything by the identity key. */
export function verifyProofs(
  request: { csr: Uint8Array; identitySpki: Uint8Array; proof: Uint8Array },
  exporter: Uint8Array,
  expected: Expected,
): ProvenKeys | Refusal {
  // A shorter one would let HMAC(exporter ‖ CSR) be read in another way.
  if (exporter.length !== EXPORTER_BYTES) return failed('exporter')
  try {
    const csr = parseCsr(request.csr)
    const keys: readonly KeyUse[] = [
      { spki: csr.spki, algorithm: 'P-256', check: 'tls-key' },
      { spki: request.identitySpki, algorithm: 'P-256', check: 'identity-key' },
      ...expected.others,
    ]
    const problem = keysProblem(keys)
    if (problem !== undefined) return failed(problem)
    if (!verifyCsr(csr)) return failed('csr-signature')
    // Names and other wishes in it are ignored: the token, or the registry, says what is certified.
    if (unknownCritical(requestedExtensions(csr)) !== undefined) {
      return failed('csr-critical-extension')
    }
    const verified = verifyCose1(request.proof, {
      externalAad: expected.context,
      verifier: coseVerifierFromSpki(request.identitySpki),
      maxBytes: MAX_PROOF_BYTES,
    })
    if (isRefusal(verified)) return failed('identity-signature')
    if (!equalBytes(verified.payload, expected.payload())) return failed('binding')
    return { tlsSpki: csr.spki }
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return failed('encoding')
  }
}

/** One key never serves two purposes. @see identity: Keys of a principal */
function keysProblem(keys: readonly KeyUse[]): string | undefined {
  for (const { spki, algorithm, check } of keys) {
    if (!spki || !isKey(spki, algorithm)) return check
  }
  const distinct = new Set(keys.map(({ spki }) => spki && toHex(spki)))
  return distinct.size === keys.length ? undefined : 'same-key'
}

/** Whether an SPKI is a valid key of an algorithm, the point on its curve. */
function isKey(spki: Uint8Array, algorithm: X509KeyAlgorithm): boolean {
  try {
    importSpki(spki)
    return spkiAlgorithm(spki) === algorithm
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return false
  }
}

function failed(check: string): Refusal {
  return refuse('KOS_ENROLMENT_PROOF', `proof/${check}`)
}
