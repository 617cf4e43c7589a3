/** Two ends of a secured channel in memory, carried by the test. */
import { createHmac } from 'node:crypto'
import { type Connected, mintConnected } from '../../src/foundation/pipeline/index.ts'
import { type Profile, PROFILES } from '../../src/foundation/profiles/index.ts'
import type { ChannelClose, ChannelHandlers } from '../../src/network/transport/channel.ts'
import type { SecureChannel } from '../../src/network/transport/index.ts'

/** A channel whose socket a test plays. */
export class MemoryChannel implements SecureChannel {
  readonly connected: Connected
  peerLeafDer: Uint8Array | undefined
  readonly localLeafSpkiSha256: Uint8Array | undefined
  readonly pskHandle: undefined = undefined
  bytesWritten = 0
  /** When set, `write` accepts but asks to wait for `drain`. */
  isFull = false
  isPaused = false
  ended = false
  destroyedBy: string | undefined
  #handlers: ChannelHandlers | undefined
  #close: ChannelClose | undefined
  #waiting: Buffer[] = []

  constructor(facts: {
    readonly connected: Connected
    readonly peerLeafDer: Uint8Array | undefined
    readonly localLeafSpkiSha256: Uint8Array | undefined
  }) {
    this.connected = facts.connected
    this.peerLeafDer = facts.peerLeafDer
    this.localLeafSpkiSha256 = facts.localLeafSpkiSha256
  }

  get bufferedBytes(): number {
    return this.#waiting.reduce((sum, part) => sum + part.length, 0)
  }

  get closed(): boolean {
    return this.#close !== undefined
  }

  attach(handlers: ChannelHandlers): void {
    this.#handlers = handlers
  }

  write(bytes: Uint8Array): boolean {
    this.bytesWritten += bytes.length
    this.#waiting.push(Buffer.from(bytes))
    return !this.isFull
  }

  forgetLeaf(): void {
    this.peerLeafDer = undefined
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.ended = true
  }

  destroy(reason: string): void {
    this.destroyedBy ??= reason
    this.close({ by: 'local', reason })
  }

  exporter(label: string, context: Uint8Array, length: number): Uint8Array {
    return createHmac('sha512', 'tls').update(label).update(context).digest().subarray(0, length)
  }

  /** What was written since the last look. */
  takeWritten(): Buffer {
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = []
    return bytes
  }

  /** Bytes from the peer. */
  deliver(bytes: Uint8Array): void {
    if (!this.closed && bytes.length > 0) this.#handlers?.onData(bytes)
  }

  /** The socket took everything. */
  drain(): void {
    this.isFull = false
    this.#handlers?.onDrain()
  }

  /** The connection ends. */
  close(close: ChannelClose): void {
    if (this.#close) return
    this.#close = close
    this.#handlers?.onClose(close)
  }
}

/** The two ends of one connection. */
export interface ChannelPair {
  readonly dialler: MemoryChannel
  readonly listener: MemoryChannel
  /** Carries bytes both ways until nothing moves; lets promises and flushes of the ends run between. */
  pump(): Promise<void>
}

/**
 * Makes a connection.
 *
 * @param leaves - leaf bytes and SPKI hashes of both ends
 * @param transport - the profile of the listener
 */
export function channelPair(
  leaves: Readonly<
    Record<'dialler' | 'listener', { readonly leafDer: Uint8Array; readonly leafHash: Uint8Array }>
  >,
  transport: Profile = PROFILES['SEC-2'],
): ChannelPair {
  const end = (role: 'dialler' | 'listener'): MemoryChannel =>
    new MemoryChannel({
      connected: mintConnected({
        sourceAddress: '127.0.0.1',
        sourcePort: 7402,
        listener: transport,
        direction: role === 'dialler' ? 'outbound' : 'inbound',
      }),
      peerLeafDer: leaves[role === 'dialler' ? 'listener' : 'dialler'].leafDer,
      localLeafSpkiSha256: leaves[role].leafHash,
    })
  const dialler = end('dialler')
  const listener = end('listener')
  return {
    dialler,
    listener,
    async pump() {
      for (let quiet = 0; quiet < 3;) {
        await new Promise((resolve) => setImmediate(resolve))
        const out = dialler.takeWritten()
        const back = listener.takeWritten()
        listener.deliver(out)
        dialler.deliver(back)
        quiet = out.length + back.length > 0 ? 0 : quiet + 1
      }
    },
  }
}
