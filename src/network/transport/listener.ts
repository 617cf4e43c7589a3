import { generateKeySync } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import {
  type CancelTimer,
  type Clock,
  isRefusal,
  type KosErrorCode,
  type Log,
  refuse,
  type Refusal,
  Secret,
} from '../../foundation/base/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { Admission, AdmissionFailure, AdmissionTicket } from '../admission/index.ts'
import type { SecureChannel } from './channel.ts'
import { transportErrors } from './errors.ts'
import { leafSpkiSha256, type ListenerIdentity, type PskIdentity } from './identity.ts'
import {
  checkSecured,
  type SecuredPeer,
  type VerdictDisagreement,
  type VerifyPeer,
} from './secured-peer.ts'
import { selfTestTls } from './self-check.ts'
import { errorName, TlsChannel } from './tls-channel.ts'
import { type TlsListenerOptions, tlsServerOptions, usable } from './tls-options.ts'

/** What a listener needs from outside. */
export interface ListenerDependencies {
  /** The one gate of the process. */
  readonly admission: Admission
  readonly clock: Clock
  readonly log: Log
  readonly verifyPeer: VerifyPeer
  /** Told of every certificate about which OpenSSL and `verifyPeer` disagree; it is refused. */
  readonly onDisagreement?: (found: VerdictDisagreement) => void
}

/** How a listener is set up. */
export interface ListenerOptions {
  /** An address of this machine. */
  readonly host: string
  /** 0 lets the operating system choose. */
  readonly port: number
  readonly profile: Profile
  /** The identity in force; asked at the start and at every {@link Listener.updateIdentity}. */
  identity(): ListenerIdentity
  /**
   * Takes over a secured connection. Tell the ticket `ready` before READY is sent, and `failed` when
   * authentication fails; the listener tells it `closed`.
   */
  onChannel(channel: SecureChannel, ticket: AdmissionTicket): void
  /** From TCP accept to TLS done; {@link DEFAULT_HANDSHAKE_TIMEOUT_MS}. */
  readonly handshakeTimeoutMs?: number
}

/** Where a listener listens. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** One TLS listener of one profile. */
export interface Listener {
  readonly profile: Profile
  /** `undefined` until it listens. */
  readonly address: ListenAddress | undefined
  /**
   * Shakes hands with its own TLS server, past the gate and without a socket: version, suite, group and
   * key work as the profile says, and weaker clients are refused, one weakness at a time. Ask before
   * {@link listen}. A listener of pre-shared keys knows one more key meanwhile, made for the test.
   *
   * @returns `undefined`, or a refusal KOS_TRANSPORT_SELF_TEST whose rule names what is wrong: then do
   * not serve
   */
  selfTest(): Promise<Refusal | undefined>
  /** Binds and serves. @returns the address, or a refusal KOS_TRANSPORT_BIND with the errno as rule */
  listen(): Promise<ListenAddress | Refusal>
  /**
   * Takes the identity in force into use for new connections; open ones keep theirs.
   *
   * @throws {@link KosError} KOS_TRANSPORT_IDENTITY or KOS_TRANSPORT_CREDENTIALS when it cannot be
   * used; the old identity then stays
   */
  updateIdentity(): void
  /** Stops accepting and ends half-open connections; channels stay open. */
  drain(): void
  /** Drains, ends every channel, and waits until all are gone. */
  close(): Promise<void>
}

/** TCP accept → TLS done. @see protocol: Limits */
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 3000

/**
 * Makes a listener. It does not listen yet: self-test it first.
 *
 * **Security:** a channel it hands out has passed the gate, TLS as the profile demands, OpenSSL's check
 * of the chain and `verifyPeer`. AUTH is still to come.
 *
 * @param deps - the process's gate, clock, log, check of leaves
 * @param options - address, profile, identity, receiver of channels
 * @returns the listener, or a refusal KOS_TRANSPORT_PROFILE or KOS_TRANSPORT_CREDENTIALS
 * @throws {@link KosError} KOS_TRANSPORT_IDENTITY when certificate and key cannot be used
 */
export function createListener(
  deps: ListenerDependencies,
  options: ListenerOptions,
): Listener | Refusal {
  const probe = createPskProbe()
  const probed = { ...options, identity: () => probe.admitted(options.identity()) }
  const context = contextOf(probed)
  return isRefusal(context) ? context : new TlsListener(deps, probed, { context, probe })
}

/** One identity in use: the options made of it, and its leaf. */
interface TlsContext extends TlsListenerOptions {
  readonly trustedCaPem: readonly string[]
  readonly leafSpkiSha256: Uint8Array | undefined
}

function contextOf(options: ListenerOptions): TlsContext | Refusal {
  const identity = options.identity()
  const tlsOptions = tlsServerOptions(options.profile, identity)
  if (isRefusal(tlsOptions)) return tlsOptions
  const trustedCaPem = identity.kind === 'psk' ? [] : identity.trustedCaPem
  return { ...tlsOptions, trustedCaPem, leafSpkiSha256: leafSpkiSha256(identity) }
}

