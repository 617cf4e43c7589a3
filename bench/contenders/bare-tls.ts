/** A mutual TLS handshake of plain `node:tls`, one byte from the server, close. */
import { createSecureContext, createServer } from 'node:tls'
import type { ClientEnd, EndSetup, ServerEnd } from '../harness/contender.ts'
import { createSources } from './sources.ts'
import { clientOptions, connectTls, listen, portOf, serverOptions } from './tls.ts'

export async function startServer({ member }: EndSetup): Promise<ServerEnd> {
  const server = createServer(serverOptions(member), (socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.resume()
    socket.write('1')
  })
  await listen(server)
  return { port: portOf(server), close: () => void server.close() }
}

export async function startClient({ member }: EndSetup, port: number): Promise<ClientEnd> {
  const { host, rejectUnauthorized, checkServerIdentity, ...context } = clientOptions(member)
  // Built once: a context per connection would cost a third of a handshake.
  const secureContext = createSecureContext(context)
  const options = { host, port, rejectUnauthorized, checkServerIdentity, secureContext }
  const nextSource = createSources()
  return {
    operate: async () => {
      const socket = await connectTls({ ...options, localAddress: nextSource() })
      await new Promise<void>((resolve, reject) => {
        socket.once('data', () => resolve())
        socket.once('error', reject)
      })
      socket.destroy()
    },
    close: () => undefined,
  }
}
