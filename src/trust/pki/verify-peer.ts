import {
  equalBytes,
  isRefusal,
  parsePrincipal,
  type Principal,
  type PrincipalKind,
  refuse,
  type Refusal,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  codecErrors,
  KEY_PURPOSE,
  parseCertificate,
  verifyCertificateSignature,
  type X509Certificate,
} from '../../foundation/codec/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type DecodedLeafIdentity, decodeLeafIdentity, KOS_IDENTITY_OID } from './leaf-identity.ts'
import type { TrustBundle, TrustedIntermediate } from './trust-bundle.ts'

/** What a verified leaf proves, once AUTH verifies under the identity key it names. */
export interface PeerCertificate extends PeerFacts {
  readonly notBefore: UnixMs
}

/** What a leaf is checked against. */
export interface PeerCheck {
  readonly bundle: TrustBundle
  /** Which side of TLS the owner of the leaf is. */
  readonly purpose: 'client' | 'server'
  /** The one wall-clock reading of this decision. */
  readonly nowMs: UnixMs
  /** Whom the caller means to talk to. */
  readonly expect?: { readonly kind?: PrincipalKind; readonly uri?: string }
  /** How long after its end the leaf still counts; only the renewal endpoint gives this. */
  readonly graceMs?: number
}

/**
 * Verifies a peer's TLS leaf. Only the leaf is taken from the peer: the intermediate comes from the
 * trust bundle, so other certificates in a presented chain have no say.
 *
 * **Security:** proves name, floor, generation and identity key of whoever holds the TLS key. It
 * does not prove possession of the identity key (AUTH does) and does not ask the lock list
 * ({@link LockState.check}).
 *
 * @param leafDer - the leaf as the peer presented it
 * @param check - see {@link PeerCheck}
 * @returns the proven facts, or a refusal KOS_PKI_CERTIFICATE whose rule names the failed check:
 *   `encoding`, `critical-extension`, `key`, `ca`, `key-usage`, `issuer`, `signature`, `uri-san`,
 *   `trust-domain`, `names`, `extension`, then `not-yet-valid`, `expired`, `issuer-validity`,
 *   `purpose`, `kind`, `principal`
 * @see RFC 5280 section 6, SPIFFE X.509-SVID section 5
 */
export function verifyPeerLeaf(leafDer: Uint8Array, check: PeerCheck): PeerCertificate | Refusal {
  const proven = proveLeaf(leafDer, check.bundle)
  return isRefusal(proven) ? proven : judgeLeaf(proven, check)
}

/**
 * What of a leaf holds as long as its trust bundle does. It keeps no byte of the certificate, so that
 * many of them may be remembered.
 */
export interface ProvenLeaf {
  readonly peer: PeerCertificate
  /** Object identifiers of the extended key usage. */
  readonly purposes: readonly string[]
  /** Validity of the issuer and of the root, the latest start and the earliest end. */
  readonly issuersNotBefore: UnixMs
  readonly issuersNotAfter: UnixMs
}

/**
 * The part of the verification that does not depend on time, purpose or whom the caller expects:
 * encoding, form, issuer, signature, names, kOS extension.
 *
 * @returns the proof, or a refusal as of {@link verifyPeerLeaf}
 */
export function proveLeaf(leafDer: Uint8Array, bundle: TrustBundle): ProvenLeaf | Refusal {
  const leaf = parseLeaf(leafDer)
  if (!leaf) return refuse('KOS_PKI_CERTIFICATE', 'encoding')
  const issuer = findIssuer(leaf, bundle)
  const failed = formProblem(leaf) ?? issuerProblem(leaf, issuer)
  if (failed !== undefined || !issuer) return refuse('KOS_PKI_CERTIFICATE', failed ?? 'issuer')
  const principal = readPrincipal(leaf, bundle)
  if (typeof principal === 'string') return refuse('KOS_PKI_CERTIFICATE', principal)
  const identity = readIdentity(leaf)
  if (!identity) return refuse('KOS_PKI_CERTIFICATE', 'extension')
  const { certificate } = issuer
  const root = bundle.rootP256Certificate
  return Object.freeze({
    peer: Object.freeze({
      principal,
      ...identity,
      tlsKeyHash: leaf.spkiSha256,
      serial: leaf.serialHex,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
    }),
    purposes: leaf.extendedKeyUsage ?? [],
    issuersNotBefore: unixMs(Math.max(certificate.notBefore, root.notBefore)),
    issuersNotAfter: unixMs(Math.min(certificate.notAfter, root.notAfter)),
  })
}

