import {
  fromBase64Url,
  refuse,
  type Refusal,
  type Secret,
  toBase64Url,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  type BareItem,
  codecErrors,
  contentDigest,
  type HttpMessage,
  type HttpSignature,
  parseHttpSignatures,
  signHttpHmac,
  verifyHttpHmac,
} from '../../foundation/codec/index.ts'

/** How far the date of a signed request may be from the receiver's clock, and how long it holds. */
export const REQUEST_SKEW_MS: number = 30_000
/** Bytes of the handle that names a token, and of a nonce. */
const NAME_BYTES = 16
const LABEL = 'kos'
const ALGORITHM = 'hmac-sha256'
/** Everything a request says: the target with scheme and host, and the body by its digest. */
const COMPONENTS: readonly string[] = ['@method', '@target-uri']
const BODY_COMPONENTS: readonly string[] = [...COMPONENTS, 'content-digest']

/** The parameters that a signature has: these, each once, and no other. */
const PARAMETERS: Readonly<Record<string, BareItem['kind']>> = {
  created: 'integer',
  expires: 'integer',
  nonce: 'string',
  keyid: 'string',
  alg: 'string',
}

/** A request about to be sent. */
export interface RequestToSign {
  readonly method: string
  /** See {@link requestTarget}. */
  readonly targetUri: string
  /** Absent or empty: a request without a body. */
  readonly body?: Uint8Array | undefined
}

/** What a request is signed with. */
export interface RequestSigner {
  /** The handle of the token, 16 bytes. */
  readonly handle: Uint8Array
  readonly secret: Secret
  /** The receiver's time, as far as the sender knows it. */
  readonly now: UnixMs
  /** 16 random bytes, new for every request. */
  readonly nonce: Uint8Array
}

/** The header fields that sign a request. */
export type RequestSignature = Readonly<
  Record<'signature-input' | 'signature', string> & { 'content-digest'?: string }
>

/** The target URI that both ends sign: the host in lower case, without the default port. */
export function requestTarget(host: string, pathAndQuery: string): string {
  return `https://${host.toLowerCase().replace(/:443$/, '')}${pathAndQuery}`
}

/**
 * Signs a request to the HTTP API.
 *
 * @param request - method, target and body
 * @param signer - the token, the receiver's time and a fresh nonce
 * @returns the header fields to send with it
 * @see RFC 9421 section 3.3.3
 * @see RFC 9530 section 2
 */
export function signRequest(request: RequestToSign, signer: RequestSigner): RequestSignature {
  const { method, targetUri, body } = request
  const created = Math.floor(signer.now / 1000)
  const digest = body === undefined || body.length === 0 ? undefined : contentDigest(body)
  const message: HttpMessage = {
    method,
    targetUri,
    field: () => (digest === undefined ? [] : [digest]),
  }
  const parameters = new Map<string, BareItem>([
    ['created', { kind: 'integer', value: created }],
    ['expires', { kind: 'integer', value: created + REQUEST_SKEW_MS / 1000 }],
    ['nonce', { kind: 'string', value: toBase64Url(signer.nonce) }],
    ['keyid', { kind: 'string', value: toBase64Url(signer.handle) }],
    ['alg', { kind: 'string', value: ALGORITHM }],
  ])
  const components = digest === undefined ? COMPONENTS : BODY_COMPONENTS
  const fields = signHttpHmac(message, { label: LABEL, components, parameters }, signer.secret)
  return digest === undefined ? fields : { ...fields, 'content-digest': digest }
}

/** A request as it arrived. */
export interface ArrivedRequest extends HttpMessage {
  readonly method: string
  readonly targetUri: string
  readonly hasBody: boolean
}

/** A signature in the one accepted form, in time, and not verified yet. */
export interface ArrivedSignature {
  /** Handle of the token that it names, base64url. */
  readonly handle: string
  /** 16 bytes, base64url. */
  readonly nonce: string
  /** From when on the same request is refused for its time alone: so long its nonce is kept. */
  readonly endsAt: UnixMs
  /** The digest that the signature covers; `undefined` without a body. */
  readonly contentDigest: string | undefined
  /** Whether the secret made it; in constant time. */
  verify(secret: Secret): boolean
}

