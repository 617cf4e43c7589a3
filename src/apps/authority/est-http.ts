import { refuse, type Refusal } from '../../foundation/base/index.ts'

/** Where EST lives on every server. @see RFC 7030 section 3.2.2 */
export const EST_PATH = '/.well-known/est'

/** What HTTP Basic carries. */
export interface BasicCredential {
  readonly user: string
  readonly password: string
}

/** Longest header that is looked at: a token id and its secret take 91 characters. */
const MAX_BASIC_CHARACTERS = 512
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Reads the credential of HTTP Basic.
 *
 * @param header - of `Authorization`
 * @returns `undefined` when there is none, or another scheme
 * @see RFC 7617 section 2
 */
export function parseBasic(header: string | undefined): BasicCredential | undefined {
  if (header === undefined || header.length > MAX_BASIC_CHARACTERS) return undefined
  const [, encoded = ''] = BASIC.exec(header) ?? []
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const at = text.indexOf(':')
  return at < 1 ? undefined : { user: text.slice(0, at), password: text.slice(at + 1) }
}

/**
 * Decodes the body of an EST request: base64, with line breaks, spaces and tabs or without.
 *
 * @param body - its size is bounded by the caller
 * @returns the bytes, or a refusal `KOS_ENROLMENT_CSR`
 * @see RFC 8951 section 3.1
 */
export function decodeEstBody(body: Uint8Array): Uint8Array | Refusal {
  const text = Buffer.from(body)
    .toString('latin1')
    .replaceAll(/[\t\n\r ]/g, '')
  const bytes = Buffer.from(text, 'base64')
  // Encoding again covers padding, length and stray bits.
  if (bytes.length > 0 && BASE64.test(text) && bytes.toString('base64') === text) return bytes
  return refuse('KOS_ENROLMENT_CSR', 'csr/base64', {
    remedy: 'Send base64 of a DER request, without PEM lines: docs/est.md.',
  })
}

/**
 * Encodes the body of an EST answer: base64 in lines, which every decoder reads.
 *
 * @see RFC 8951 section 3.1
 */
export function encodeEstBody(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n')
}
