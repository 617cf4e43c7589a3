import type { TcpNetConnectOpts } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { type Clock, isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Connected } from '../../foundation/pipeline/index.ts'
import type { Profile, TransportRule } from '../../foundation/profiles/index.ts'
import type { Admission } from '../admission/index.ts'
import type { SecureChannel } from './channel.ts'
import { transportErrors } from './errors.ts'
import { type DiallerIdentity, leafSpkiSha256 } from './identity.ts'
import { checkSecured, type VerdictDisagreement, type VerifyPeer } from './secured-peer.ts'
import { errorName, TlsChannel } from './tls-channel.ts'
import { tlsClientOptions, transportOf } from './tls-options.ts'

/** What a dialler needs from outside. */
export interface DiallerDependencies {
  readonly admission: Admission
  readonly clock: Clock
  readonly verifyPeer: VerifyPeer
  /** Told of every certificate about which OpenSSL and `verifyPeer` disagree; it is refused. */
  readonly onDisagreement?: (found: VerdictDisagreement) => void
}

/** How a dialler is set up. */
export interface DiallerOptions {
  /** Of the listeners it dials. */
  readonly profile: Profile
  /** The identity in force; asked at the start and at every {@link Dialler.updateIdentity}. */
  identity(): DiallerIdentity
}

/** One connection attempt. */
export interface DialTarget {
  /** Name or address; it is where to go, not whom to trust. */
  readonly host: string
  readonly port: number
  /** From here to TLS done, name look-up included. */
  readonly timeoutMs: number
  /** Gives up early. */
  readonly signal?: AbortSignal
  /** The own address to connect from. */
  readonly localAddress?: string
}

/** Connects to listeners of one profile with one identity. */
export interface Dialler {
  /**
   * Connects. A listener that refuses our certificate does so after TLS is done at this end: only
   * READY says that the other side agrees.
   *
   * @returns the channel, or a refusal KOS_TRANSPORT_UNREACHABLE (errno as rule), _TIMEOUT,
   * _CANCELLED, _HANDSHAKE, _ALPN, _PARAMETERS, _NO_CERTIFICATE, _UNTRUSTED, _VERDICT,
   * KOS_ADMISSION_BLOCKED, or that of `verifyPeer`
   */
  dial(target: DialTarget): Promise<SecureChannel | Refusal>
  /**
   * Takes the identity in force into use for new connections.
   *
   * @throws {@link KosError} KOS_TRANSPORT_IDENTITY or KOS_TRANSPORT_CREDENTIALS when it cannot be
   * used; the old identity then stays
   */
  updateIdentity(): void
}

/**
 * Makes a dialler.
 *
 * **Security:** a channel it hands out leads to a peer whose leaf passed OpenSSL and `verifyPeer`, not
 * yet to the peer that was meant: the session compares the identity.
 *
 * @param deps - the process's gate, clock, check of leaves
 * @param options - profile and identity
 * @returns the dialler, or a refusal KOS_TRANSPORT_PROFILE or KOS_TRANSPORT_CREDENTIALS
 * @throws {@link KosError} KOS_TRANSPORT_IDENTITY when certificate and key cannot be used
 */
export function createDialler(
  deps: DiallerDependencies,
  options: DiallerOptions,
): Dialler | Refusal {
  const first = contextOf(options)
  if (isRefusal(first)) return first
  let context = first
  return {
    dial: (target) => new Dial(deps, context, target).run(),
    updateIdentity: () => {
      const next = contextOf(options)
      if (isRefusal(next)) throw transportErrors.error('KOS_TRANSPORT_CREDENTIALS')
      context = next
    },
  }
}

/** One identity in use, with the secure context that its connections share. */
interface DialContext {
  readonly tls: ConnectionOptions
  readonly profile: Profile
  readonly transport: TransportRule
  readonly trustedCaPem: readonly string[]
  readonly leafSpkiSha256: Uint8Array | undefined
  readonly pskHandle: string | undefined
}

