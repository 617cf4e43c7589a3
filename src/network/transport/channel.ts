import type { Connected } from '../../foundation/pipeline/index.ts'

/** Who ended a channel, and a short safe word on why: an errno name or the reason given locally. */
export interface ChannelClose {
  readonly by: 'local' | 'peer' | 'network'
  readonly reason: string
}

/** What a session does with what a channel tells it; none of them may throw. */
export interface ChannelHandlers {
  /** Bytes as they arrive. The buffer belongs to the receiver until the call returns: copy to keep. */
  onData(bytes: Uint8Array): void
  /** The send buffer is empty again after {@link SecureChannel.write} returned false. */
  onDrain(): void
  /** The peer will send nothing more or the channel broke; called exactly once, the last call. */
  onClose(close: ChannelClose): void
}

/**
 * One encrypted connection after TLS: what the session needs and nothing of sockets. The transport
 * makes it once the handshake, the ALPN and the peer's certificate were checked.
 *
 * **Security:** TLS proves possession of the leaf's key only. Who the peer is stands in the leaf and
 * in AUTH; nothing may be acted on before the session verified both.
 */
export interface SecureChannel {
  /** The admitted connection: source address and port, listener profile, direction. */
  readonly connected: Connected
  /**
   * The peer's leaf as sent, DER; `undefined` on a pre-shared-key channel, and once it was forgotten.
   * Own copy.
   */
  readonly peerLeafDer: Uint8Array | undefined
  /** SHA-256 of the SPKI of the leaf this end used; `undefined` on a pre-shared-key channel. */
  readonly localLeafSpkiSha256: Uint8Array | undefined
  /** The pre-shared-key handle the dialler named; `undefined` on a certificate channel. */
  readonly pskHandle: string | undefined
  /** Bytes written since the channel exists, before encryption. */
  readonly bytesWritten: number
  /** Bytes accepted by {@link write} which the socket has not taken yet; 0 once it is closed. */
  readonly bufferedBytes: number
  readonly closed: boolean
  /**
   * Starts the flow of data. Nothing is read from the socket before; a channel that broke meanwhile
   * reports `onClose` right after.
   *
   * @param handlers - the one receiver
   * @throws {@link KosError} KOS_TRANSPORT_ATTACHED when the channel has a receiver already
   */
  attach(handlers: ChannelHandlers): void
  /**
   * Sends bytes. Join what one tick produces into one call. The bytes must not change afterwards.
   *
   * @returns false when the caller should wait for `onDrain`; the bytes are accepted all the same
   */
  write(bytes: Uint8Array): boolean
  /** Forgets the peer's leaf: who verified it keeps the facts, and there are many connections. */
  forgetLeaf(): void
  /** Stops reading from the socket: TCP then slows the peer. */
  pause(): void
  resume(): void
  /** Sends what is buffered, then closes orderly. */
  end(): void
  /**
   * Closes at once and drops what is buffered.
   *
   * @param reason - short and safe to log
   */
  destroy(reason: string): void
  /**
   * Keying material of the TLS session, equal at both ends.
   *
   * @param label - an exporter label of RFC 9266 or of the session protocol
   * @param context - bound into the result; may be empty
   * @param length - bytes wanted, 1 to 255
   * @see RFC 8446 section 7.5
   */
  exporter(label: string, context: Uint8Array, length: number): Uint8Array
}
