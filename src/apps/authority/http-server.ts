import { constants } from 'node:crypto'
import {
  createServer as createHttpsServer,
  type Server as HttpsServer,
  type ServerOptions,
} from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { getRequestListener } from '@hono/node-server'
import { isRefusal, type Secret } from '../../foundation/base/index.ts'
import type { Admission, AdmissionTicket } from '../../network/admission/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { approvedGroups } from '../../trust/keys/index.ts'
import { plainHost } from '../node/index.ts'
import { createApp, type HttpAppDeps } from './http-app.ts'

/** How the server presents itself. */
export interface ServerIdentity {
  readonly certificateChainPem: string
  readonly privateKeyPem: Secret
  /** What OpenSSL verifies client certificates by. */
  readonly trustedCaPem: readonly string[]
}

/** What the HTTP server needs. */
export interface HttpServerDeps extends HttpAppDeps {
  readonly admission: Admission
}

/** The running HTTP API. */
export interface HttpServer {
  readonly host: string
  readonly port: number
  /** Presents a renewed certificate on new connections. */
  updateIdentity(identity: ServerIdentity): void
  close(): Promise<void>
}

/** The API is open to unmanaged devices too, so its listener carries their profile. */
const HTTP_LISTENER = profileOf('SEC-0')

const KEEP_ALIVE_MS = 30_000
const HANDSHAKE_TIMEOUT_MS = 3_000

/** How long a client may take with a request, and how often that is looked at. */
export interface RequestTimes {
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly checkIntervalMs: number
}

const REQUEST_TIMES: RequestTimes = Object.freeze({
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 15_000,
  checkIntervalMs: 2_000,
})

/** Where the server listens and how it presents itself. */
export interface HttpServerOptions {
  readonly host: string
  readonly port: number
  readonly identity: ServerIdentity
  readonly times?: RequestTimes
}

/**
 * Serves the route table over TLS 1.3. Clients may present a certificate; each route's guard decides
 * whether they must.
 *
 * **Security:** addresses pass admission before any cryptography; the size of a body is bounded and the
 * rate of an address counted before anybody is authenticated; no header chooses a trust path.
 */
export async function startHttpServer(
  deps: HttpServerDeps,
  options: HttpServerOptions,
): Promise<HttpServer> {
  const https = createTlsServer(deps, options)
  const open: OpenConnections = { sockets: new Set(), tickets: new Map() }
  https.on('tlsClientError', (_error, socket) => handshakeFailed(open, socket))
  https.on('secureConnection', (socket) => secured(open, socket))
  const gate = createServer({ noDelay: true }, (socket) => admit(deps, { https, socket, open }))
  await listen(gate, options)
  const address = gate.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  return Object.freeze({
    host: options.host,
    port,
    updateIdentity: (identity: ServerIdentity): void =>
      https.setSecureContext(tlsOptions(identity)),
    close: (): Promise<void> => {
      https.close()
      return closeAll(gate, open.sockets)
    },
  })
}

function createTlsServer(deps: HttpServerDeps, options: HttpServerOptions): HttpsServer {
  const app = createApp(deps)
  const listener = getRequestListener(app.fetch)
  const times = options.times ?? REQUEST_TIMES
  const https = createHttpsServer(
    { ...tlsOptions(options.identity), connectionsCheckingInterval: times.checkIntervalMs },
    (incoming, outgoing) => void listener(incoming, outgoing),
  )
  https.keepAliveTimeout = KEEP_ALIVE_MS
  https.headersTimeout = times.headersTimeoutMs
  https.requestTimeout = times.requestTimeoutMs
  // Connections come from the gate, so this server never listens itself; without this event it would
  // not look after the two time limits.
  https.emit('listening')
  return https
}

function tlsOptions(identity: ServerIdentity): ServerOptions {
  return {
    cert: identity.certificateChainPem,
    key: identity.privateKeyPem.use((pem) => Buffer.from(pem)),
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    ecdhCurve: approvedGroups(['SecP256r1MLKEM768', 'X25519MLKEM768', 'P-256']).join(':'),
    ALPNProtocols: ['http/1.1'],
    // A ticket would carry a certificate past its removal; see docs/protocol.md.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    ca: [...identity.trustedCaPem],
    requestCert: true,
    // The guard of the route asks for OpenSSL's verdict, and verifies the leaf against the trust bundle
    // and the lock list.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  }
}

/** Connections from accept to close, and the tickets of those whose TLS is not done. */
interface OpenConnections {
  readonly sockets: Set<Socket>
  readonly tickets: Map<string, AdmissionTicket>
}

interface Arrival {
  readonly https: HttpsServer
  readonly socket: Socket
  readonly open: OpenConnections
}

function admit(deps: HttpServerDeps, { https, socket, open }: Arrival): void {
  const ticket = deps.admission.admit({
    address: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    listener: HTTP_LISTENER,
  })
  if (isRefusal(ticket)) {
    socket.destroy()
    return
  }
  const key = endpointKey(socket)
  open.sockets.add(socket)
  open.tickets.set(key, ticket)
  socket.once('close', () => {
    open.sockets.delete(socket)
    open.tickets.delete(key)
    ticket.closed()
  })
  socket.once('error', () => socket.destroy())
  https.emit('connection', socket)
}

function handshakeFailed(open: OpenConnections, socket: TLSSocket): void {
  open.tickets.get(endpointKey(socket))?.failed('handshake', 'KOS_TRANSPORT_HANDSHAKE')
  // TLS servers leave the socket of a failed handshake open.
  socket.destroy()
}

/** Ends the half-open state. Requests carry their own proof, so no device is counted here. */
function secured(open: OpenConnections, socket: TLSSocket): void {
  const key = endpointKey(socket)
  const ticket = open.tickets.get(key)
  open.tickets.delete(key)
  if (!ticket) return
  ticket.secured()
  ticket.anonymous()
}

function endpointKey(socket: Socket | TLSSocket): string {
  return `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`
}

function listen(
  server: Server,
  at: { readonly host: string; readonly port: number },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(at.port, plainHost(at.host), () => {
    server.off('error', reject)
    resolve()
  })
  return promise
}

function closeAll(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  for (const socket of sockets) socket.destroy()
  return promise
}
