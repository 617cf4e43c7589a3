/** One TLS 1.3 listener and dialler per profile, and the channel they hand to the session. */
export type { ChannelClose, ChannelHandlers, SecureChannel } from './channel.ts'
