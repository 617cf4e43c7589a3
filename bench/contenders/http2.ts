/** One POST per call over one HTTP/2 session of `node:http2`. */
import { connect, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import type { Readable } from 'node:stream'
import {
  type ClientEnd,
  type EndSetup,
  payloadOf,
  requireEcho,
  type ServerEnd,
} from '../harness/contender.ts'
import { clientOptions, listen, portOf, serverOptions } from './tls.ts'

const PATH = '/echo'

function readAll(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
    stream.on('end', () => {
      const [only] = chunks
      resolve(only && chunks.length === 1 ? only : Buffer.concat(chunks))
    })
    stream.on('error', reject)
  })
}

async function answer(stream: ServerHttp2Stream): Promise<void> {
  const payload = await readAll(stream)
  stream.respond({ ':status': 200 })
  stream.end(payload)
}

export async function startServer({ member }: EndSetup): Promise<ServerEnd> {
  const server = createSecureServer(serverOptions(member))
  server.on('stream', (stream: ServerHttp2Stream) => void answer(stream))
  await listen(server)
  return { port: portOf(server), close: () => void server.close() }
}

export async function startClient({ member }: EndSetup, port: number): Promise<ClientEnd> {
  const session = connect(`https://127.0.0.1:${port}`, clientOptions(member))
  await new Promise<void>((resolve, reject) => {
    session.once('error', reject)
    session.once('connect', () => resolve())
  })
  return {
    operate: async (sequence) => {
      const payload = payloadOf(sequence)
      const request = session.request({ ':method': 'POST', ':path': PATH })
      request.end(payload)
      requireEcho(payload, await readAll(request))
    },
    close: () => session.destroy(),
  }
}
