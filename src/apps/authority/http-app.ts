import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import {
  type ErrorRow,
  isRefusal,
  KosError,
  type Log,
  type Refusal,
  refuse,
} from '../../foundation/base/index.ts'
import {
  ENROLMENT_EXPORTER_LABEL,
  enrolmentErrors,
  type PrincipalRecord,
} from '../../lifecycle/enrolment/index.ts'
import { requestTarget } from '../../network/session/index.ts'
import { authorityErrors } from './errors.ts'
import type { IdentifyClient } from './client-verdicts.ts'
import { type Guard, PASSES, type Route, type RouteAnswer } from './http-types.ts'
import type { RefusedRequest } from './refusal-log.ts'
import type { CheckSignature, SignedRequest } from './request-signatures.ts'

/** What answering requests needs. */
export interface HttpAppDeps {
  readonly log: Log
  readonly routes: readonly Route[]
  /** The caller behind a client certificate that is verified now, or why there is none. */
  readonly identify: IdentifyClient
  /** Checks the signature of a caller's request; the rule of a refusal is for the log alone. */
  readonly checkSignature: CheckSignature
  /** Takes one request of a caller or an address; a refusal says when to come back. */
  takeRequest(key: string): Refusal | undefined
  /** Whether changes can be recorded now; without that none is made. */
  canRecord(): boolean
  /** What every path without a row is told; absent: that there is no such route. */
  readonly otherwise?: Refusal
  /** Told of every request that the guard or a route refused. */
  onRefused(request: RefusedRequest): void
}

type Env = { Bindings: HttpBindings }

/**
 * The route table as a request handler. Each request passes the same checks in the same order: size,
 * rate of the address, certificate, rate of the caller, signature, role, disk; only then its body is
 * read, and checked against the signed digest.
 */
export function createApp(deps: HttpAppDeps): Hono<Env> {
  const app = new Hono<Env>()
  for (const route of deps.routes) {
    app.on(route.method, route.path, (context) => serve(deps, route, context))
  }
  const { otherwise } = deps
  app.notFound((context) =>
    answer(context, otherwise ? { kind: 'refused', refusal: otherwise, status: 503 } : notFound()),
  )
  app.onError((error, context) => {
    const code = error instanceof KosError ? String(error.code) : error.name
    // A client that leaves in the middle of its request is no failure of ours.
    const level = 'code' in error && error.code === 'ECONNRESET' ? 'debug' : 'error'
    deps.log.event('http.failed', { route: context.req.path, code }, level)
    if (WRITE_FAILURES.includes(code)) return answer(context, diskRefusal())
    return problem(context, refuse('KOS_AUTHORITY_INTERNAL', 'internal'), 500)
  })
  return app
}

/** What the rooms below throw when nothing can be written. */
const WRITE_FAILURES: readonly string[] = ['KOS_STORAGE_FULL', 'KOS_AUDIT_UNAVAILABLE']

function diskRefusal(): Refused {
  const refusal = refuse('KOS_AUTHORITY_DISK', 'disk', {
    remedy: 'The authority cannot write to its disk: free space on its machine, then try again.',
    retryAfterMs: 1000,
  })
  return { kind: 'refused', refusal, status: 503 }
}

async function serve(deps: HttpAppDeps, route: Route, context: Context<Env>): Promise<Response> {
  const { incoming } = context.env
  const socket = incoming.socket as TLSSocket
  const arrived = { context, route, socket, source: socket.remoteAddress ?? '' }
  const caller = checkCaller(deps, arrived)
  const result = caller.refused ?? checkDisk(deps, route) ?? (await handle(arrived, caller))
  const isRecorded = !route.isUnrecorded
  if (result.kind === 'refused' && isRecorded && !UNRECORDED.includes(result.status)) {
    deps.onRefused({
      actor: caller.record?.uri ?? '-',
      source: arrived.source,
      action: `${route.method} ${route.path}`,
      refusal: result.recorded ?? result.refusal,
    })
    // The caller asks for a new token on this connection: it has to be of use yet.
    if (result.status === 401) await drain(incoming)
  }
  return answer(context, result, route.refusesAs)
}

/** What is not there, and what cannot be written down anyway. */
const UNRECORDED: readonly Refused['status'][] = [404, 503]

/** A request and where it comes from. */
interface Arrived {
  readonly context: Context<Env>
  readonly route: Route
  readonly socket: TLSSocket
  readonly source: string
}