/**
 * The part of the verification that may change from one connection to the next: time, purpose, whom
 * the caller expects.
 *
 * @param proven - of the bundle that the check names
 */
export function judgeLeaf(proven: ProvenLeaf, check: PeerCheck): PeerCertificate | Refusal {
  const { peer, purposes } = proven
  const failed =
    timeProblem(proven, check) ??
    (purposes.includes(PURPOSES[check.purpose]) ? undefined : 'purpose') ??
    expectationProblem(peer.principal, check)
  return failed === undefined ? peer : refuse('KOS_PKI_CERTIFICATE', failed)
}

function parseLeaf(der: Uint8Array): X509Certificate | undefined {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}

function formProblem(leaf: X509Certificate): string | undefined {
  // RFC 5280 section 4.2: a critical extension that is not understood refuses the certificate.
  if (leaf.unhandledCritical.length > 0) return 'critical-extension'
  if (leaf.keyAlgorithm !== 'P-256') return 'key'
  if (leaf.basicConstraints?.ca === true) return 'ca'
  return leaf.keyUsage?.includes('digitalSignature') === true ? undefined : 'key-usage'
}

/**
 * The intermediate of a bundle that a leaf names as its issuer. Name and key id must both agree: two
 * intermediates of one name would be told apart by the key.
 *
 * **Security:** the signature is not looked at.
 */
export function findIssuer(
  leaf: X509Certificate,
  bundle: TrustBundle,
): TrustedIntermediate | undefined {
  return bundle.intermediates.find(
    ({ certificate }) =>
      equalBytes(certificate.subject.der, leaf.issuer.der) &&
      certificate.subjectKeyId !== undefined &&
      leaf.authorityKeyId !== undefined &&
      equalBytes(certificate.subjectKeyId, leaf.authorityKeyId),
  )
}

function issuerProblem(
  leaf: X509Certificate,
  issuer: TrustedIntermediate | undefined,
): string | undefined {
  if (!issuer) return 'issuer'
  return verifyCertificateSignature(leaf, issuer.key) ? undefined : 'signature'
}

// Grace stretches the whole path: the issuer may have ended while the leaf waited to be renewed.
function timeProblem(proven: ProvenLeaf, check: PeerCheck): string | undefined {
  const { nowMs, graceMs = 0 } = check
  const { notBefore, notAfter } = proven.peer
  if (nowMs < notBefore) return 'not-yet-valid'
  if (nowMs > notAfter + graceMs) return 'expired'
  const issuersHold = nowMs >= proven.issuersNotBefore && nowMs <= proven.issuersNotAfter + graceMs
  return issuersHold ? undefined : 'issuer-validity'
}

const PURPOSES = Object.freeze({
  client: KEY_PURPOSE.clientAuth,
  server: KEY_PURPOSE.serverAuth,
})

function expectationProblem(principal: Principal, { expect }: PeerCheck): string | undefined {
  if (!expect) return undefined
  const { kind = principal.kind, uri = principal.uri } = expect
  if (principal.kind !== kind) return 'kind'
  return principal.uri === uri ? undefined : 'principal'
}

/** The principal, or the rule that failed. */
function readPrincipal(leaf: X509Certificate, bundle: TrustBundle): Principal | string {
  const names = leaf.subjectAltNames
  // SPIFFE X.509-SVID section 2: exactly one URI.
  const uri = names?.uris.length === 1 ? names.uris[0] : undefined
  const principal = uri === undefined ? undefined : parsePrincipal(uri)
  if (!names || !principal) return 'uri-san'
  if (principal.trustDomain !== bundle.trustDomain) return 'trust-domain'
  // Host names belong to the authority; no peer may pass for a server of that name.
  const hosts = names.dnsNames.length + names.ipAddresses.length
  return hosts > 0 && principal.kind !== 'authority' ? 'names' : principal
}

function readIdentity(leaf: X509Certificate): DecodedLeafIdentity | undefined {
  const extension = leaf.extensions.find(({ oid }) => oid === KOS_IDENTITY_OID)
  if (!extension) return undefined
  try {
    return decodeLeafIdentity(extension.value)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}
