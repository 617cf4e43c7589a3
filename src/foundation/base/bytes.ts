import { hash, timingSafeEqual } from 'node:crypto'
import type { Brand } from './brand.ts'

/** A SHA-256 digest, 32 bytes. */
export type Sha256 = Brand<Uint8Array, 'Sha256'>

/** SHA-256 of bytes. @see FIPS 180-4 */
export function sha256(bytes: Uint8Array): Sha256 {
  return hash('sha256', bytes, 'buffer') as unknown as Sha256
}

/** Joins byte arrays into a new one. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts)
}

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return view(bytes).toString('hex')
}

/** The first bytes of an array in lower-case hexadecimal, without a view of them. */
export function prefixToHex(bytes: Uint8Array, length: number): string {
  return view(bytes).toString('hex', 0, length)
}

/** Strict lower-case hexadecimal to bytes; `undefined` when the text is anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  return text.length % 2 === 0 && /^[0-9a-f]*$/.test(text) ? Buffer.from(text, 'hex') : undefined
}

/** base64url without padding. @see RFC 4648 section 5 */
export function toBase64Url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url')
}

/** Strict base64url without padding to bytes; `undefined` when the text is not the canonical form. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** Lower-case base32 without padding. @see RFC 4648 section 6 */
export function toBase32(bytes: Uint8Array): string {
  let bits = 0
  let value = 0
  let text = ''
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BASE32.charAt((value >>> bits) & 31)
    }
    value &= (1 << bits) - 1
  }
  return bits > 0 ? text + BASE32.charAt((value << (5 - bits)) & 31) : text
}

/** Equality of public bytes; not constant in time. For secrets use {@link equalConstantTime}. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && view(a).equals(b)
}

/** Equality whose time depends on the lengths only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