type Refused = Extract<RouteAnswer, { kind: 'refused' }>

/** What the guard found: nobody, somebody, or somebody who may not. */
interface Caller {
  readonly record?: PrincipalRecord
  readonly signed?: SignedRequest
  readonly refused?: Refused
}

/** Whatever refuses a caller before the body is read, the cheapest first. */
function checkCaller(deps: HttpAppDeps, arrived: Arrived): Caller {
  const { route } = arrived
  const caller = checkCertificate(deps, arrived)
  const { record } = caller
  if (!record || caller.refused) return caller
  const limited = deps.takeRequest(record.id)
  if (limited) return { record, refused: { kind: 'refused', refusal: limited, status: 429 } }
  const signed = route.isUnsigned ? undefined : checkSignature(deps, arrived, record)
  if (signed && 'kind' in signed) return { record, refused: signed }
  const refused = roleProblem(route.guard, record)
  return { record, ...(signed && { signed }), ...(refused && { refused }) }
}

function checkDisk(deps: HttpAppDeps, route: Route): Refused | undefined {
  const writes = route.method !== 'GET' && !route.isUnrecorded
  return !writes || deps.canRecord() ? undefined : diskRefusal()
}

function checkSignature(
  deps: HttpAppDeps,
  { context }: Arrived,
  record: PrincipalRecord,
): SignedRequest | Refused {
  const { incoming } = context.env
  const field = (name: string): readonly string[] => headerValues(incoming.rawHeaders, name)
  const [host, ...otherHosts] = field('host')
  const target = incoming.url ?? ''
  if (host === undefined || otherHosts.length > 0 || !target.startsWith('/')) {
    return signatureRefused(refuse('KOS_SESSION_SIGNATURE', 'signature/target'))
  }
  const request = {
    method: incoming.method ?? '',
    targetUri: requestTarget(host, target),
    hasBody: hasBody(incoming),
    field,
  }
  const signed = deps.checkSignature(request, record)
  return isRefusal(signed) ? signatureRefused(signed) : signed
}

/** Header fields as they were sent: what Node joins or drops must not hide a second one. */
function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
  return rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name,
  )
}

/** From outside every failure of a signature looks alike. */
function signatureRefused(recorded: Refusal): Refused {
  if (recorded.retryAfterMs !== undefined) {
    return { kind: 'refused', refusal: recorded, status: 429 }
  }
  const refusal = refuse('KOS_SESSION_SIGNATURE', 'signature', {
    remedy: 'Sign with a session token in force, within 30 s of the authority’s time.',
  })
  return { kind: 'refused', refusal, recorded, status: 401 }
}

async function handle(arrived: Arrived, { record, signed }: Caller): Promise<RouteAnswer> {
  const { context, route, socket, source } = arrived
  const body = await readBody(context)
  const unsigned = await signed?.confirm(body, route.method === 'GET')
  if (unsigned) return signatureRefused(unsigned)
  return route.handle({
    caller: record,
    body,
    parameters: context.req.param() as Record<string, string>,
    query: context.req.query(),
    source,
    header: (name) => context.req.header(name),
    channelBinding: () =>
      socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)),
    exporter: () => socket.exportKeyingMaterial(32, ENROLMENT_EXPORTER_LABEL, Buffer.alloc(0)),
    leaf: () => socket.getPeerX509Certificate()?.raw,
  })
}

/**
 * Bounds a body by the length it declares, before anything else is done with the request. The HTTP
 * parser takes no more than that.
 */
function checkLength({ headers }: IncomingMessage, maxBytes: number): Refused | undefined {
  if (headers['transfer-encoding'] !== undefined) {
    return { kind: 'refused', refusal: refuse('KOS_AUTHORITY_REQUEST', 'body/length'), status: 411 }
  }
  if (Number(headers['content-length'] ?? '0') <= maxBytes) return undefined
  return { kind: 'refused', refusal: refuse('KOS_AUTHORITY_REQUEST', 'body/too-long'), status: 413 }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}

