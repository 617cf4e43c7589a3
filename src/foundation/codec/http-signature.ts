import { createHmac } from 'node:crypto'
import { equalConstantTime, type Secret } from '../base/index.ts'
import { codecErrors } from './errors.ts'
import {
  type BareItem,
  type FieldItem,
  type FieldParameters,
  type InnerList,
  parseDictionary,
  writeFieldItem,
  writeInnerList,
} from './structured-fields.ts'

/** An HTTP message as far as signatures look at it. */
export interface HttpMessage {
  /** Of a request. */
  readonly method?: string
  /** Of a request: absolute, as `https://host:port/path?query`. */
  readonly targetUri?: string
  /** Of a response. */
  readonly status?: number
  /**
   * The values of a header field in the order in which they were sent; none when it is not there.
   *
   * @param name - in lower case
   */
  field(name: string): readonly string[]
}

/** One signature of a message, parsed and not verified. */
export interface HttpSignature {
  /** What binds the two header fields together. */
  readonly label: string
  /** The covered components with their order, and the parameters. */
  readonly covered: InnerList
  readonly signature: Uint8Array
}

/** What a signature is to cover and say. */
export interface HttpSignatureRequest {
  readonly label: string
  /** Names of components without parameters, such as `@method`. */
  readonly components: readonly string[]
  /** In the order in which they are written. */
  readonly parameters: FieldParameters
}

/** The two header fields of a signature. */
export interface HttpSignatureFields {
  readonly 'signature-input': string
  readonly signature: string
}

const NO_PARAMETERS: FieldParameters = new Map()

/**
 * Parses the two header fields of signatures: both name the same labels, each one once.
 *
 * @param signatureInput - value of the only `Signature-Input` field
 * @param signature - value of the only `Signature` field
 * @returns the signatures in the order of `Signature-Input`; nothing of them is verified
 * @throws KOS_CODEC_HTTP when either is malformed, or both do not belong together
 * @see RFC 9421 section 4
 */
export function parseHttpSignatures(
  signatureInput: string,
  signature: string,
): readonly HttpSignature[] {
  const inputs = parseDictionary(signatureInput)
  const values = parseDictionary(signature)
  if (inputs.size !== values.size) throw malformed('signature: labels')
  return [...inputs].map(([label, covered]) => {
    const value = values.get(label)
    if (!('items' in covered)) throw malformed('signature-input: no list')
    if (!value || 'items' in value || value.item.kind !== 'bytes' || value.parameters.size > 0) {
      throw malformed('signature: no bytes')
    }
    return { label, covered, signature: value.item.value }
  })
}

/**
 * Builds the text that is signed.
 *
 * @param message - where the values come from
 * @param covered - components and parameters
 * @returns the signature base, one line per component, without a line break at its end
 * @throws KOS_CODEC_HTTP when a component is unknown, given twice or not in the message
 *
 * **Security:** whether the covered components suffice for a purpose is the caller's question.
 *
 * @see RFC 9421 section 2.5
 */
export function httpSignatureBase(message: HttpMessage, covered: InnerList): string {
  const lines: string[] = []
  const seen = new Set<string>()
  for (const component of covered.items) {
    const identifier = writeFieldItem(component)
    if (seen.has(identifier)) throw malformed('component: twice')
    seen.add(identifier)
    const value = componentValue(message, component)
    // A line break inside a value would let one component pass for two.
    if (/[\r\n]/.test(value)) throw malformed('component: line break')
    lines.push(`${identifier}: ${value}`)
  }
  lines.push(`"@signature-params": ${writeInnerList(covered)}`)
  return lines.join('\n')
}

/**
 * Signs a message with HMAC-SHA256.
 *
 * @param message - what is signed
 * @param request - label, components and parameters; `alg` is the caller's to add
 * @param secret - the shared key
 * @returns the two header fields to add
 * @throws KOS_CODEC_HTTP as {@link httpSignatureBase}
 * @see RFC 9421 section 3.3.3
 */
