import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import {
  isRefusal,
  type Refusal,
  refuse,
  type Secret,
  type UnixMs,
  unixMs,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { ENROLMENT_EXPORTER_LABEL } from '../../lifecycle/enrolment/index.ts'
import { opensslProblem } from '../../network/transport/index.ts'
import { approvedGroups } from '../../trust/keys/index.ts'
import { type TrustBundle, verifyPeerLeaf, verifyTrustBundle } from '../../trust/pki/index.ts'
import { plainHost } from './addresses.ts'
import { nodeErrors } from './errors.ts'
import type { FloorClock } from './floor-clock.ts'
import { trustAnchorsPem } from './trust-anchors.ts'

/** Largest answer accepted from the authority, in bytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** How far the own clock may be ahead of the authority's. @see protocol: Limits */
const MAX_CLOCK_SKEW_MS = 30_000

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
  /** The trust bundle of a member: OpenSSL has its anchors from the start. */
  readonly held?: TrustBundle
  /** Told of the trust bundle once it and the authority's leaf are verified. */
  readonly onBundle?: (bundle: TrustBundle) => void
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
  /** Sends one request with further header fields, as {@link request} does. */
  exchange(request: AuthorityRequest): Promise<AuthorityAnswer>
  /**
   * Compares the own clock with the authority's, and raises the floor of one that is behind.
   *
   * @throws {@link KosError} KOS_NODE_CLOCK when the own clock is more than 30 s ahead
   */
  agreeOnTime(): Promise<void>
  close(): void
}

