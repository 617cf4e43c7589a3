/** gRPC unary calls of `@grpc/grpc-js` over one channel; messages are bytes, so there is no codec. */
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import {
  type ClientEnd,
  type EndSetup,
  payloadOf,
  requireEcho,
  type ServerEnd,
} from '../harness/contender.ts'
import type { BenchMember } from '../harness/fleet.ts'

const PATH = '/bench.Echo/Call'
const identity = (bytes: Buffer): Buffer => bytes

const SERVICE: ServiceDefinition = {
  call: {
    path: PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  },
}

function pems({ tls }: BenchMember): Record<'roots' | 'key' | 'chain', Buffer> {
  return {
    roots: Buffer.from(tls.trustedCaPem.join('')),
    key: tls.privateKeyPem.use((bytes) => Buffer.from(bytes)),
    chain: Buffer.from(tls.certificateChainPem),
  }
}

export async function startServer({ member }: EndSetup): Promise<ServerEnd> {
  const { roots, key, chain } = pems(member)
  const server = new Server()
  server.addService(SERVICE, { call: (call, done) => done(null, call.request) })
  const secured = ServerCredentials.createSsl(
    roots,
    [{ private_key: key, cert_chain: chain }],
    true,
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', secured, (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return { port, close: () => server.forceShutdown() }
}

export async function startClient({ member }: EndSetup, port: number): Promise<ClientEnd> {
  const { roots, key, chain } = pems(member)
  const secured = credentials.createSsl(roots, key, chain, { checkServerIdentity: () => undefined })
  // It would send the address as server name, which TLS forbids.
  const options = { 'grpc.ssl_target_name_override': 'kos.internal' }
  const client = new Client(`127.0.0.1:${port}`, secured, options)
  const call = (payload: Buffer): Promise<Buffer | undefined> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(PATH, identity, identity, payload, (error, answer) =>
        error ? reject(error) : resolve(answer),
      )
    })
  return {
    operate: async (sequence) => {
      const payload = payloadOf(sequence)
      requireEcho(payload, await call(payload))
    },
    close: () => client.close(),
  }
}