/**
 * A pre-shared key that exists while a listener tests itself: the keys of its devices are not for that.
 */
interface PskProbe {
  readonly identity: PskIdentity
  /** An identity that knows the probe's key as well while the test runs. */
  admitted(identity: ListenerIdentity): ListenerIdentity
  during<T>(test: () => Promise<T>): Promise<T>
}

function createPskProbe(): PskProbe {
  const random = (): Buffer => Buffer.from(generateKeySync('hmac', { length: 256 }).export())
  const identity: PskIdentity = {
    kind: 'psk',
    handle: `self-test-${random().toString('hex')}`,
    key: Secret.take(random()),
  }
  let isOpen = false
  return {
    identity,
    admitted: (own) =>
      own.kind === 'certificate'
        ? own
        : {
            kind: 'psk',
            keyOf: (handle) =>
              isOpen && handle === identity.handle ? identity.key : own.keyOf(handle),
          },
    during: async (test) => {
      isOpen = true
      try {
        return await test()
      } finally {
        isOpen = false
      }
    },
  }
}

/** An admitted socket from accept to TLS done. */
interface Pending {
  readonly raw: Socket
  readonly ticket: AdmissionTicket
  /** The context its handshake started with: it may be renewed meanwhile. */
  readonly context: TlsContext
  readonly key: string
  readonly cancelDeadline: CancelTimer
}

/** An admitted socket as long as it is open. */
interface Held {
  readonly ticket: AdmissionTicket
  /** Gone when TLS is done. */
  pending: Pending | undefined
  channel: SecureChannel | undefined
}

class TlsListener implements Listener {
  readonly profile: Profile
  readonly #deps: ListenerDependencies
  readonly #options: ListenerOptions
  readonly #gate: Server
  readonly #tls: TlsServer
  readonly #pending = new Map<string, Pending>()
  readonly #sockets = new Map<Socket, Held>()
  readonly #gone = Promise.withResolvers<undefined>()
  readonly #probe: PskProbe
  #context: TlsContext
  #address: ListenAddress | undefined
  #draining = false

  constructor(
    deps: ListenerDependencies,
    options: ListenerOptions,
    start: { readonly context: TlsContext; readonly probe: PskProbe },
  ) {
    const { context } = start
    this.profile = options.profile
    this.#probe = start.probe
    this.#deps = deps
    this.#options = options
    this.#context = context
    this.#tls = usable(() => createTlsServer(context.tls))
    wipeKey(context)
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
    this.#tls.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket))
    // Without no-delay at this end the first answer of every connection waits for a delayed ACK.
    this.#gate = createServer({ noDelay: true }, (socket) => this.#accept(socket))
  }

  get address(): ListenAddress | undefined {
    return this.#address
  }

  selfTest(): Promise<Refusal | undefined> {
    const accept = (stream: Duplex): void => {
      this.#tls.emit('connection', stream)
    }
    const { profile } = this
    const own = this.#options.identity()
    const identity = own.kind === 'psk' ? this.#probe.identity : own
    return this.#probe.during(() => selfTestTls(accept, this.#deps.clock, { profile, identity }))
  }

  listen(): Promise<ListenAddress | Refusal> {
    if (this.#draining || this.#address) throw transportErrors.error('KOS_TRANSPORT_CLOSED')
    const { host, port } = this.#options
    const { promise, resolve } = Promise.withResolvers<ListenAddress | Refusal>()
    const failed = (error: Error): void =>
      resolve(refuse('KOS_TRANSPORT_BIND', errorName(error), { details: { host, port } }))
    this.#gate.once('error', failed)
    this.#gate.listen({ host, port }, () => {
      this.#gate.off('error', failed)
      // Accepting can fail later, for example when file descriptors run out; serving goes on.
      this.#gate.on('error', (error) => this.#event('accept-failed', { error: errorName(error) }))
      const bound = this.#gate.address()
      this.#address = { host, port: typeof bound === 'object' && bound ? bound.port : port }
      resolve(this.#address)
    })
    return promise
  }

