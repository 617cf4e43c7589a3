import { X509Certificate } from 'node:crypto'
import type { Secret, Sha256 } from '../../foundation/base/index.ts'
import { parseCertificate } from '../../foundation/codec/index.ts'
import { transportErrors } from './errors.ts'

/** What a certificate profile authenticates TLS with. */
export interface CertificateIdentity {
  readonly kind: 'certificate'
  /** The leaf first, then what leads to the root. */
  readonly certificateChainPem: string
  /** PKCS#8 or SEC 1, PEM. */
  readonly privateKeyPem: Secret
  /** The P-256 root and the intermediates of the trust bundle, PEM each. */
  readonly trustedCaPem: readonly string[]
}

/** The pre-shared key of a dialler. */
export interface PskIdentity {
  readonly kind: 'psk'
  /** Travels in clear: random, new per key generation. */
  readonly handle: string
  /** 32 random bytes. */
  readonly key: Secret
}

/** The pre-shared keys of a listener. */
export interface PskDirectory {
  readonly kind: 'psk'
  /** The key of a handle, or `undefined` when the handle is unknown or retired. */
  keyOf(handle: string): Secret | undefined
}

/** What a listener proves itself with. */
export type ListenerIdentity = CertificateIdentity | PskDirectory
/** What a dialler proves itself with. */
export type DiallerIdentity = CertificateIdentity | PskIdentity

const PEM_END = '-----END CERTIFICATE-----'

/**
 * The leaf and its issuer, PEM. Peers hold the intermediates in their trust bundle and need none of
 * ours, but a leaf alone is worse: OpenSSL then builds and verifies our own chain at every handshake,
 * and sends it all the same (about a tenth of the cost of a handshake).
 *
 * @param certificateChainPem - the leaf first; other certificates in any order
 * @returns the leaf alone when none of the others issued it
 * @throws when there is none, or one cannot be read
 */
export function presentedChainPem(certificateChainPem: string): string {
  const [leaf, ...others] = certificateChainPem
    .split(PEM_END)
    .slice(0, -1)
    .map((text) => new X509Certificate(`${text.trim()}\n${PEM_END}\n`))
  if (!leaf) throw new Error('no certificate')
  const issuer = others.find((other) => leaf.checkIssued(other))
  return `${leaf.toString()}${issuer?.toString() ?? ''}`
}

/**
 * SHA-256 of the SPKI of the own leaf, as it stands in the certificate.
 *
 * @returns the hash; `undefined` for a pre-shared key
 * @throws {@link KosError} KOS_TRANSPORT_IDENTITY when the chain holds no certificate
 */
export function leafSpkiSha256(identity: ListenerIdentity | DiallerIdentity): Sha256 | undefined {
  if (identity.kind === 'psk') return undefined
  try {
    const { raw } = new X509Certificate(identity.certificateChainPem)
    return parseCertificate(raw).spkiSha256
  } catch (cause) {
    throw transportErrors.error('KOS_TRANSPORT_IDENTITY', {}, cause)
  }
}
