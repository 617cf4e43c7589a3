/** One TLS 1.3 listener and dialler per profile, and the channel they hand to the session. */
export { type Backoff, type BackoffLimits, createBackoff, DEFAULT_BACKOFF } from './backoff.ts'
export type { ChannelClose, ChannelHandlers, SecureChannel } from './channel.ts'
export {
  createDialler,
  type Dialler,
  type DiallerDependencies,
  type DiallerOptions,
  type DialTarget,
} from './dialler.ts'
export { transportErrors } from './errors.ts'
export type {
  CertificateIdentity,
  DiallerIdentity,
  ListenerIdentity,
  PskDirectory,
  PskIdentity,
} from './identity.ts'
export {
  createListener,
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type ListenAddress,
  type Listener,
  type ListenerDependencies,
  type ListenerOptions,
} from './listener.ts'
export type { VerifyPeer } from './secured-peer.ts'
export {
  ALPN_PROTOCOL,
  tlsClientOptions,
  type TlsListenerOptions,
  tlsServerOptions,
} from './tls-options.ts'
