import type { Secret } from '../../foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  type CertificateSigner,
  type CoseSigner,
} from '../../foundation/codec/index.ts'
import type { JoinRequest, RenewRequest } from './messages.ts'
import { joinAuthenticator, signJoin, signRenewal } from './proofs.ts'

/** The keys of a principal that take part in a request. */
export interface RequestKeys {
  readonly identitySpki: Uint8Array
  readonly identity: CoseSigner
  /** SPKI and signer of the new TLS key. */
  readonly tlsSpki: Uint8Array
  readonly tlsSigner: CertificateSigner
}

/** Fields of a join request besides the keys and their proofs. */
export interface JoinFacts {
  readonly tokenId: string
  readonly secret: Secret
  /** 6 bytes; see `chooseMac` of trust/pki. */
  readonly mac: Uint8Array
  /** P-256. */
  readonly kemSpki: Uint8Array
  /** Ed25519, then ML-DSA-44. */
  readonly logSpkis: readonly Uint8Array[]
  /** host:port, at most 8. */
  readonly addresses: readonly string[]
  /** What it would like to be called, 1 to 63 characters; absent: whatever the token says. */
  readonly name?: string | undefined
}

/**
 * Makes a join request bound to one TLS connection. The CSR names nobody: the token does.
 *
 * @param keys - identity and TLS key of the device
 * @param facts - what the join line and the device give
 * @param exporter - 32 bytes of {@link ENROLMENT_EXPORTER_LABEL} from the connection it is sent on
 * @returns a request that is good on this connection only
 *
 * **Security:** verify pin, trust bundle and leaf of the authority on this connection first.
 * @see identity: Joining
 */
export function createJoinRequest(
  keys: RequestKeys,
  facts: JoinFacts,
  exporter: Uint8Array,
): JoinRequest {
  const { tokenId, secret, mac, kemSpki, logSpkis, addresses, name } = facts
  const { identitySpki } = keys
  const csr = createCsr(keys)
  const said = name === undefined ? {} : { name }
  const statement = { tokenId, csr, identitySpki, mac, kemSpki, logSpkis, addresses, ...said }
  return {
    ...statement,
    proof: signJoin(statement, exporter, keys.identity),
    authenticator: joinAuthenticator(secret, exporter, csr),
  }
}

/**
 * Makes a renewal request bound to one TLS connection.
 *
 * @param keys - identity key, and the TLS key to be certified: a new one, or the same again after a
 *   lost answer
 * @param facts - id and generation of the principal, host:port under which peers reach it
 * @param exporter - as for {@link createJoinRequest}
 * @returns a request that is good on this connection only
 * @see identity: Renewal and absence
 */
export function createRenewRequest(
  keys: RequestKeys,
  facts: {
    readonly principalId: string
    readonly generation: number
    readonly addresses: readonly string[]
  },
  exporter: Uint8Array,
): RenewRequest {
  const { principalId, generation, addresses } = facts
  const { identitySpki } = keys
  const statement = { principalId, csr: createCsr(keys), identitySpki, generation, addresses }
  return { ...statement, proof: signRenewal(statement, exporter, keys.identity) }
}

function createCsr(keys: RequestKeys): Uint8Array {
  return buildCsr({ spki: keys.tlsSpki, subject: buildName([]) }, keys.tlsSigner)
}