/**
 * Reads the signature of a request to the HTTP API: exactly one, over exactly method, target and
 * digest of the body, with exactly the parameters that it needs, within ± 30 s.
 *
 * @param request - the request, its body not read yet
 * @param now - one reading of the own clock
 * @returns the signature, or a refusal KOS_SESSION_SIGNATURE whose rule names the check; tell the
 *   caller no more than the code
 *
 * **Security:** the caller finds the secret, checks whose token it is, the body against the digest,
 * and that the nonce is new, in this order.
 */
export function readRequestSignature(
  request: ArrivedRequest,
  now: UnixMs,
): ArrivedSignature | Refusal {
  const input = onlyField(request, 'signature-input')
  if (typeof input !== 'string') return input
  const value = onlyField(request, 'signature')
  if (typeof value !== 'string') return value
  const digest = request.hasBody ? onlyField(request, 'content-digest') : undefined
  if (digest !== undefined && typeof digest !== 'string') return digest
  const signature = parseOnly(input, value)
  if (!('covered' in signature)) return signature
  const components = request.hasBody ? BODY_COMPONENTS : COMPONENTS
  if (!covers(signature, components)) return refused('components')
  const named = parametersOf(signature)
  if (!named) return refused('parameters')
  const { created, expires, nonce, handle } = named
  const endsAt = Math.min(expires * 1000, created * 1000 + REQUEST_SKEW_MS)
  if (created * 1000 > now + REQUEST_SKEW_MS) return refused('future')
  // An end before the beginning counts as over, too.
  if (endsAt < now || expires < created) return refused('old')
  return {
    handle,
    nonce,
    endsAt: unixMs(endsAt),
    contentDigest: digest,
    verify: (secret) => verifyHttpHmac(request, signature, secret),
  }
}

/** A field that is sent twice means one thing to one reader and another to the next. */
function onlyField(request: ArrivedRequest, name: string): string | Refusal {
  const [first, ...others] = request.field(name)
  if (first === undefined) return refused('missing')
  return others.length === 0 ? first : refused('duplicated')
}

function parseOnly(input: string, value: string): HttpSignature | Refusal {
  try {
    const [signature, ...others] = parseHttpSignatures(input, value)
    if (!signature) return refused('missing')
    return others.length === 0 ? signature : refused('several')
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refused('format')
  }
}

function covers({ covered }: HttpSignature, components: readonly string[]): boolean {
  const { items } = covered
  return (
    items.length === components.length &&
    items.every(
      ({ item, parameters }, index) =>
        item.kind === 'string' && item.value === components[index] && parameters.size === 0,
    )
  )
}

interface NamedParameters {
  /** Seconds. */
  readonly created: number
  readonly expires: number
  readonly nonce: string
  readonly handle: string
}

function parametersOf({ covered }: HttpSignature): NamedParameters | undefined {
  const { parameters } = covered
  const names = Object.keys(PARAMETERS)
  const fits = names.every((name) => parameters.get(name)?.kind === PARAMETERS[name])
  if (!fits || parameters.size !== names.length) return undefined
  const [created, expires, nonce, keyId, algorithm] = names.map(
    (name) => parameters.get(name)?.value,
  )
  const handle = nameOf(keyId)
  const unique = nameOf(nonce)
  const isAlgorithm = algorithm === ALGORITHM
  if (handle === undefined || unique === undefined || !isAlgorithm) return undefined
  return { created: Number(created), expires: Number(expires), nonce: unique, handle }
}

/** The canonical spelling of 16 bytes: one nonce must not have two. */
function nameOf(value: BareItem['value'] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  return fromBase64Url(value)?.length === NAME_BYTES ? value : undefined
}

function refused(check: string): Refusal {
  return refuse('KOS_SESSION_SIGNATURE', `signature/${check}`)
}
