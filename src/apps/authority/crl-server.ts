import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isRefusal } from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { Admission } from '../../network/admission/index.ts'
import { type HostPort, plainHost } from '../node/index.ts'
import type { CrlPublisher } from './crl-publisher.ts'

/** The running server of revocation lists. */
export interface CrlServer {
  readonly port: number
  close(): Promise<void>
}

const PATH = /^\/crl\/([0-9a-f]{40})\.crl$/
/** Anybody may fetch a list. */
const CRL_LISTENER = profileOf('SEC-0')
const MAX_AGE_SECONDS = 300

/**
 * Serves the revocation lists over plain HTTP: `GET /crl/<key identifier of the intermediate>.crl`,
 * and nothing else. This is the one listener without TLS: a list is signed, and public; who checks a
 * certificate cannot be asked to check another one first.
 *
 * **Security:** no request body, no query, no file system behind the path; addresses pass admission.
 *
 * @see RFC 5280 section 8
 */
export async function startCrlServer(
  deps: { readonly admission: Admission; readonly crls: CrlPublisher },
  at: HostPort,
): Promise<CrlServer> {
  const http = createServer(
    { maxHeaderSize: 4096, keepAlive: false, connectionsCheckingInterval: 2000 },
    (request, response) => answer(deps.crls, request, response),
  )
  http.headersTimeout = 5000
  http.requestTimeout = 5000
  http.keepAliveTimeout = 1
  http.maxRequestsPerSocket = 1
  const sockets = new Set<Socket>()
  http.on('connection', (socket) => admit(deps.admission, socket, sockets))
  await listen(http, at)
  const address = http.address()
  return {
    port: typeof address === 'object' && address ? address.port : at.port,
    close: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      http.close(() => resolve())
      for (const socket of sockets) socket.destroy()
      return promise
    },
  }
}

function admit(admission: Admission, socket: Socket, sockets: Set<Socket>): void {
  const ticket = admission.admit({
    address: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    listener: CRL_LISTENER,
  })
  if (isRefusal(ticket)) {
    socket.destroy()
    return
  }
  sockets.add(socket)
  // There is no handshake to wait for, and nobody to count by name.
  ticket.secured()
  ticket.anonymous()
  socket.once('close', () => {
    sockets.delete(socket)
    ticket.closed()
  })
  socket.on('error', () => socket.destroy())
}

function answer(crls: CrlPublisher, request: IncomingMessage, response: ServerResponse): void {
  const [, name] = PATH.exec(request.url ?? '') ?? []
  const der = name === undefined ? undefined : crls.get(name)
  response.setHeader('connection', 'close')
  if (request.method !== 'GET' || !der) {
    response.writeHead(der ? 405 : 404, { 'content-length': 0 }).end()
    return
  }
  const head = {
    'content-type': 'application/pkix-crl',
    'content-length': der.length,
    'cache-control': `max-age=${MAX_AGE_SECONDS}`,
  }
  response.writeHead(200, head).end(der)
}

function listen(server: Server, at: HostPort): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(at.port, plainHost(at.host), () => {
    server.off('error', reject)
    resolve()
  })
  return promise
}