  updateIdentity(): void {
    const context = contextOf(this.#options)
    if (isRefusal(context)) throw transportErrors.error('KOS_TRANSPORT_CREDENTIALS')
    usable(() => this.#tls.setSecureContext(context.tls))
    wipeKey(context)
    this.#context = context
  }

  drain(): void {
    if (this.#draining) return
    this.#draining = true
    if (this.#address) this.#gate.close(() => this.#gone.resolve(undefined))
    else this.#gone.resolve(undefined)
    for (const pending of this.#pending.values()) pending.raw.destroy()
  }

  async close(): Promise<void> {
    this.drain()
    for (const [socket, { channel }] of this.#sockets) {
      channel?.destroy('listener-closed')
      socket.destroy()
    }
    await this.#gone.promise
  }

  #accept(raw: Socket): void {
    // A reset can arrive at any moment, and an unhandled one would end the process.
    raw.on('error', ignore)
    const { remoteAddress: address, remotePort: port = 0 } = raw
    const ticket = this.#deps.admission.admit({ address, port, listener: this.profile })
    if (isRefusal(ticket)) {
      // A reset leaves no state behind at this end; the gate has counted the refusal.
      raw.resetAndDestroy()
      return
    }
    const pending = this.#await(raw, ticket)
    this.#pending.set(pending.key, pending)
    this.#hold(raw, { ticket, pending, channel: undefined })
    this.#tls.emit('connection', raw)
  }

  #await(raw: Socket, ticket: AdmissionTicket): Pending {
    const { handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = this.#options
    const cancelDeadline = this.#deps.clock.after(handshakeTimeoutMs, () =>
      this.#refuse(pending, 'timeout', refuse('KOS_TRANSPORT_TIMEOUT', 'handshake-timeout')),
    )
    const key = endpointKey(raw)
    const pending: Pending = { raw, ticket, context: this.#context, key, cancelDeadline }
    return pending
  }

  /** Its listener lives as long as the socket, so it knows of nothing else. */
  #hold(raw: Socket, held: Held): void {
    this.#sockets.set(raw, held)
    raw.on('close', () => this.#closed(raw))
  }

  #closed(raw: Socket): void {
    const held = this.#sockets.get(raw)
    this.#sockets.delete(raw)
    if (held?.pending) this.#end(held.pending)
    held?.ticket.closed()
  }

  /** The handshake is over, whichever way. */
  #end(pending: Pending): void {
    const { key, cancelDeadline } = pending
    cancelDeadline()
    // The same endpoints may belong to a later connection by now.
    if (this.#pending.get(key) === pending) this.#pending.delete(key)
  }

  #secured(socket: TLSSocket): void {
    const pending = this.#take(socket)
    if (!pending) {
      // A self-test, or a connection that ended in this very moment.
      socket.on('error', ignore).destroy()
      return
    }
    const peer = this.#check(socket, pending.context)
    if (isRefusal(peer)) {
      socket.on('error', ignore)
      this.#refuse(pending, 'authentication', peer)
      return
    }
    const { raw, ticket, context } = pending
    this.#end(pending)
    const channel = new TlsChannel(socket, {
      connected: ticket.connected,
      peerLeafDer: peer.leafDer,
      localLeafSpkiSha256: context.leafSpkiSha256,
      pskHandle: context.pskHandleOf(socket),
    })
    const held = this.#sockets.get(raw)
    if (held) {
      held.pending = undefined
      held.channel = channel
    }
    ticket.secured()
    this.#options.onChannel(channel, ticket)
  }

  #check(socket: TLSSocket, context: TlsContext): SecuredPeer | Refusal {
    const { verifyPeer, onDisagreement = ignore } = this.#deps
    const { transport, trustedCaPem } = context
    const purpose = 'client'
    return checkSecured(socket, { transport, purpose, verifyPeer, trustedCaPem, onDisagreement })
  }

  #handshakeFailed(error: Error, socket: TLSSocket): void {
    const pending = this.#take(socket)
    if (pending) {
      this.#refuse(pending, 'handshake', refuse('KOS_TRANSPORT_HANDSHAKE', errorName(error)))
    }
    // TLS servers leave the socket of a failed handshake open.
    socket.destroy()
  }

  /** Finds the admitted socket below a TLS socket: both name the same endpoints. */
  #take(socket: TLSSocket): Pending | undefined {
    const key = endpointKey(socket)
    const pending = this.#pending.get(key)
    this.#pending.delete(key)
    return pending
  }

  #refuse(pending: Pending, kind: AdmissionFailure, refusal: Refusal): void {
    pending.ticket.failed(kind, refusal.code)
    // One event per connection is for debugging only: the gate records refusals in bounded number.
    this.#event('refused', {
      source: pending.ticket.connected.connection.sourceAddress,
      code: refusal.code,
      rule: refusal.rule,
    })
    pending.raw.destroy()
  }

  #event(
    name: 'accept-failed' | 'refused',
    fields: { readonly source?: string; code?: KosErrorCode; rule?: string; error?: string },
  ): void {
    const level = name === 'refused' ? 'debug' : 'warn'
    this.#deps.log.event(`transport.${name}`, { ...fields, profile: this.profile.name }, level)
  }
}

function endpointKey(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`
}

/** OpenSSL has its own copy; ours is not needed again. */
function wipeKey(context: TlsContext): void {
  const { key } = context.tls
  if (Buffer.isBuffer(key)) key.fill(0)
}

function ignore(): void {
  // Nothing to do.
}
