/** Servers that pretend to be an authority, and what is said to them. */
import { createServer } from 'node:https'
import type { KeyObject } from 'node:crypto'
import type { TestContext } from 'node:test'
import { Secret, systemRandom, toBase64Url } from '../../src/foundation/base/index.ts'
import { pemEncode } from '../../src/foundation/codec/index.ts'
import type { JoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { rawRequest } from './fabric.ts'

/** What an impostor answers; `undefined`: not found. */
export type Answers = (
  path: string,
  body: Buffer,
) =>
  | { readonly type: string; readonly body: Uint8Array | string; readonly status?: number }
  | undefined

/** A listening impostor. */
export interface Impostor {
  readonly port: number
  /** Method and path of every request it got. */
  readonly requests: readonly string[]
  /** How many TLS connections it got. */
  connections(): number
}

/** TLS certificate chain and key of an impostor. */
export interface ImpostorIdentity {
  readonly cert: string
  readonly key: Buffer | string
  /** Where it listens; a free port when absent. */
  readonly port?: number
}

/** Starts an HTTPS server that keeps what it is asked; it ends with the test. */
export async function startImpostor(
  context: TestContext,
  identity: ImpostorIdentity,
  answers: Answers,
): Promise<Impostor> {
  const requests: string[] = []
  const server = createServer(
    {
      cert: identity.cert,
      key: identity.key,
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false,
    },
    (incoming, outgoing) => {
      const path = incoming.url ?? ''
      requests.push(`${incoming.method} ${path}`)
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const answer = answers(path, Buffer.concat(chunks))
        outgoing.writeHead(answer ? (answer.status ?? 200) : 404, {
          'content-type': answer?.type ?? 'text/plain',
        })
        outgoing.end(answer?.body ?? 'nothing')
      })
    },
  )
  let connections = 0
  server.on('secureConnection', () => connections++)
  await new Promise<void>((resolve) => server.listen(identity.port ?? 0, '127.0.0.1', resolve))
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { requests, port, connections: () => connections }
}

/** The answers of an authority that serves a bundle and says what time it is. */
export function bundleAnswers(bundle: Uint8Array, timeMs: () => number): Answers {
  return (path) => {
    if (path === '/v1/bundle') return { type: 'application/cbor', body: bundle }
    if (path !== '/v1/health') return undefined
    return { type: 'application/json', body: JSON.stringify({ status: 'ok', timeMs: timeMs() }) }
  }
}

/** The bundle that an authority serves. */
export async function bundleOf(port: number): Promise<Uint8Array> {
  const answer = await rawRequest(port, { method: 'GET', path: '/v1/bundle' })
  return answer.bytes
}

/** A leaf with its key, as TLS presents it. */
export function leafIdentity(leafDer: Uint8Array, key: KeyObject): ImpostorIdentity {
  return {
    cert: pemEncode('CERTIFICATE', leafDer),
    key: key.export({ type: 'pkcs8', format: 'pem' }),
  }
}

/** A join line with a token that nobody made. */
export function forgedLine(at: { readonly port: number; readonly pin: string }): JoinLine {
  return {
    host: '127.0.0.1',
    port: at.port,
    pin: at.pin,
    tokenId: toBase64Url(systemRandom.bytes(16)),
    secret: Secret.take(systemRandom.bytes(32)),
  }
}