/** A request with header fields beyond those of its connection and body. */
export interface AuthorityRequest {
  readonly method: string
  readonly path: string
  readonly body: RequestBody | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** A request body with its media type. */
export interface RequestBody {
  readonly type: 'application/cbor' | 'application/json'
  readonly bytes: Uint8Array
}

/**
 * Connects to the authority and proves that it is the pinned one: the trust bundle it serves must
 * carry both pinned roots' signatures, and its TLS leaf must name an authority under an intermediate
 * of that bundle. Nothing but the questions for bundle and time is sent before both hold.
 *
 * As with sessions there are two verdicts on the leaf, the own one and OpenSSL's, and both must agree.
 * OpenSSL takes anchors before the handshake only: who does not hold the bundle yet, or an older one,
 * asks for it on a connection of its own, and connects once more.
 *
 * A leaf that fails by time alone is verified at the time that its owner claims. When it holds then,
 * the own clock is wrong: one that is behind is raised, one that is ahead is refused.
 *
 * **Security:** whoever holds the TLS key of an ended authority certificate can claim a time within
 * that certificate's life. To a machine whose clock is right, or whose floor is later, that is the
 * past and refused.
 *
 * @throws {@link KosError} KOS_NODE_AUTHORITY_UNREACHABLE, KOS_NODE_AUTHORITY_UNTRUSTED, KOS_NODE_CLOCK
 * @see identity: Joining
 */
export async function connectAuthority(
  deps: { readonly clock: FloorClock },
  target: AuthorityTarget,
): Promise<AuthorityClient> {
  const { clock } = deps
  let connection = await connect(target, target.held ? trustAnchorsPem(target.held) : [])
  try {
    const { body: bundleBytes } = await patient(connection.request('GET', '/v1/bundle'))
    const bundle = verifyTrustBundle(bundleBytes, { pin: target.pin })
    if (isRefusal(bundle)) throw untrusted(bundle.rule)
    const anchorsPem = trustAnchorsPem(bundle)
    const isAnchored = connection.anchorsPem.join('') === anchorsPem.join('')
    await verifyAuthority(clock, { connection, bundle, isAnchored })
    target.onBundle?.(bundle)
    if (!isAnchored) {
      connection.close()
      connection = await connect(target, anchorsPem)
      await verifyAuthority(clock, { connection, bundle, isAnchored: true })
    }
    const { socket, request, exchange, close } = connection
    return Object.freeze({
      bundle,
      bundleBytes,
      exporter: (): Uint8Array =>
        socket.exportKeyingMaterial(32, ENROLMENT_EXPORTER_LABEL, Buffer.alloc(0)),
      request,
      exchange,
      agreeOnTime: async (): Promise<void> => {
        agree(clock, await askTime(request))
      },
      close,
    })
  } catch (error) {
    connection.close()
    throw error
  }
}

/** A TLS connection that nothing is known of yet. */
interface Connection {
  readonly socket: TLSSocket
  /** What OpenSSL verified the chain by. */
  readonly anchorsPem: readonly string[]
  readonly request: Send
  readonly exchange: Exchange
  readonly close: () => void
}

async function connect(
  target: AuthorityTarget,
  anchorsPem: readonly string[],
): Promise<Connection> {
  const socket = await openSocket(target, anchorsPem)
  const agent = agentOver(socket)
  const close = (): void => {
    agent.destroy()
    socket.destroy()
  }
  const exchange = sender({ agent, socket }, target)
  const request: Send = (method, path, body) => exchange({ method, path, body, headers: {} })
  return { socket, anchorsPem, request, exchange, close }
}

interface Presented {
  readonly connection: Connection
  readonly bundle: TrustBundle
  /** Whether OpenSSL had the anchors of this bundle. */
  readonly isAnchored: boolean
}

/** Rules of the leaf check that another clock could decide otherwise. */
const TIME_RULES: readonly string[] = ['not-yet-valid', 'expired', 'issuer-validity']
/** Rules that OpenSSL does not know: it has no proven time and expects nobody. */
const OWN_RULES: readonly string[] = [...TIME_RULES, 'kind']

async function verifyAuthority(clock: FloorClock, presented: Presented): Promise<void> {
  const { bundle, isAnchored } = presented
  const { socket, anchorsPem, request } = presented.connection
  const leaf = socket.getPeerX509Certificate()?.raw
  if (!leaf) throw untrusted('no-certificate')
  const own = await ownRefusal(clock, { leaf, bundle, request })
  const openssl = isAnchored ? opensslProblem(socket, leaf, anchorsPem) : own?.rule
  if (!own && openssl === undefined) return
  const isAgreed = own && (openssl !== undefined || OWN_RULES.includes(own.rule))
  throw untrusted(isAgreed ? own.rule : `openssl: ${openssl ?? 'ok'}, own: ${own?.rule ?? 'ok'}`)
}

interface Question {
  readonly leaf: Uint8Array
  readonly bundle: TrustBundle
  readonly request: Send
}

async function ownRefusal(clock: FloorClock, question: Question): Promise<Refusal | undefined> {
  const refusal = refusalAt(question, clock.wallMs())
  if (!refusal || !TIME_RULES.includes(refusal.rule)) return refusal
  const claimedMs = await askTime(question.request)
  // What does not hold at its owner's own time was never a matter of our clock.
  return refusalAt(question, claimedMs) ?? (agree(clock, claimedMs) ? undefined : refusal)
}

function refusalAt({ leaf, bundle }: Question, nowMs: UnixMs): Refusal | undefined {
  const verified = verifyPeerLeaf(leaf, {
    bundle,
    purpose: 'server',
    nowMs,
    expect: { kind: 'authority' },
  })
  return isRefusal(verified) ? verified : undefined
}

const healthSchema: z.ZodType<{ timeMs: number }> = z.object({ timeMs: z.int().min(0) })

/** Too many requests from one address: that says nothing of who answers, and passes. */
async function patient(asked: Promise<AuthorityAnswer>): Promise<AuthorityAnswer> {
  const answer = await asked
  if (![429, 503].includes(answer.status)) return answer
  throw nodeErrors.error('KOS_NODE_AUTHORITY_UNREACHABLE', { status: answer.status })
}

async function askTime(request: Send): Promise<UnixMs> {
  const health = parseAnswer(await patient(request('GET', '/v1/health')), healthSchema)
  if (isRefusal(health)) throw nodeErrors.error('KOS_NODE_RESPONSE', { rule: health.rule })
  return unixMs(health.timeMs)
}

/** A clock that is ahead would refuse every peer; one that is behind gets a floor. */
function agree(clock: FloorClock, authorityMs: UnixMs): boolean {
  const aheadMs = clock.wallMs() - authorityMs
  if (aheadMs > MAX_CLOCK_SKEW_MS) {
    throw nodeErrors.error('KOS_NODE_CLOCK', { aheadSeconds: Math.round(aheadMs / 1000) })
  }
  return clock.raise(authorityMs)
}

function untrusted(check: string): Error {
  return nodeErrors.error('KOS_NODE_AUTHORITY_UNTRUSTED', { check })
}

function openSocket(target: AuthorityTarget, anchorsPem: readonly string[]): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const socket = tlsConnect({
    host: plainHost(target.host),
    port: target.port,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    ecdhCurve: approvedGroups(['SecP256r1MLKEM768', 'X25519MLKEM768', 'P-256']).join(':'),
    ciphers: 'TLS_AES_256_GCM_SHA384',
    // The pin and the trust bundle decide, not the system's certificate store; see verifyAuthority.
    ca: [...anchorsPem],
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
    reject(unreachable(target, cause))
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

function unreachable({ host, port }: AuthorityTarget, cause: unknown): Error {
  return nodeErrors.error('KOS_NODE_AUTHORITY_UNREACHABLE', { host, port }, cause)
}

/** An agent that knows one connection only: exporter and requests must share it. */
function agentOver(socket: TLSSocket): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 })
  agent.createConnection = () => socket
  return agent
}

