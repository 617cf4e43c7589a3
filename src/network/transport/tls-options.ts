import { constants, X509Certificate } from 'node:crypto'
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Profile, TransportRule } from '../../foundation/profiles/index.ts'
import { approvedGroups } from '../../trust/keys/index.ts'
import { transportErrors } from './errors.ts'
import {
  type CertificateIdentity,
  type DiallerIdentity,
  type ListenerIdentity,
  presentedChainPem,
} from './identity.ts'

/** The application protocol of every session. @see RFC 7301 */
export const ALPN_PROTOCOL = 'kos/1'

/** What a listener is built from. */
export interface TlsListenerOptions {
  readonly tls: TlsOptions
  /** The rule the options were made from. */
  readonly transport: TransportRule
  /** Which pre-shared-key handle a socket named. */
  pskHandleOf(socket: TLSSocket): string | undefined
}

/**
 * The TLS options of a listener: the one place where a profile becomes TLS. Use them for a new server
 * and again for every renewed certificate; never change one of them alone, because
 * `setSecureContext` falls back to defaults for what is missing.
 *
 * **Security:** `rejectUnauthorized` is off so that refusals can be recorded with their reason: whoever
 * uses these options must check each secured socket and destroy it.
 *
 * @param profile - of the listener
 * @param identity - certificate and key, or the pre-shared keys
 * @returns the options, or a refusal KOS_TRANSPORT_PROFILE (the profile has no sessions) or
 * KOS_TRANSPORT_CREDENTIALS (wrong kind of identity)
 */
export function tlsServerOptions(
  profile: Profile,
  identity: ListenerIdentity,
): TlsListenerOptions | Refusal {
  const transport = transportOf(profile, identity.kind)
  if (isRefusal(transport)) return transport
  const common: TlsOptions = { ...protocolOptions(transport), ALPNCallback: chooseProtocol }
  if (identity.kind === 'certificate') {
    return {
      tls: {
        ...common,
        ...certificateOptions(identity),
        requestCert: true,
        rejectUnauthorized: false,
      },
      transport,
      pskHandleOf: () => undefined,
    }
  }
  const handles = new WeakMap<TLSSocket, string>()
  const pskCallback = (socket: TLSSocket, handle: string): Buffer | null => {
    handles.set(socket, handle)
    return identity.keyOf(handle)?.use((bytes) => Buffer.from(bytes)) ?? null
  }
  return {
    tls: { ...common, pskCallback },
    transport,
    pskHandleOf: (socket) => handles.get(socket),
  }
}

/**
 * Of a list of protocols Node keeps a copy per connection, each in a slab of 64 KiB that it shares with
 * what is gone after the handshake. Without a result OpenSSL ends the handshake. @see RFC 7301 section 3.2
 */
function chooseProtocol({ protocols }: { readonly protocols: string[] }): string | undefined {
  return protocols.includes(ALPN_PROTOCOL) ? ALPN_PROTOCOL : undefined
}

/**
 * The TLS options of a dialler, with a secure context to share between its connections: building one
 * per connection costs a third of a handshake.
 *
 * **Security:** as for {@link tlsServerOptions}. No server name is sent and none is checked: a peer is
 * who its leaf and its AUTH prove, wherever it was reached.
 *
 * @param profile - of the listener to be dialled
 * @param identity - own certificate and key, or the own pre-shared key
 * @returns the options, or a refusal KOS_TRANSPORT_PROFILE or KOS_TRANSPORT_CREDENTIALS
 * @throws {@link KosError} KOS_TRANSPORT_IDENTITY when certificate and key cannot be used
 */
export function tlsClientOptions(
  profile: Profile,
  identity: DiallerIdentity,
): ConnectionOptions | Refusal {
  const transport = transportOf(profile, identity.kind)
  if (isRefusal(transport)) return transport
  const common: ConnectionOptions = {
    ALPNProtocols: [ALPN_PROTOCOL],
    rejectUnauthorized: false,
    servername: '',
    checkServerIdentity: () => undefined,
  }
  if (identity.kind === 'certificate') {
    const context = { ...protocolOptions(transport), ...certificateOptions(identity) }
    return { ...common, secureContext: usable(() => createSecureContext(context)) }
  }
  const pskCallback: ConnectionOptions['pskCallback'] = () => ({
    identity: identity.handle,
    psk: identity.key.use((bytes) => Buffer.from(bytes)),
  })
  return { ...common, ...protocolOptions(transport), pskCallback }
}

/**
 * Runs what gives certificate and key to OpenSSL.
 *
 * @throws {@link KosError} KOS_TRANSPORT_IDENTITY in place of OpenSSL's error
 */
export function usable<T>(build: () => T): T {
  try {
    return build()
  } catch (cause) {
    throw transportErrors.error('KOS_TRANSPORT_IDENTITY', {}, cause)
  }
}

/**
 * The transport rule of a profile for a kind of identity.
 *
 * @returns the rule, or a refusal KOS_TRANSPORT_PROFILE or KOS_TRANSPORT_CREDENTIALS
 */
export function transportOf(
  profile: Profile,
  kind: 'certificate' | 'psk',
): TransportRule | Refusal {
  const { transport, name } = profile
  if (!transport)
    return refuse('KOS_TRANSPORT_PROFILE', 'transport', { details: { profile: name } })
  if (transport.authentication === kind) return transport
  return refuse('KOS_TRANSPORT_CREDENTIALS', 'authentication', { details: { profile: name } })
}

/** Version, suite, groups and signature algorithms: nothing else is offered or accepted. */
function protocolOptions(transport: TransportRule): SecureContextOptions {
  return {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: transport.cipherSuite,
    ecdhCurve: approvedGroups(transport.groups).join(':'),
    sigalgs: transport.signatureAlgorithms.join(':'),
    // A resumed session bypasses revocation, pins and even a removed CA. Node still sends two ticket
    // messages, but nothing can be resumed from them.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
}

function certificateOptions(identity: CertificateIdentity): SecureContextOptions {
  requireAnchored(identity.trustedCaPem)
  return {
    cert: usable(() => presentedChainPem(identity.certificateChainPem)),
    key: identity.privateKeyPem.use((bytes) => Buffer.from(bytes)),
    ca: [...identity.trustedCaPem],
    // The intermediates of the trust bundle are anchors: OpenSSL then verifies the leaf by one of them
    // and not, at every connection, the intermediate by the root. That was done once, above.
    allowPartialTrustChain: true,
  }
}

/**
 * OpenSSL verifies every anchor that is no root by a root among them.
 *
 * @throws {@link KosError} KOS_TRANSPORT_IDENTITY when one does not verify
 */
function requireAnchored(trustedCaPem: readonly string[]): void {
  usable(() => {
    const all = trustedCaPem.map((pem) => new X509Certificate(pem))
    const roots = all.filter((ca) => ca.checkIssued(ca))
    const isAnchored = (ca: X509Certificate): boolean =>
      roots.some((root) => ca.checkIssued(root) && ca.verify(root.publicKey))
    if (!all.every((ca) => isAnchored(ca))) throw new Error('an anchor leads to no root')
  })
}