export function signHttpHmac(
  message: HttpMessage,
  request: HttpSignatureRequest,
  secret: Secret,
): HttpSignatureFields {
  const { label, components, parameters } = request
  const items = components.map((value): FieldItem => ({
    item: { kind: 'string', value },
    parameters: NO_PARAMETERS,
  }))
  const covered = { items, parameters }
  const mac = hmac(httpSignatureBase(message, covered), secret)
  return {
    'signature-input': `${label}=${writeInnerList(covered)}`,
    signature: `${label}=:${mac.toString('base64')}:`,
  }
}

/**
 * Whether a signature is HMAC-SHA256 over the message by a key; compared in constant time.
 *
 * **Security:** says nothing of times, nonces and which components are covered.
 *
 * @throws KOS_CODEC_HTTP when a covered component is unknown or not in the message
 * @see RFC 9421 section 3.3.3
 */
export function verifyHttpHmac(
  message: HttpMessage,
  { covered, signature }: HttpSignature,
  secret: Secret,
): boolean {
  return equalConstantTime(hmac(httpSignatureBase(message, covered), secret), signature)
}

function hmac(base: string, secret: Secret): Buffer {
  return secret.use((key) => createHmac('sha256', key).update(base, 'latin1').digest())
}

function componentValue(message: HttpMessage, { item, parameters }: FieldItem): string {
  if (item.kind !== 'string') throw malformed('component: no string')
  const name = item.value
  if (name === '@query-param') return queryParameter(message, parameters)
  // sf, key, bs, req and tr change what a name means: none of them is read.
  if (parameters.size > 0) throw malformed('component: parameter')
  const value = name.startsWith('@') ? derivedValue(message, name) : fieldValue(message, name)
  if (value === undefined) throw malformed('component: not in the message')
  return value
}

/** @see RFC 9421 section 2.1 */
function fieldValue(message: HttpMessage, name: string): string | undefined {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) throw malformed('component: field name')
  const values = message.field(name)
  if (values.length === 0) return undefined
  return values.map((value) => value.trim().replace(/[ \t]*\r\n[ \t]+/g, ' ')).join(', ')
}

/** @see RFC 9421 section 2.2 */
function derivedValue(message: HttpMessage, name: string): string | undefined {
  if (name === '@method') return message.method
  if (name === '@status') return message.status === undefined ? undefined : String(message.status)
  if (name === '@target-uri') return message.targetUri
  const target = splitTarget(message)
  switch (name) {
    case '@authority':
      return target.authority
    case '@scheme':
      return target.scheme
    case '@request-target':
      return target.path + target.query
    case '@path':
      return target.path
    case '@query':
      return target.query === '' ? '?' : target.query
    default:
      throw malformed('component: unknown')
  }
}

interface Target {
  readonly scheme: string
  readonly authority: string
  readonly path: string
  /** With its question mark; empty when there is none. */
  readonly query: string
}

const DEFAULT_PORT = /^https:(.*):443$|^http:(.*):80$/

function splitTarget({ targetUri }: HttpMessage): Target {
  const [, scheme = '', authority = '', path = '', query = ''] =
    /^([a-z]+):\/\/([^/?#]+)([^?#]*)(\?[^#]*)?$/.exec(targetUri ?? '') ?? []
  if (authority === '') throw malformed('component: no target')
  const host = authority.toLowerCase()
  const [, https, http] = DEFAULT_PORT.exec(`${scheme}:${host}`) ?? []
  return { scheme, authority: https ?? http ?? host, path: path === '' ? '/' : path, query }
}

/** @see RFC 9421 section 2.2.8 */
function queryParameter(message: HttpMessage, parameters: FieldParameters): string {
  const name: BareItem | undefined = parameters.get('name')
  if (name?.kind !== 'string' || parameters.size !== 1) throw malformed('component: parameter')
  const pairs = [...new URLSearchParams(splitTarget(message).query)]
  const [only, ...others] = pairs.filter(([key]) => percentEncode(key) === name.value)
  if (!only || others.length > 0) throw malformed('component: not in the message')
  return percentEncode(only[1])
}

/** What encodeURIComponent leaves and forms do not. */
function percentEncode(text: string): string {
  const hex = (character: string): string =>
    `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text).replace(/[!'()~]/g, hex)
}

function malformed(rule: string): Error {
  return codecErrors.error('KOS_CODEC_HTTP', { rule })
}