/** Size and the rate of the address come first; only then a certificate is looked at. */
function checkCertificate(deps: HttpAppDeps, arrived: Arrived): Caller {
  const { context, route, socket, source } = arrived
  const unfit = checkLength(context.env.incoming, route.maxBytes)
  if (unfit) return { refused: unfit }
  const limited = deps.takeRequest(source)
  if (limited) return { refused: { kind: 'refused', refusal: limited, status: 429 } }
  const { guard } = route
  if (guard === 'public' || guard === 'proof') return {}
  const leaf = socket.getPeerX509Certificate()?.raw
  if (!leaf) return { refused: guardRefused(guard, 'certificate-missing') }
  const record = deps.identify(leaf, socket)
  return isRefusal(record) ? { refused: guardRefused(guard, 'certificate') } : { record }
}

function roleProblem(guard: Guard, { kind, roles }: PrincipalRecord): Refused | undefined {
  if (guard === 'public' || guard === 'proof' || guard === 'member') return undefined
  const passing: readonly string[] = PASSES[guard]
  if (kind === 'user' && roles.some((role) => passing.includes(role))) return undefined
  const held = kind === 'user' ? `yours: ${roles.join(', ') || 'none'}` : 'yours is no user'
  const remedy = `Use the credential of a user with the role ${passing.join(' or ')} (${held}).`
  return guardRefused(guard, 'role', remedy)
}

function guardRefused(
  guard: Guard,
  check: string,
  remedy: string = `Use the credential of an active principal with the right "${guard}".`,
): Refused {
  const refusal = refuse('KOS_AUTHORITY_GUARD', `guard/${guard}/${check}`, { remedy })
  return { kind: 'refused', refusal, status: 403 }
}

/** Reads a body whose declared length was found small enough. */
async function readBody(context: Context<Env>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of context.env.incoming as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Reads what is left of a body, and keeps nothing; its declared length was found small enough. */
async function drain(incoming: IncomingMessage): Promise<void> {
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) void chunk
}

function notFound(): RouteAnswer {
  return {
    kind: 'refused',
    refusal: refuse('KOS_AUTHORITY_NOT_FOUND', 'route'),
    status: 404,
  }
}

function answer(
  context: Context<Env>,
  result: RouteAnswer,
  refusesAs?: Route['refusesAs'],
): Response {
  switch (result.kind) {
    case 'json':
      return context.json(result.value as object, result.status ?? 200)
    case 'cbor':
      return context.body(new Uint8Array(result.bytes), 200, { 'content-type': 'application/cbor' })
    case 'text':
      return plain(context, 200, result)
    case 'refused':
      return refusesAs === 'text'
        ? plain(context, result.status, textOf(context, result))
        : problem(context, result.refusal, result.status)
  }
}

/** A text with its length: some clients know no chunks. */
function plain(
  context: Context<Env>,
  status: Refused['status'] | 200,
  answered: Omit<Extract<RouteAnswer, { kind: 'text' }>, 'kind'>,
): Response {
  const { contentType, text, headers } = answered
  return context.body(text, status, {
    ...headers,
    'content-type': contentType,
    'content-length': String(Buffer.byteLength(text)),
  })
}

/** A refusal as a person reads it in the log of a foreign client. @see RFC 7030 section 4.2.3 */
function textOf(
  context: Context<Env>,
  { refusal, headers }: Refused,
): Omit<Extract<RouteAnswer, { kind: 'text' }>, 'kind'> {
  closeUnread(context)
  const { code, rule, remedy, retryAfterMs } = refusal
  const message = MESSAGES.get(code)?.message ?? 'The request is refused.'
  const lines = [`${code} (${rule}): ${message}`, ...(remedy === undefined ? [] : [remedy]), '']
  const seconds = retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000)
  return {
    contentType: 'text/plain; charset=utf-8',
    text: lines.join('\n'),
    headers: { ...headers, ...(seconds !== undefined && { 'retry-after': String(seconds) }) },
  }
}

/** What people are told of a code. */
const MESSAGES: ReadonlyMap<string, ErrorRow> = new Map(
  [authorityErrors, enrolmentErrors].flatMap(({ rows }) => Object.entries(rows)),
)

/** A connection whose request was not read to its end is of no further use. */
function closeUnread(context: Context<Env>): void {
  const { incoming } = context.env
  if (hasBody(incoming) && !incoming.readableEnded) context.header('connection', 'close')
}

/** A refusal as JSON. */
function problem(
  context: Context<Env>,
  refusal: Refusal,
  status: Refused['status'] | 500,
): Response {
  closeUnread(context)
  const { code, rule, remedy, details, retryAfterMs } = refusal
  return context.json({ code, rule, remedy, details, retryAfterMs }, status)
}
