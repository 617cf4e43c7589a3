import { type KosError, type SafeDetails } from '../base/index.ts'
import { codecErrors } from './errors.ts'

/** A map key: text, or an integer in the safe range. */
export type CborKey = string | number

/** A decoded map. Keys keep the deterministic order of the encoding. */
export type CborMap = ReadonlyMap<CborKey, CborValue>

/**
 * A decoded value. Integers in the safe range are `number`, others `bigint`; a `number` that is not
 * a safe integer is a float.
 */
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborValue[]
  | CborMap
  | CborTag

/** What the encoder takes: every {@link CborValue}, and plain objects as maps with text keys. */
export type CborInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CborTag
  | readonly CborInput[]
  | ReadonlyMap<CborKey, CborInput>
  | { readonly [key: string]: CborInput }

/**
 * A tagged value; decoded only where the caller allows the tag.
 *
 * **Security:** the content is not checked against the meaning of the tag.
 *
 * @see RFC 8949 section 3.4
 */
export class CborTag {
  /** The tag number, an integer from 0 to 2^53 − 1. */
  readonly tag: number
  readonly value: CborValue

  constructor(tag: number, value: CborValue) {
    this.tag = tag
    this.value = value
    Object.freeze(this)
  }
}

/** The bounds of one decoding. */
export interface CborLimits {
  /** Length of the whole encoding in bytes. */
  readonly maxBytes: number
  /** Containers and tags around a value: a scalar has depth 0, `[[]]` has depth 2. */
  readonly maxDepth: number
  /** Elements of all arrays, and keys and values of all maps, together. */
  readonly maxItems: number
  /** UTF-8 length of one text string, in bytes. */
  readonly maxTextBytes: number
  /** Tags that may occur; none by default. */
  readonly allowedTags: readonly number[]
}

/** The limits of the session protocol, and 1 MiB in all. */
export const DEFAULT_CBOR_LIMITS: CborLimits = Object.freeze({
  maxBytes: 1024 * 1024,
  maxDepth: 16,
  maxItems: 4096,
  maxTextBytes: 16 * 1024,
  allowedTags: Object.freeze([]),
})

/** Makes the room's error for a violated rule; details never carry input. */
export function cborError(rule: string, details: SafeDetails = {}): KosError<'KOS_CODEC_CBOR'> {
  return codecErrors.error('KOS_CODEC_CBOR', { rule, ...details }) as KosError<'KOS_CODEC_CBOR'>
}

/** Whether a value is a key: text, or an integer in the safe range. */
export function isCborKey(value: unknown): value is CborKey {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

/**
 * The order of map keys: bytewise by encoding, which puts non-negative integers before negative
 * ones, those before text, and shorter text before longer.
 *
 * @returns below, equal to or above 0, as a sort function wants it
 * @see RFC 8949 section 4.2.1
 */
export function compareCborKeys(a: CborKey, b: CborKey): number {
  if (typeof a === 'number') {
    if (typeof b !== 'number') return -1
    if (a < 0 !== b < 0) return a < 0 ? 1 : -1
    return a < 0 ? b - a : a - b
  }
  return typeof b === 'number' ? 1 : compareText(a, b)
}

function compareText(a: string, b: string): number {
  const lengthA = utf8Length(a)
  const byLength = lengthA - utf8Length(b)
  if (byLength !== 0) return byLength
  if (a === b) return 0
  // UTF-16 order and byte order agree for ASCII, but not between surrogates and U+E000…U+FFFF.
  if (lengthA === a.length) return a < b ? -1 : 1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function utf8Length(text: string): number {
  const length = text.length
  if (length > 32) return Buffer.byteLength(text)
  for (let index = 0; index < length; index += 1) {
    if (text.charCodeAt(index) >= 0x80) return Buffer.byteLength(text)
  }
  return length
}
