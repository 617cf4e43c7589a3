import { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { TransportRule } from '../../foundation/profiles/index.ts'
import { ALPN_PROTOCOL } from './tls-options.ts'

/**
 * The own check of a peer's leaf, beside OpenSSL's check of its chain: trust bundle, extended key
 * usage, name, kOS extension, locks. Both must agree. Must not throw.
 *
 * A verdict on the certificate itself has the code KOS_PKI_CERTIFICATE; other codes (locks, registry)
 * say that a good certificate is not welcome, of which OpenSSL knows nothing.
 *
 * @param leafDer - the leaf as sent
 * @param purpose - in which role the peer uses it
 * @returns `undefined` when the leaf is good
 */
export type VerifyPeer = (leafDer: Uint8Array, purpose: 'client' | 'server') => Refusal | undefined

/** OpenSSL accepted a certificate that the own check refuses, or the other way round: an alarm. */
export interface VerdictDisagreement {
  /** `ok`, or the name of OpenSSL's error. */
  readonly openssl: string
  /** `ok`, or the rule of the own check. */
  readonly own: string
  /** Address of the peer. */
  readonly source: string
  /** In which role the peer used the certificate. */
  readonly purpose: 'client' | 'server'
}

/** How a secured socket is to be judged. */
export interface PeerCheck {
  readonly transport: TransportRule
  /** The role of the peer. */
  readonly purpose: 'client' | 'server'
  readonly verifyPeer: VerifyPeer
  /** The anchors that OpenSSL had, PEM. */
  readonly trustedCaPem: readonly string[]
  readonly onDisagreement: (found: VerdictDisagreement) => void
}

/** The leaf that passed; `undefined` where the profile uses pre-shared keys. */
export interface SecuredPeer {
  readonly leafDer: Uint8Array | undefined
}

/**
 * Judges a socket right after its handshake. What TLS should have enforced is checked again, because
 * one wrong option is enough to reopen it.
 *
 * @returns the peer, or a refusal KOS_TRANSPORT_ALPN, _PARAMETERS, _NO_CERTIFICATE, _UNTRUSTED,
 * _VERDICT (both checks of the certificate disagree) or that of `verifyPeer`: then destroy the socket
 */
export function checkSecured(socket: TLSSocket, check: PeerCheck): SecuredPeer | Refusal {
  // RFC 7301 section 3.2 refuses a foreign protocol; a peer that offers none at all gets through TLS.
  if (socket.alpnProtocol !== ALPN_PROTOCOL) return refuse('KOS_TRANSPORT_ALPN', 'alpn')
  const wrong = wrongParameter(socket, check)
  if (wrong) return refuse('KOS_TRANSPORT_PARAMETERS', wrong)
  return check.transport.authentication === 'psk'
    ? { leafDer: undefined }
    : checkCertificate(socket, check)
}

function checkCertificate(socket: TLSSocket, check: PeerCheck): SecuredPeer | Refusal {
  // Only the leaf is read: building the whole chain (getPeerCertificate(true)) costs 2.5 times as much,
  // and other certificates of the presented chain prove nothing.
  const leafDer = socket.getPeerX509Certificate()?.raw
  if (!leafDer) return refuse('KOS_TRANSPORT_NO_CERTIFICATE', 'certificate')
  const own = check.verifyPeer(leafDer, check.purpose)
  const openssl = opensslVerdict(socket, leafDer, check.trustedCaPem)
  if (agree(openssl, own)) {
    if (openssl === OK) return own ?? { leafDer }
    return refuse(
      'KOS_TRANSPORT_UNTRUSTED',
      openssl === UNNAMED ? bothNames(openssl, own) : openssl,
    )
  }
  const { remoteAddress: source = '-' } = socket
  const { purpose } = check
  const found: VerdictDisagreement = { openssl, own: own?.rule ?? OK, source, purpose }
  check.onDisagreement(found)
  return refuse('KOS_TRANSPORT_VERDICT', bothNames(openssl, own))
}

function bothNames(openssl: string, own: Refusal | undefined): string {
  return `openssl: ${openssl}, own: ${own?.rule ?? OK}`
}

const OK = 'ok'
/** Node's name for errors of OpenSSL that it has no name for: critical extensions, constraints. */
const UNNAMED = 'UNSPECIFIED'
const OWN_CERTIFICATE_VERDICT = 'KOS_PKI_CERTIFICATE'
/** OpenSSL reads the machine's clock, the own check the proven time: here they may differ. */
const TIME_RULES: readonly string[] = ['not-yet-valid', 'expired', 'issuer-validity']

/** Whether both say the same of the certificate; a refusal for another reason says nothing of it. */
function agree(openssl: string, own: Refusal | undefined): boolean {
  if (openssl === AHEAD) return true
  if (openssl !== OK) return own !== undefined
  return own?.code !== OWN_CERTIFICATE_VERDICT || TIME_RULES.includes(own.rule)
}

/**
 * OpenSSL's verdict: chain to an anchor, signatures, validity, key usage, extended key usage,
 * basic and name constraints, security level.
 */
function opensslVerdict(
  socket: TLSSocket,
  leafDer: Uint8Array,
  trustedCaPem: readonly string[],
): string {
  if (socket.authorized) return OK
  const error = String(socket.authorizationError)
  if (error !== BEHIND && error !== AHEAD) return error
  return timelessProblem(leafDer, trustedCaPem) ?? (error === BEHIND ? OK : AHEAD)
}

/**
 * What OpenSSL has against the certificate of a peer, for connections that are no sessions. Time is not
 * judged: whoever asks has compared clocks, and checks it against the one that was proven.
 *
 * @param socket - secured, with these anchors, not resumed
 * @param leafDer - the leaf it presented
 * @param trustedCaPem - the anchors that OpenSSL had
 * @returns the name of OpenSSL's error, or `undefined`
 */
export function opensslProblem(
  socket: TLSSocket,
  leafDer: Uint8Array,
  trustedCaPem: readonly string[],
): string | undefined {
  const verdict = opensslVerdict(socket, leafDer, trustedCaPem)
  return verdict === OK || verdict === AHEAD ? undefined : verdict
}

/**
 * OpenSSL knows the machine's clock only. One that is behind (no battery) finds every certificate too
 * early, while the own check has a time that the authority proved. An error of time is the last that
 * OpenSSL reports and may hide another: issuer and signature are then looked at again, by OpenSSL.
 *
 * @see identity: First boot without a clock
 */
const BEHIND = 'CERT_NOT_YET_VALID'
const AHEAD = 'CERT_HAS_EXPIRED'

function timelessProblem(leafDer: Uint8Array, trustedCaPem: readonly string[]): string | undefined {
  const leaf = new X509Certificate(leafDer)
  const isIssued = trustedCaPem.some((pem) => {
    const ca = new X509Certificate(pem)
    return leaf.checkIssued(ca) && leaf.verify(ca.publicKey)
  })
  return isIssued ? undefined : 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
}

function wrongParameter(socket: TLSSocket, check: PeerCheck): string | undefined {
  const { transport, purpose } = check
  if (socket.getProtocol() !== 'TLSv1.3') return 'version'
  if (socket.getCipher().name !== transport.cipherSuite) return 'cipher-suite'
  // OpenSSL reports every external pre-shared key as a reused session.
  if (transport.authentication === 'certificate' && socket.isSessionReused()) return 'resumption'
  // Only the dialling end can see the group.
  return purpose === 'server' && !groupFits(socket, transport) ? 'group' : undefined
}

function groupFits(socket: TLSSocket, transport: TransportRule): boolean {
  const group = groupOf(socket)
  return transport.groups.some((allowed) => allowed === group)
}

const GROUP_NAMES: Readonly<Record<string, string>> = Object.freeze({ prime256v1: 'P-256' })

/** The group of a handshake as profiles spell it; for the dialling end only. */
export function groupOf(socket: TLSSocket): string {
  const info = socket.getEphemeralKeyInfo()
  const name = info && 'name' in info ? String(info.name) : ''
  return GROUP_NAMES[name] ?? name
}
