import { x509Error } from './x509-errors.ts'

/** Longest PEM text that is read: a 16 KiB certificate in base64 and its armour. */
export const MAX_PEM_CHARACTERS: number = 32_768

const LABEL = /^[A-Z0-9]+(?: [A-Z0-9]+)*$/

/**
 * Wraps bytes in PEM.
 *
 * @param label - for example `CERTIFICATE`
 * @param der - the bytes
 * @returns the text, ending in a line feed
 * @see RFC 7468 section 2
 */
export function pemEncode(label: string, der: Uint8Array): string {
  if (!LABEL.test(label)) throw x509Error('pem-label')
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  const lines = base64.replace(/(.{64})(?!$)/g, '$1\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

/**
 * Reads exactly one PEM block in the strict form: this label, lines of 64 characters, canonical
 * base64, nothing before or after but line ends.
 *
 * @throws KosError KOS_CODEC_X509 `pem` on anything else
 * @see RFC 7468 section 3, stricttextualmsg
 */
export function pemDecode(text: string, label: string): Uint8Array {
  if (text.length > MAX_PEM_CHARACTERS) throw x509Error('pem')
  const unix = `${text.replaceAll('\r\n', '\n').trimEnd()}\n`
  const begin = `-----BEGIN ${label}-----\n`
  const end = `\n-----END ${label}-----\n`
  if (!unix.startsWith(begin) || !unix.endsWith(end)) throw x509Error('pem')
  const base64 = unix.slice(begin.length, -end.length).replaceAll('\n', '')
  const der = Buffer.from(base64, 'base64')
  // One comparison covers line lengths, alphabet, padding and stray bits.
  if (pemEncode(label, der) !== unix) throw x509Error('pem')
  return der
}
