import {
  type Clock,
  type Principal,
  type Random,
  type UnixMs,
  toHex,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildName,
  type CertificateSigner,
  codecErrors,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  NAME_OID,
  spkiAlgorithm,
  subjectAltNamesExtension,
  type X509Certificate,
  type X509Extension,
  type X509Name,
} from '../../foundation/codec/index.ts'
import { BACKDATE_MS, keyIdentifier, newSerial } from './ca-certificates.ts'
import { pkiErrors } from './errors.ts'
import { encodeLeafIdentity, type LeafIdentity } from './leaf-identity.ts'

/** Which leaf is asked for. */
export interface LeafRequest {
  readonly principal: Principal
  /** SubjectPublicKeyInfo of the TLS key, P-256; possession must be proven before. */
  readonly tlsSpki: Uint8Array
  readonly identity: LeafIdentity
  /** `authority` for the authority's own servers, `peer` for everyone else. */
  readonly usage: 'peer' | 'authority'
  /** Life from now in milliseconds, 1 s to 366 days; the profile table says which. */
  readonly lifeMs: number
  /** Authority only. */
  readonly dnsNames?: readonly string[]
  /** Authority only. */
  readonly ipAddresses?: readonly string[]
  /** How far the start is backdated; 60 s by default, twice the clock skew that is allowed. */
  readonly notBeforeSkewMs?: number
}

/** An issued leaf. */
export interface IssuedLeaf {
  readonly der: Uint8Array
  readonly serialHex: string
  readonly notBefore: UnixMs
  readonly notAfter: UnixMs
}

/** The intermediate that issues. */
export interface LeafIssuer {
  readonly certificate: X509Certificate
  readonly signer: CertificateSigner
}

/** Certificates count whole seconds, so a shorter life would be none. */
const MIN_LIFE_MS = 1000
/** Above every profile and the operators' 30 days; a slip of units does not get through. */
const MAX_LIFE_MS = 366 * 86_400_000
const MAX_SKEW_MS = 86_400_000

/** The same in every leaf: not a CA, signs, both sides of TLS. */
const COMMON: readonly X509Extension[] = Object.freeze([
  basicConstraintsExtension({ ca: false }),
  keyUsageExtension(['digitalSignature']),
  extendedKeyUsageExtension([KEY_PURPOSE.clientAuth, KEY_PURPOSE.serverAuth]),
])

/**
 * Issues one leaf. The subject and every name come from the principal that the caller decided on;
 * nothing is taken from a certificate request but its key.
 *
 * @see CertificateAuthority.issueLeaf
 */
export function issueLeaf(
  deps: { readonly clock: Clock; readonly random: Random },
  issuer: LeafIssuer,
  request: LeafRequest,
): IssuedLeaf {
  checkRequest(request)
  const { certificate, signer } = issuer
  const { notBefore, notAfter } = validity(deps.clock.wallMs(), certificate, request)
  const serial = newSerial(deps.random)
  const { uri } = request.principal
  const { dnsNames = [], ipAddresses = [] } = request
  const der = buildCertificate(
    {
      serial,
      issuer: certificate.subject,
      subject: subjectOf(request.principal.id),
      notBefore,
      notAfter,
      spki: request.tlsSpki,
      extensions: [
        ...COMMON,
        subjectAltNamesExtension({ uris: [uri], dnsNames, ipAddresses }),
        authorityKeyIdExtension(certificate.subjectKeyId ?? keyIdentifier(certificate.spki)),
        encodeLeafIdentity(request.identity),
      ],
    },
    signer,
  )
  // A copy of its own: what was written lies in memory that much else shares.
  return Object.freeze({ der: new Uint8Array(der), serialHex: toHex(serial), notBefore, notAfter })
}

function checkRequest(request: LeafRequest): void {
  const { principal, usage, lifeMs, notBeforeSkewMs = BACKDATE_MS } = request
  const isAuthority = principal.kind === 'authority'
  // A path that serves peers can never mint an authority, and the other way round.
  if (isAuthority !== (usage === 'authority')) throw issueError('usage')
  const hosts = (request.dnsNames?.length ?? 0) + (request.ipAddresses?.length ?? 0)
  // Host names make a server of that name in the eyes of other software.
  if (hosts > 0 && !isAuthority) throw issueError('names')
  if (!(lifeMs >= MIN_LIFE_MS && lifeMs <= MAX_LIFE_MS)) throw issueError('life')
  if (!(notBeforeSkewMs >= 0 && notBeforeSkewMs <= MAX_SKEW_MS)) throw issueError('skew')
  if (!isP256(request.tlsSpki)) throw issueError('tls-key')
}

// profiles: leaves are P-256 in every profile that has certificates.
function isP256(spki: Uint8Array): boolean {
  try {
    return spkiAlgorithm(spki) === 'P-256'
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return false
  }
}

function validity(
  nowMs: UnixMs,
  issuer: X509Certificate,
  request: LeafRequest,
): { readonly notBefore: UnixMs; readonly notAfter: UnixMs } {
  const { lifeMs, notBeforeSkewMs = BACKDATE_MS } = request
  if (nowMs < issuer.notBefore || nowMs > issuer.notAfter) throw issueError('issuer-validity')
  // A leaf never outlives its issuer, nor precedes it. Certificates count whole seconds.
  const notBefore = Math.max(toSecond(nowMs - notBeforeSkewMs), issuer.notBefore)
  const notAfter = Math.min(toSecond(nowMs + lifeMs), issuer.notAfter)
  return { notBefore: unixMs(notBefore), notAfter: unixMs(notAfter) }
}

const toSecond = (ms: number): number => Math.floor(ms / 1000) * 1000

const PRINTABLE_ID = /^[A-Za-z0-9.-]+$/

/** The id as serialNumber; as commonName where `_` does not fit that attribute's PrintableString. */
function subjectOf(id: string): X509Name {
  const oid = PRINTABLE_ID.test(id) ? NAME_OID.serialNumber : NAME_OID.commonName
  return buildName([{ oid, value: id }])
}

function issueError(rule: string): Error {
  return pkiErrors.error('KOS_PKI_ISSUE', { rule })
}
