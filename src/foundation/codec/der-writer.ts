import { concatBytes, type UnixMs, utf8 } from '../base/index.ts'
import { DER_TAG, PRINTABLE_STRING, VISIBLE_ASCII } from './der-tags.ts'
import { encodeOid, type ObjectIdentifier } from './der-oid.ts'
import { codecErrors } from './errors.ts'

/** Largest value this writer produces; far above every certificate, below any surprise. */
const MAX_DER_BYTES = 1 << 24

/**
 * One tag-length-value with a definite, minimal length.
 *
 * @param tag - identifier octet (low tag numbers only)
 * @param content - content octets
 * @throws KosError KOS_CODEC_DER when the content reaches 16 MiB
 * @see X.690 section 10.1
 */
export function derTlv(tag: number, content: Uint8Array): Uint8Array {
  const length = content.length
  if (length >= MAX_DER_BYTES) throw codecErrors.error('KOS_CODEC_DER', { rule: 'size' })
  const header = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : 5
  const out = Buffer.allocUnsafe(header + length)
  out[0] = tag
  if (header === 2) out[1] = length
  else {
    out[1] = 0x80 | (header - 2)
    out.writeUIntBE(length, 2, header - 2)
  }
  out.set(content, header)
  return out
}

/** SEQUENCE of already encoded elements. */
export function derSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return derTlv(DER_TAG.sequence, concatBytes(...elements))
}

/** SET OF: the encoded elements are sorted as DER demands. @see X.690 section 11.6 */
export function derSetOf(...elements: readonly Uint8Array[]): Uint8Array {
  return derTlv(DER_TAG.set, concatBytes(...elements.toSorted((a, b) => Buffer.compare(a, b))))
}

/**
 * INTEGER from a small number.
 *
 * @param value - 0 to 2^48 − 1
 * @throws KosError KOS_CODEC_DER when the value is negative, fractional or larger
 */
export function derInteger(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 48) {
    throw codecErrors.error('KOS_CODEC_DER', { rule: 'integer-range' })
  }
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUIntBE(value, 0, 6)
  return derUnsigned(bytes)
}

/** INTEGER from an unsigned big-endian magnitude; leading zeros are dropped. */
export function derUnsigned(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const minimal = magnitude.subarray(start)
  // A set high bit would read as negative: X.690 section 8.3.3 wants one zero octet before it.
  const needsZero = minimal.length === 0 || (minimal[0] ?? 0) >= 0x80
  return derTlv(DER_TAG.integer, needsZero ? concatBytes(ZERO, minimal) : minimal)
}

const ZERO = Uint8Array.of(0)

/** BOOLEAN: 00 or FF. @see X.690 section 11.1 */
export function derBoolean(value: boolean): Uint8Array {
  return Buffer.from([DER_TAG.boolean, 1, value ? 0xff : 0])
}

/** What is written is a handful of constants of the standards, again and again; always the same bytes. */
const ENCODED_OIDS = new Map<ObjectIdentifier, Uint8Array>()
const MAX_ENCODED_OIDS = 64

/** OBJECT IDENTIFIER from its dotted form. */
export function derOid(oid: ObjectIdentifier): Uint8Array {
  let encoded = ENCODED_OIDS.get(oid)
  if (!encoded) {
    encoded = derTlv(DER_TAG.objectIdentifier, encodeOid(oid))
    if (ENCODED_OIDS.size < MAX_ENCODED_OIDS) ENCODED_OIDS.set(oid, encoded)
  }
  return Buffer.from(encoded)
}

/** OCTET STRING. */
export function derOctetString(bytes: Uint8Array): Uint8Array {
  return derTlv(DER_TAG.octetString, bytes)
}

/** BIT STRING of whole bytes. */
export function derBitString(bytes: Uint8Array): Uint8Array {
  return derTlv(DER_TAG.bitString, concatBytes(ZERO, bytes))
}

/**
 * BIT STRING as a named bit list: trailing zero bits are dropped.
 *
 * @param bits - positions of the set bits, 0 = first; each 0 to 31
 * @see X.690 section 11.2.2
 */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  const last = Math.max(-1, ...bits)
  const bytes = Buffer.alloc(1 + Math.ceil((last + 1) / 8))
  for (const bit of bits) {
    const at = 1 + (bit >> 3)
    bytes[at] = (bytes[at] ?? 0) | (0x80 >> (bit & 7))
  }
  if (last >= 0) bytes[0] = 7 - (last & 7)
  return derTlv(DER_TAG.bitString, bytes)
}

/** UTF8String. */
export function derUtf8String(text: string): Uint8Array {
  return derTlv(DER_TAG.utf8String, utf8(text))
}

/** PrintableString; throws KOS_CODEC_DER on a character outside its set. */
export function derPrintableString(text: string): Uint8Array {
  if (!PRINTABLE_STRING.test(text)) throw codecErrors.error('KOS_CODEC_DER', { rule: 'printable' })
  return derTlv(DER_TAG.printableString, utf8(text))
}

/** IA5String content under any tag (names use context tags); visible ASCII only. */
export function derIa5(tag: number, text: string): Uint8Array {
  if (!VISIBLE_ASCII.test(text)) throw codecErrors.error('KOS_CODEC_DER', { rule: 'ia5' })
  return derTlv(tag, utf8(text))
}

/**
 * A certificate time: UTCTime through 2049, GeneralizedTime after; seconds, always `Z`.
 *
 * @param time - wall-clock milliseconds from 1950 to 9999; fractions of a second are cut off
 * @throws KosError KOS_CODEC_DER when the time is outside that range
 * @see RFC 5280 section 4.1.2.5
 */
export function derTime(time: UnixMs): Uint8Array {
  if (!(time >= MIN_TIME_MS && time <= MAX_TIME_MS)) {
    throw codecErrors.error('KOS_CODEC_DER', { rule: 'time-range' })
  }
  const iso = new Date(time).toISOString()
  const digits = `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`
  return time < GENERALIZED_FROM_MS
    ? derTlv(DER_TAG.utcTime, utf8(digits.slice(2)))
    : derTlv(DER_TAG.generalizedTime, utf8(digits))
}

const MIN_TIME_MS = Date.UTC(1950, 0, 1)
const MAX_TIME_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
/** First instant that no longer fits UTCTime. */
export const GENERALIZED_FROM_MS: number = Date.UTC(2050, 0, 1)