function contextOf(options: DiallerOptions): DialContext | Refusal {
  const { profile } = options
  const own = options.identity()
  const transport = transportOf(profile, own.kind)
  if (isRefusal(transport)) return transport
  const tls = tlsClientOptions(profile, own)
  if (isRefusal(tls)) return tls
  const pskHandle = own.kind === 'psk' ? own.handle : undefined
  const trustedCaPem = own.kind === 'psk' ? [] : own.trustedCaPem
  return { tls, profile, transport, trustedCaPem, leafSpkiSha256: leafSpkiSha256(own), pskHandle }
}

/** One attempt: it settles once, and a refusal leaves no socket behind. */
class Dial {
  readonly #deps: DiallerDependencies
  readonly #context: DialContext
  readonly #target: DialTarget
  readonly #result = Promise.withResolvers<SecureChannel | Refusal>()
  #socket: TLSSocket | undefined
  #settled = false
  #cleanUp: () => void = nothing

  constructor(deps: DiallerDependencies, context: DialContext, target: DialTarget) {
    this.#deps = deps
    this.#context = context
    this.#target = target
  }

  run(): Promise<SecureChannel | Refusal> {
    const { timeoutMs, signal } = this.#target
    const cancelled = (): void => this.#settle(refuse('KOS_TRANSPORT_CANCELLED', 'signal'))
    if (signal?.aborted) {
      cancelled()
      return this.#result.promise
    }
    const cancelTimer = this.#deps.clock.after(timeoutMs, () =>
      this.#settle(refuse('KOS_TRANSPORT_TIMEOUT', 'dial-timeout')),
    )
    signal?.addEventListener('abort', cancelled)
    this.#cleanUp = () => {
      cancelTimer()
      signal?.removeEventListener('abort', cancelled)
    }
    this.#connect()
    return this.#result.promise
  }

  #connect(): void {
    const { host, port, localAddress } = this.#target
    const options: ConnectionOptions & Pick<TcpNetConnectOpts, 'localAddress' | 'noDelay'> = {
      ...this.#context.tls,
      host,
      port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
    }
    const socket = connectTls(options)
    this.#socket = socket
    skipNameCheck(socket)
    let isConnected = false
    // Before the listener that starts the handshake: a blocked address gets no byte.
    socket.prependOnceListener('connect', () => {
      isConnected = true
      this.#connected(socket)
    })
    const failed = (reason: string): void => {
      const code = isConnected ? 'KOS_TRANSPORT_HANDSHAKE' : 'KOS_TRANSPORT_UNREACHABLE'
      this.#settle(refuse(code, reason))
    }
    socket.on('error', (error) => failed(errorName(error)))
    socket.once('close', () => failed('closed'))
  }

  #connected(socket: TLSSocket): void {
    const connected = this.#deps.admission.dialled({
      address: socket.remoteAddress,
      port: this.#target.port,
      listener: this.#context.profile,
    })
    if (isRefusal(connected)) this.#settle(connected)
    else socket.once('secureConnect', () => this.#secured(socket, connected))
  }

  #secured(socket: TLSSocket, connected: Connected): void {
    const {
      transport,
      trustedCaPem,
      leafSpkiSha256: localLeafSpkiSha256,
      pskHandle,
    } = this.#context
    const { verifyPeer, onDisagreement = nothing } = this.#deps
    const purpose = 'server'
    const check = { transport, purpose, verifyPeer, trustedCaPem, onDisagreement } as const
    const peer = checkSecured(socket, check)
    this.#settle(
      isRefusal(peer)
        ? peer
        : new TlsChannel(socket, {
            connected,
            peerLeafDer: peer.leafDer,
            localLeafSpkiSha256,
            pskHandle,
          }),
    )
  }

  #settle(result: SecureChannel | Refusal): void {
    if (this.#settled) return
    this.#settled = true
    this.#cleanUp()
    if (isRefusal(result)) this.#socket?.destroy()
    this.#result.resolve(result)
  }
}

/**
 * Node builds the peer's whole chain as objects for a host-name check that kOS does not use: a sixth of
 * the cost of a connection, both ends taken together.
 */
function skipNameCheck(socket: TLSSocket): void {
  Object.defineProperty(socket, 'getPeerCertificate', { value: () => ({}) })
}

function nothing(): void {
  // Nothing to do.
}
