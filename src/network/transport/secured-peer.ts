import type { TLSSocket } from 'node:tls'
import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { TransportRule } from '../../foundation/profiles/index.ts'
import { ALPN_PROTOCOL } from './tls-options.ts'

/**
 * The own check of a peer's leaf, beside OpenSSL's check of its chain: trust bundle, extended key
 * usage, name, kOS extension, locks. Both must agree. Must not throw.
 *
 * @param leafDer - the leaf as sent
 * @param purpose - in which role the peer uses it
 * @returns `undefined` when the leaf is good
 */
export type VerifyPeer = (leafDer: Uint8Array, purpose: 'client' | 'server') => Refusal | undefined

/** How a secured socket is to be judged. */
export interface PeerCheck {
  readonly transport: TransportRule
  /** The role of the peer. */
  readonly purpose: 'client' | 'server'
  readonly verifyPeer: VerifyPeer
}

/** The leaf that passed; `undefined` where the profile uses pre-shared keys. */
export interface SecuredPeer {
  readonly leafDer: Uint8Array | undefined
}

/**
 * Judges a socket right after its handshake. What TLS should have enforced is checked again, because
 * one wrong option is enough to reopen it.
 *
 * @returns the peer, or a refusal KOS_TRANSPORT_ALPN, _PARAMETERS, _NO_CERTIFICATE, _UNTRUSTED or that
 * of `verifyPeer`: then destroy the socket
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
  const openssl = socket.authorized ? '' : String(socket.authorizationError)
  if (openssl !== '' && openssl !== BEHIND) return refuse('KOS_TRANSPORT_UNTRUSTED', openssl)
  return check.verifyPeer(leafDer, check.purpose) ?? { leafDer }
}

/**
 * OpenSSL knows the machine's clock only. One that is behind (no battery) finds every certificate too
 * early, while the own check has a time that the authority proved and looks at the whole path itself.
 *
 * @see identity: First boot without a clock
 */
const BEHIND = 'CERT_NOT_YET_VALID'

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
