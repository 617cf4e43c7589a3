import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import {
  isRefusal,
  type Log,
  type Refusal,
  refuse,
  type Secret,
} from '../../foundation/base/index.ts'
import { ENROLMENT_EXPORTER_LABEL, type PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import type { Admission, AdmissionTicket } from '../../network/admission/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { Guard, Route, RouteAnswer, RouteCall } from './http-types.ts'

/** How the server presents itself. */
export interface ServerIdentity {
  readonly certificateChainPem: string
  readonly privateKeyPem: Secret
}

/** What the HTTP server needs. */
export interface HttpServerDeps {
  readonly log: Log
  readonly admission: Admission
  readonly routes: readonly Route[]
  /** The caller behind a verified client certificate, or why there is none. */
  identify(leafDer: Uint8Array): PrincipalRecord | Refusal
  /** Takes one request of a caller or an address; a refusal says when to come back. */
  takeRequest(key: string): Refusal | undefined
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
const HEADERS_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 15_000
const HANDSHAKE_TIMEOUT_MS = 3_000

/**
 * Serves the route table over TLS 1.3. Clients may present a certificate; each route's guard decides
 * whether they must.
 *
 * **Security:** addresses pass admission before any cryptography; bodies are bounded before they are
 * read; no header chooses a trust path.
 */
export async function startHttpServer(
  deps: HttpServerDeps,
  options: { readonly host: string; readonly port: number; readonly identity: ServerIdentity },
): Promise<HttpServer> {
  const app = createApp(deps)
  const listener = getRequestListener(app.fetch)
  const https = createHttpsServer(tlsOptions(options.identity), (incoming, outgoing) => {
    void listener(incoming, outgoing)
  })
  https.keepAliveTimeout = KEEP_ALIVE_MS
  https.headersTimeout = HEADERS_TIMEOUT_MS
  https.requestTimeout = REQUEST_TIMEOUT_MS
  https.on('tlsClientError', (_error, socket) => socket.destroy())
  const open: OpenConnections = { sockets: new Set(), tickets: new Map() }
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
    close: (): Promise<void> => closeAll(gate, open.sockets),
  })
}

function tlsOptions(identity: ServerIdentity): Parameters<typeof createHttpsServer>[0] {
  return {
    cert: identity.certificateChainPem,
    key: identity.privateKeyPem.use((pem) => Buffer.from(pem)),
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'SecP256r1MLKEM768:X25519MLKEM768:P-256',
    ALPNProtocols: ['http/1.1'],
    requestCert: true,
    // The guard of the route verifies the leaf against the trust bundle and the lock list.
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
  server.listen(at.port, at.host.replace(/^\[|\]$/g, ''), () => {
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

type Env = { Bindings: HttpBindings }

function createApp(deps: HttpServerDeps): Hono<Env> {
  const app = new Hono<Env>()
  for (const route of deps.routes) {
    app.on(route.method, route.path, (context) => serve(deps, route, context))
  }
  app.notFound((context) => answer(context, notFound()))
  app.onError((error, context) => {
    deps.log.event('http.failed', { route: context.req.path, error: error.name }, 'error')
    return context.json({ code: 'KOS_AUTHORITY_REQUEST', rule: 'internal' }, 500)
  })
  return app
}

async function serve(deps: HttpServerDeps, route: Route, context: Context<Env>): Promise<Response> {
  const socket = context.env.incoming.socket as TLSSocket
  const source = socket.remoteAddress ?? ''
  const caller = checkGuard(deps, route.guard, socket)
  if (isRefusal(caller)) return answer(context, { kind: 'refused', refusal: caller, status: 403 })
  const limited = deps.takeRequest(caller?.id ?? source)
  if (limited) return context.json({ code: limited.code, rule: limited.rule }, 429)
  const body = await readBody(context, route.maxBytes)
  if (!body) return context.json({ code: 'KOS_AUTHORITY_REQUEST', rule: 'body/too-long' }, 413)
  const call: RouteCall = {
    caller,
    body,
    parameters: context.req.param() as Record<string, string>,
    query: context.req.query(),
    source,
    exporter: () => socket.exportKeyingMaterial(32, ENROLMENT_EXPORTER_LABEL, Buffer.alloc(0)),
  }
  return answer(context, await route.handle(call))
}

/** Decides a guard: the caller, `undefined` where nobody needs to be known, or the refusal. */
function checkGuard(
  deps: HttpServerDeps,
  guard: Guard,
  socket: TLSSocket,
): PrincipalRecord | undefined | Refusal {
  if (guard === 'public' || guard === 'proof') return undefined
  const leaf = socket.getPeerX509Certificate()?.raw
  if (!leaf) return guardRefused(guard, 'certificate-missing')
  const caller = deps.identify(leaf)
  if (isRefusal(caller)) return guardRefused(guard, 'certificate')
  if (guard === 'member') return caller
  const fits =
    caller.kind === 'user' && (caller.roles.includes(guard) || caller.roles.includes('admin'))
  return fits ? caller : guardRefused(guard, 'role')
}

function guardRefused(guard: Guard, check: string): Refusal {
  return refuse('KOS_AUTHORITY_GUARD', `guard/${guard}/${check}`, {
    remedy: `Use the credential of an active principal with the right "${guard}".`,
  })
}

async function readBody(context: Context<Env>, maxBytes: number): Promise<Uint8Array | undefined> {
  const declared = Number(context.req.header('content-length') ?? '0')
  if (!(declared <= maxBytes)) return undefined
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of context.env.incoming as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function notFound(): RouteAnswer {
  return {
    kind: 'refused',
    refusal: refuse('KOS_AUTHORITY_NOT_FOUND', 'route'),
    status: 404,
  }
}

function answer(context: Context<Env>, result: RouteAnswer): Response {
  switch (result.kind) {
    case 'json':
      return context.json(result.value as object, result.status ?? 200)
    case 'cbor':
      return context.body(new Uint8Array(result.bytes), 200, { 'content-type': 'application/cbor' })
    case 'refused': {
      const { code, rule, remedy, details } = result.refusal
      return context.json({ code, rule, remedy, details }, result.status)
    }
  }
}
