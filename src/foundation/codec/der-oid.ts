import { codecErrors } from './errors.ts'

/** An object identifier in dotted form, for example `2.5.29.17`; arcs of any size. */
export type ObjectIdentifier = string

/** Longest encoded object identifier: an arc of 128 bits takes 19 bytes. */
const MAX_OID_BYTES = 64
const DOTTED = /^[0-2](?:\.(?:0|[1-9][0-9]{0,63}))+$/

/**
 * Content octets of an OBJECT IDENTIFIER.
 *
 * @param oid - dotted form with at least two arcs
 * @throws KosError KOS_CODEC_DER when the text is not an object identifier
 * @see X.690 section 8.19
 */
export function encodeOid(oid: ObjectIdentifier): Uint8Array {
  if (!DOTTED.test(oid)) throw codecErrors.error('KOS_CODEC_DER', { rule: 'oid-text' })
  const [first = '', second = '', ...rest] = oid.split('.')
  // X.660: below the roots 0 and 1 only 40 arcs exist, which makes the pair one subidentifier.
  if (first !== '2' && Number(second) > 39) {
    throw codecErrors.error('KOS_CODEC_DER', { rule: 'oid-text' })
  }
  const bytes: number[] = []
  pushArc(bytes, String(BigInt(first) * 40n + BigInt(second)))
  for (const arc of rest) pushArc(bytes, arc)
  if (bytes.length > MAX_OID_BYTES) throw codecErrors.error('KOS_CODEC_DER', { rule: 'oid-size' })
  return Uint8Array.from(bytes)
}

function pushArc(bytes: number[], arc: string): void {
  const small = Number(arc)
  if (small < 0x80) {
    bytes.push(small)
    return
  }
  const groups: number[] = []
  let value = BigInt(arc)
  do {
    groups.push(Number(value & 0x7fn))
    value >>= 7n
  } while (value > 0n)
  for (let i = groups.length - 1; i >= 0; i--) {
    bytes.push((groups[i] ?? 0) | (i > 0 ? 0x80 : 0))
  }
}

/**
 * Reads the content octets of an OBJECT IDENTIFIER.
 *
 * @throws KosError KOS_CODEC_DER when an arc is cut off, padded, or the whole is over 64 bytes
 */
export function decodeOid(content: Uint8Array): ObjectIdentifier {
  if (content.length === 0 || content.length > MAX_OID_BYTES) {
    throw codecErrors.error('KOS_CODEC_DER', { rule: 'oid-size' })
  }
  // The last octet must end its arc: high bit clear.
  if ((content[content.length - 1] ?? 0x80) & 0x80) {
    throw codecErrors.error('KOS_CODEC_DER', { rule: 'oid-cut' })
  }
  let text = ''
  for (let at = 0; at < content.length;) {
    // X.690 section 8.19.2: the first octet of a subidentifier is never 0x80 (padding).
    if (content[at] === 0x80) throw codecErrors.error('KOS_CODEC_DER', { rule: 'oid-padding' })
    let end = at
    while ((content[end] ?? 0) & 0x80) end++
    const arc = readArc(content, at, end)
    text = text === '' ? firstArcs(arc) : `${text}.${arc}`
    at = end + 1
  }
  return text
}

function readArc(content: Uint8Array, start: number, end: number): number | bigint {
  // Seven groups are 49 bits: safe as a number, and nearly every arc is that short.
  if (end - start < 7) {
    let value = 0
    for (let i = start; i <= end; i++) value = value * 128 + ((content[i] ?? 0) & 0x7f)
    return value
  }
  let value = 0n
  for (let i = start; i <= end; i++) value = (value << 7n) | BigInt((content[i] ?? 0) & 0x7f)
  return value
}

function firstArcs(subidentifier: number | bigint): string {
  if (subidentifier < 40) return `0.${subidentifier}`
  if (subidentifier < 80) return `1.${Number(subidentifier) - 40}`
  return `2.${BigInt(subidentifier) - 80n}`
}