type Send = AuthorityClient['request']
type Exchange = AuthorityClient['exchange']

function sender(
  { agent, socket }: { readonly agent: Agent; readonly socket: TLSSocket },
  target: AuthorityTarget,
): Exchange {
  // An agent would wait for ever for a connection that it does not get a second time.
  let isOver = false
  socket.once('end', () => (isOver = true))
  socket.once('close', () => (isOver = true))
  return ({ method, path, body, headers: further }) => {
    if (isOver || socket.destroyed) return Promise.reject(unreachable(target, undefined))
    const { promise, resolve, reject } = Promise.withResolvers<AuthorityAnswer>()
    const fail = (cause?: unknown): void =>
      reject(nodeErrors.has(cause) ? cause : unreachable(target, cause))
    const headers = {
      ...further,
      host: `${target.host}:${target.port}`,
      ...(body && { 'content-type': body.type, 'content-length': String(body.bytes.length) }),
    }
    const { timeoutMs: timeout } = target
    const outgoing = httpRequest({ agent, method, path, headers, timeout }, (incoming) => {
      if (incoming.headers.connection === 'close') isOver = true
      readBody(incoming).then(
        (bytes) => resolve({ status: incoming.statusCode ?? 0, body: bytes }),
        fail,
      )
    })
    outgoing.once('error', fail)
    outgoing.once('timeout', () => outgoing.destroy())
    outgoing.end(body?.bytes)
    return promise
  }
}

function readBody(incoming: IncomingMessage): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const chunks: Uint8Array[] = []
  let length = 0
  incoming.on('data', (chunk: Uint8Array) => {
    length += chunk.length
    chunks.push(chunk)
    if (length <= MAX_ANSWER_BYTES) return
    reject(nodeErrors.error('KOS_NODE_RESPONSE', { rule: 'too-long' }))
    incoming.destroy()
  })
  incoming.once('end', () => resolve(Buffer.concat(chunks)))
  incoming.once('error', reject)
  incoming.once('close', reject)
  return promise
}

const problemSchema: z.ZodType<{
  code: string
  rule: string
  remedy?: string | undefined
  retryAfterMs?: number | undefined
}> = z.object({
  code: z.string().regex(/^KOS_[A-Z_]{1,60}$/),
  rule: z.string().max(200),
  remedy: z.string().max(500).optional(),
  retryAfterMs: z.number().min(0).optional(),
})

/** Reads a refusal out of an answer that is not 2xx. */
export function refusalOf(answer: AuthorityAnswer): Refusal {
  const parsed = parseAnswer(answer, problemSchema)
  if (isRefusal(parsed)) return refuse('KOS_NODE_REFUSED', `http/${answer.status}`)
  const { code, rule, remedy, retryAfterMs } = parsed
  return refuse(code as `KOS_${string}`, rule, {
    ...(remedy !== undefined && { remedy }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
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
