import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import {
  type Clock,
  isRefusal,
  type Refusal,
  refuse,
  type Secret,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { ENROLMENT_EXPORTER_LABEL } from '../../lifecycle/enrolment/index.ts'
import { type TrustBundle, verifyPeerLeaf, verifyTrustBundle } from '../../trust/pki/index.ts'
import { nodeErrors } from './errors.ts'

/** Largest answer accepted from the authority, in bytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Certificate chain and key for a mutually authenticated connection. */
export interface ClientIdentity {
  readonly certificateChainPem: string
  readonly privateKeyPem: Secret
}

/** How to reach and recognise the authority. */
export interface AuthorityTarget {
  readonly host: string
  readonly port: number
  /** base64url SHA-256 over both root SPKIs. */
  readonly pin: string
  readonly identity: ClientIdentity | undefined
  readonly timeoutMs: number
}

/** An answer of the HTTP API. */
export interface AuthorityAnswer {
  readonly status: number
  readonly body: Uint8Array
}

/** One verified TLS connection to the authority's HTTP API. */
export interface AuthorityClient {
  /** The trust bundle as the authority serves it, verified against the pin. */
  readonly bundle: TrustBundle
  readonly bundleBytes: Uint8Array
  /** 32 bytes of the TLS exporter for enrolment requests on this connection. */
  exporter(): Uint8Array
  /**
   * Sends one request.
   *
   * @throws {@link KosError} KOS_NODE_AUTHORITY_UNREACHABLE when the connection breaks
   */
  request(method: string, path: string, body?: RequestBody): Promise<AuthorityAnswer>
  close(): void
}

/** A request body with its media type. */
export interface RequestBody {
  readonly type: 'application/cbor' | 'application/json'
  readonly bytes: Uint8Array
}

/**
 * Connects to the authority and proves that it is the pinned one: the trust bundle it serves must
 * carry both pinned roots' signatures, and its TLS leaf must name an authority under an intermediate
 * of that bundle. Nothing else is sent before both hold.
 *
 * @throws {@link KosError} KOS_NODE_AUTHORITY_UNREACHABLE, KOS_NODE_AUTHORITY_UNTRUSTED
 * @see identity: Joining
 */
export async function connectAuthority(
  deps: { readonly clock: Clock },
  target: AuthorityTarget,
): Promise<AuthorityClient> {
  const socket = await openSocket(target)
  const agent = agentOver(socket)
  const send = sender(agent, target)
  try {
    const answer = await send('GET', '/v1/bundle')
    const bundle = verifyTrustBundle(answer.body, { pin: target.pin })
    if (isRefusal(bundle)) throw untrusted(bundle)
    const leaf = socket.getPeerX509Certificate()?.raw
    const checked = leaf
      ? verifyPeerLeaf(leaf, {
          bundle,
          purpose: 'server',
          nowMs: deps.clock.wallMs(),
          expect: { kind: 'authority' },
        })
      : refuse('KOS_NODE_AUTHORITY_UNTRUSTED', 'no-certificate')
    if (isRefusal(checked)) throw untrusted(checked)
    return Object.freeze({
      bundle,
      bundleBytes: answer.body,
      exporter: (): Uint8Array =>
        socket.exportKeyingMaterial(32, ENROLMENT_EXPORTER_LABEL, Buffer.alloc(0)),
      request: send,
      close: (): void => {
        agent.destroy()
        socket.destroy()
      },
    })
  } catch (error) {
    agent.destroy()
    socket.destroy()
    throw error
  }
}

function untrusted(refusal: Refusal): Error {
  return nodeErrors.error('KOS_NODE_AUTHORITY_UNTRUSTED', { check: refusal.rule })
}

function openSocket(target: AuthorityTarget): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const socket = tlsConnect({
    host: target.host.replace(/^\[|\]$/g, ''),
    port: target.port,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    ecdhCurve: 'SecP256r1MLKEM768:X25519MLKEM768:P-256',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    // The pin and the trust bundle decide, not the system's certificate store.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(target.identity && {
      cert: target.identity.certificateChainPem,
      key: target.identity.privateKeyPem.use((pem) => Buffer.from(pem)),
    }),
  })
  socket.setNoDelay(true)
  const fail = (cause?: unknown): void => {
    socket.destroy()
    const at = { host: target.host, port: target.port }
    reject(nodeErrors.error('KOS_NODE_AUTHORITY_UNREACHABLE', at, cause))
  }
  socket.setTimeout(target.timeoutMs, fail)
  socket.once('error', fail)
  socket.once('close', fail)
  socket.once('secureConnect', () => {
    socket.off('error', fail)
    socket.off('close', fail)
    socket.on('error', () => socket.destroy())
    resolve(socket)
  })
  return promise
}

/** An agent that knows one connection only: exporter and requests must share it. */
function agentOver(socket: TLSSocket): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 })
  agent.createConnection = () => socket
  return agent
}

type Send = AuthorityClient['request']

function sender(agent: Agent, target: AuthorityTarget): Send {
  return (method, path, body) => {
    const { promise, resolve, reject } = Promise.withResolvers<AuthorityAnswer>()
    const fail = (cause?: unknown): void => {
      const at = { host: target.host, port: target.port }
      reject(nodeErrors.error('KOS_NODE_AUTHORITY_UNREACHABLE', at, cause))
    }
    const headers = {
      host: `${target.host}:${target.port}`,
      ...(body && { 'content-type': body.type, 'content-length': String(body.bytes.length) }),
    }
    const outgoing = httpRequest({ agent, method, path, headers }, (incoming) => {
      readBody(incoming).then(
        (bytes) => resolve({ status: incoming.statusCode ?? 0, body: bytes }),
        fail,
      )
    })
    outgoing.once('error', fail)
    outgoing.end(body?.bytes)
    return promise
  }
}

async function readBody(incoming: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw nodeErrors.error('KOS_NODE_RESPONSE', { rule: 'too-long' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const problemSchema: z.ZodType<{ code: string; rule: string; remedy?: string | undefined }> =
  z.object({
    code: z.string().regex(/^KOS_[A-Z_]{1,60}$/),
    rule: z.string().max(200),
    remedy: z.string().max(500).optional(),
  })

/** Reads a refusal out of an answer that is not 2xx. */
export function refusalOf(answer: AuthorityAnswer): Refusal {
  const parsed = parseAnswer(answer, problemSchema)
  if (isRefusal(parsed)) return refuse('KOS_NODE_REFUSED', `http/${answer.status}`)
  const { code, rule, remedy } = parsed
  return refuse(code as `KOS_${string}`, rule, remedy === undefined ? {} : { remedy })
}

/** Parses a JSON answer against a schema; a refusal names what does not fit. */
export function parseAnswer<T>(answer: AuthorityAnswer, schema: z.ZodType<T>): T | Refusal {
  try {
    const value: unknown = JSON.parse(Buffer.from(answer.body).toString('utf8'))
    const checked = validate(schema, value, { maxDepth: 16, maxItems: 1_000_000 })
    return checked.allow ? checked.value : checked
  } catch {
    return refuse('KOS_NODE_RESPONSE', 'json')
  }
}
