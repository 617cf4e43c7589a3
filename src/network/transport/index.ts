/** One TLS 1.3 listener and dialler per profile, and the channel they hand to the session. */
export { createBackoff, DEFAULT_BACKOFF } from './backoff.ts'
export type { ChannelClose, ChannelHandlers, SecureChannel } from './channel.ts'
export { createDialler, type Dialler } from './dialler.ts'
export { transportErrors } from './errors.ts'
export {
  type CertificateIdentity,
  type DiallerIdentity,
  type ListenerIdentity,
  type PskDirectory,
  type PskIdentity,
} from './identity.ts'
export { createListener, DEFAULT_HANDSHAKE_TIMEOUT_MS, type Listener } from './listener.ts'
export { opensslProblem, type VerdictDisagreement, type VerifyPeer } from './secured-peer.ts'
export { tlsClientOptions, tlsServerOptions } from './tls-options.ts'
