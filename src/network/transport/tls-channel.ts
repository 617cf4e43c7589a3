import type { TLSSocket } from 'node:tls'
import type { Connected } from '../../foundation/pipeline/index.ts'
import type { ChannelClose, ChannelHandlers, SecureChannel } from './channel.ts'
import { transportErrors } from './errors.ts'

/** What was learnt of a socket before it becomes a channel. */
export interface ChannelFacts {
  readonly connected: Connected
  readonly peerLeafDer: Uint8Array | undefined
  readonly localLeafSpkiSha256: Uint8Array | undefined
  readonly pskHandle: string | undefined
}

/** A {@link SecureChannel} over a secured TLS socket. */
export class TlsChannel implements SecureChannel {
  readonly connected: Connected
  readonly localLeafSpkiSha256: Uint8Array | undefined
  readonly pskHandle: string | undefined
  #peerLeafDer: Uint8Array | undefined
  readonly #socket: TLSSocket
  #bytesWritten = 0
  #handlers: ChannelHandlers | undefined
  #localReason: string | undefined
  #close: ChannelClose | undefined

  constructor(socket: TLSSocket, facts: ChannelFacts) {
    this.#socket = socket
    this.connected = facts.connected
    this.#peerLeafDer = facts.peerLeafDer
    this.localLeafSpkiSha256 = facts.localLeafSpkiSha256
    this.pskHandle = facts.pskHandle
    socket.on('error', (error: Error) => this.#closed('network', errorName(error)))
    // A session needs both directions. Waiting for ours to drain would let a peer that reads no more
    // hold our buffers, so the rest is dropped.
    socket.on('end', () => {
      this.#closed('peer', 'ended')
      socket.destroy()
    })
    socket.on('close', () => this.#closed('peer', 'closed'))
  }

  get peerLeafDer(): Uint8Array | undefined {
    return this.#peerLeafDer
  }

  get bytesWritten(): number {
    return this.#bytesWritten
  }

  get bufferedBytes(): number {
    // What a closed socket still holds is dropped: nobody needs to wait for it.
    return this.closed ? 0 : this.#socket.writableLength
  }

  get closed(): boolean {
    return this.#close !== undefined || this.#socket.destroyed
  }

  attach(handlers: ChannelHandlers): void {
    if (this.#handlers) throw transportErrors.error('KOS_TRANSPORT_ATTACHED')
    this.#handlers = handlers
    const close = this.#close
    if (close) {
      queueMicrotask(() => handlers.onClose(close))
      return
    }
    this.#socket.on('drain', () => {
      if (!this.closed) handlers.onDrain()
    })
    this.#socket.on('data', (bytes: Buffer) => {
      if (!this.closed) handlers.onData(bytes)
    })
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed) return true
    this.#bytesWritten += bytes.length
    return this.#socket.write(bytes)
  }

  forgetLeaf(): void {
    this.#peerLeafDer = undefined
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#localReason ??= 'ended'
    this.#socket.end()
  }

  destroy(reason: string): void {
    this.#localReason ??= reason
    this.#socket.destroy()
  }

  exporter(label: string, context: Uint8Array, length: number): Uint8Array {
    if (this.#socket.destroyed) throw transportErrors.error('KOS_TRANSPORT_CLOSED')
    return this.#socket.exportKeyingMaterial(length, label, Buffer.from(context))
  }

  #closed(by: ChannelClose['by'], reason: string): void {
    if (this.#close) return
    const local = this.#localReason
    this.#close = Object.freeze(
      local === undefined ? { by, reason } : { by: 'local' as const, reason: local },
    )
    this.#handlers?.onClose(this.#close)
  }
}

/** The short name of a socket error, `ECONNRESET` or `ERR_SSL_…`: safe to log, unlike its text. */
export function errorName(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
