/** TLS as any Node program would set it up: mutual, the suite and first group of SEC-2, no tickets. */
import { constants } from 'node:crypto'
import { connect, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls'
import type { BenchMember } from '../harness/fleet.ts'

const HOST = '127.0.0.1'

/** What both ends set. */
function commonOptions({ tls }: BenchMember): TlsOptions & ConnectionOptions {
  return {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'SecP256r1MLKEM768',
    secureOptions: constants.SSL_OP_NO_TICKET,
    cert: tls.certificateChainPem,
    key: tls.privateKeyPem.use((bytes) => Buffer.from(bytes)),
    ca: [...tls.trustedCaPem],
    rejectUnauthorized: true,
  }
}

/** Options of a server that demands a certificate. */
export function serverOptions(member: BenchMember): TlsOptions {
  // Without no-delay at this end the first answer of every connection waits for a delayed ACK.
  return { ...commonOptions(member), requestCert: true, noDelay: true }
}

/** Options of a client; leaves carry no host name, so none is checked. */
export function clientOptions(
  member: BenchMember,
): ConnectionOptions & Required<Pick<ConnectionOptions, 'host' | 'checkServerIdentity'>> {
  return { ...commonOptions(member), host: HOST, checkServerIdentity: () => undefined }
}

/** Connects and waits for the end of the handshake. */
export async function connectTls(
  options: ConnectionOptions & { readonly localAddress?: string },
): Promise<TLSSocket> {
  const socket = connect(options)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('secureConnect', resolve)
  })
  socket.setNoDelay(true)
  return socket
}

/** The port of a server that listens. */
export function portOf(server: { address(): unknown }): number {
  const address = server.address()
  if (typeof address === 'object' && address && 'port' in address) return Number(address.port)
  throw new Error('the server does not listen')
}

/** Starts to listen on a port that the operating system chooses. */
export function listen(server: {
  listen(options: { port: number; host: string }, then: () => void): unknown
}): Promise<void> {
  return new Promise((resolve) => server.listen({ port: 0, host: HOST }, resolve))
}
