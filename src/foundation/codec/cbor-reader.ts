import { isUtf8 } from 'node:buffer'
import type { KosError } from '../base/index.ts'
import { copyBytes } from './cbor-bytes.ts'
import { readName } from './cbor-names.ts'
import {
  cborError,
  type CborKey,
  type CborLimits,
  type CborMap,
  CborTag,
  type CborValue,
  compareCborKeys,
  DEFAULT_CBOR_LIMITS,
} from './cbor-types.ts'

/** What comes next in a {@link CborReader}. */
export type CborKind =
  | 'uint'
  | 'negative'
  | 'bytes'
  | 'text'
  | 'array'
  | 'map'
  | 'tag'
  | 'simple'
  | 'end'

const KINDS: readonly CborKind[] = [
  'uint',
  'negative',
  'bytes',
  'text',
  'array',
  'map',
  'tag',
  'simple',
]
const [UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE] = [0, 1, 2, 3, 4, 5, 6, 7]
/** Up to this length, text is checked for ASCII by a loop, and then needs no UTF-8 check. */
const SHORT_TEXT = 64
const UINT32 = 2 ** 32

/**
 * Reads deterministic CBOR strictly, item by item, without copying. For hot paths; elsewhere
 * {@link decodeCbor} is simpler. After an error the reader must not be used further.
 *
 * **Security:** with `map`, the caller reads each key by {@link CborReader.nextKey}, which refuses
 * unsorted and double keys; depth counts inside `value` and `raw` only; `bytes` and `raw` return
 * views, to be copied when they are kept; finish with `end`.
 *
 * @see RFC 8949 section 4.2.1
 * @example
 * ```ts
 * import { CborReader } from 'kos/codec'
 * const reader = new CborReader(Uint8Array.of(0x82, 0x01, 0x61, 0x61))
 * reader.array() // 2
 * reader.uint() // 1
 * reader.text() // 'a'
 * reader.end()
 * ```
 */
export class CborReader {
  readonly #buffer: Buffer
  readonly #limits: CborLimits
  #at = 0
  #items = 0
  #argument = 0

  /**
   * @param bytes - one encoded item or a sequence
   * @param limits - bounds; the rest by default
   * @throws KOS_CODEC_CBOR when `bytes` is longer than `maxBytes`
   */
  constructor(bytes: Uint8Array, limits?: Partial<CborLimits>) {
    this.#limits =
      limits === undefined ? DEFAULT_CBOR_LIMITS : { ...DEFAULT_CBOR_LIMITS, ...limits }
    if (bytes.length > this.#limits.maxBytes) throw cborError('limit: bytes')
    this.#buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** Offset of the next item in bytes. */
  get position(): number {
    return this.#at
  }

  /** What comes next, without reading it. */
  peek(): CborKind {
    const initial = this.#buffer[this.#at]
    return initial === undefined ? 'end' : (KINDS[initial >> 5] ?? 'simple')
  }

  /** Whether null comes next; it is read when it does. */
  skipNull(): boolean {
    if (this.#buffer[this.#at] !== 0xf6) return false
    this.#at += 1
    return true
  }

  /** An unsigned integer up to 2^53 − 1. */
  uint(): number {
    this.#expect(UINT, 'uint')
    if (this.#argument > Number.MAX_SAFE_INTEGER) throw this.#error('uint: out of range')
    return this.#argument
  }

  /** An integer in the safe range. */
  int(): number {
    const major = this.#head()
    if (major !== UINT && major !== NEGATIVE) throw this.#error('expected: int')
    const value = major === UINT ? this.#argument : -1 - this.#argument
    if (!Number.isSafeInteger(value)) throw this.#error('int: out of range')
    return value
  }

  /** A text string. */
  text(): string {
    this.#expect(TEXT, 'text')
    return this.#text()
  }

  /** A text string that is likely to come again, such as a command: cheaper than `text` then. */
  name(): string {
    this.#expect(TEXT, 'text')
    return this.#name()
  }

  /** A byte string, as a view into the input. */
  bytes(): Uint8Array {
    this.#expect(BYTES, 'bytes')
    const start = this.#at
    return this.#buffer.subarray(start, this.#advance(this.#argument))
  }

  /** The head of an array: the number of elements to read. */
  array(): number {
    this.#expect(ARRAY, 'array')
    return this.#count(1)
  }

  /** The head of a map: the number of pairs to read, each key by {@link CborReader.nextKey}. */
  map(): number {
    this.#expect(MAP, 'map')
    return this.#count(2)
  }

  /**
   * The next key of a map.
   *
   * @param previous - the key before it in the same map; `undefined` for the first
   * @throws KOS_CODEC_CBOR when it is not above the key before it
   */
  nextKey(previous: CborKey | undefined): CborKey {
    const major = this.#head()
    const key = major === TEXT ? this.#name() : this.#keyInteger(major)
    if (previous !== undefined && compareCborKeys(previous, key) >= 0) {
      throw this.#error('map: keys not sorted or not unique')
    }
    return key
  }

  /** The number of a tag; its content follows. */
  tag(): number {
    this.#expect(TAG, 'tag')
    return this.#allowedTag()
  }

  /** A boolean. */
  boolean(): boolean {
    const initial = this.#buffer[this.#at]
    if (initial !== 0xf4 && initial !== 0xf5) throw this.#error('expected: boolean')
    this.#at += 1
    return initial === 0xf5
  }

  /** Any value; byte strings are copied. */
  value(): CborValue {
    return this.#any(0)
  }

  /**
   * Any value as plain data: what `cborToPlain` makes of `value`, without maps in between.
   *
   * @throws KOS_CODEC_CBOR with a rule `plain: …` when it has no plain form; then the rest of the
   *   value was not checked
   */
  plain(): unknown {
    return this.#plain(0)
  }

  /** The encoding of the next item, whatever it is, checked as by `value`, as a view. */
  raw(): Uint8Array {
    const start = this.#at
    this.#skip(0)
    return this.#buffer.subarray(start, this.#at)
  }

  /** Refuses bytes that follow. */
  end(): void {
    if (this.#at !== this.#buffer.length) throw this.#error('trailing bytes')
  }

  #any(depth: number): CborValue {
    const major = this.#head()
    switch (major) {
      case BYTES: {
        const start = this.#at
        return copyBytes(this.#buffer, start, this.#advance(this.#argument))
      }
      case TEXT:
        return this.#text()
      case ARRAY:
        return this.#array(depth + 1)
      case MAP:
        return this.#map(depth + 1)
      case TAG: {
        this.#deeper(depth + 1)
        const tag = this.#allowedTag()
        return new CborTag(tag, this.#any(depth + 1))
      }
      case SIMPLE:
        return this.#simple()
      default:
        return this.#integer(major)
    }
  }

  #array(depth: number): readonly CborValue[] {
    this.#deeper(depth)
    const length = this.#count(1)
    const items: CborValue[] = []
    for (let index = 0; index < length; index += 1) items.push(this.#any(depth))
    return items
  }

  #map(depth: number): CborMap {
    this.#deeper(depth)
    const pairs = this.#count(2)
    const map = new Map<CborKey, CborValue>()
    let previousAt = -1
    for (let index = 0; index < pairs; index += 1) {
      const keyAt = this.#at
      const key = this.nextKey(undefined)
      this.#checkOrder(previousAt, keyAt)
      map.set(key, this.#any(depth))
      previousAt = keyAt
    }
    return map
  }

  #plain(depth: number): unknown {
    const major = (this.#buffer[this.#at] ?? 0) >> 5
    if (major === TAG) throw this.#error('plain: tag')
    if (major !== ARRAY && major !== MAP) return this.#any(depth)
    this.#head()
    this.#deeper(depth + 1)
    if (major === MAP) return this.#plainMap(depth + 1)
    const length = this.#count(1)
    const items: unknown[] = []
    for (let index = 0; index < length; index += 1) items.push(this.#plain(depth + 1))
    return items
  }

  #plainMap(depth: number): Record<string, unknown> {
    const pairs = this.#count(2)
    const object = Object.create(null) as Record<string, unknown>
    let previousAt = -1
    for (let index = 0; index < pairs; index += 1) {
      const keyAt = this.#at
      const key = this.nextKey(undefined)
      this.#checkOrder(previousAt, keyAt)
      if (typeof key !== 'string') throw this.#error('plain: key is not text')
      if (key === '__proto__') throw this.#error('plain: forbidden key')
      object[key] = this.#plain(depth)
      previousAt = keyAt
    }
    return object
  }

  #skip(depth: number): void {
    const major = this.#head()
    switch (major) {
      case BYTES:
        this.#advance(this.#argument)
        return
      case TEXT:
        this.#skipText()
        return
      case ARRAY: {
        this.#deeper(depth + 1)
        for (let left = this.#count(1); left > 0; left -= 1) this.#skip(depth + 1)
        return
      }
      case MAP:
        this.#skipMap(depth + 1)
        return
      case TAG:
        this.#deeper(depth + 1)
        this.#allowedTag()
        this.#skip(depth + 1)
        return
      case SIMPLE:
        this.#simple()
        return
      default:
    }
  }

  #skipMap(depth: number): void {
    this.#deeper(depth)
    let previousAt = -1
    for (let left = this.#count(2); left > 0; left -= 1) {
      const keyAt = this.#at
      const major = this.#head()
      if (major === TEXT) this.#skipText()
      else this.#keyInteger(major)
      this.#checkOrder(previousAt, keyAt)
      previousAt = keyAt
      this.#skip(depth)
    }
  }

  /**
   * RFC 8949 section 4.2.1: keys ascend bytewise by encoding. No encoding is the beginning of
   * another one, so two keys differ within the shorter of them, or are equal.
   *
   * @param previousAt - where the key before starts, or −1
   * @param keyAt - where the key just read starts
   */
  #checkOrder(previousAt: number, keyAt: number): void {
    if (previousAt < 0) return
    const buffer = this.#buffer
    const length = this.#at - keyAt
    for (let index = 0; index < length; index += 1) {
      const difference = (buffer[keyAt + index] ?? 0) - (buffer[previousAt + index] ?? 0)
      if (difference > 0) return
      if (difference < 0) break
    }
    throw this.#error('map: keys not sorted or not unique')
  }

  #text(): string {
    const start = this.#at
    const end = this.#advanceText()
    const buffer = this.#buffer
    if (this.#isShortAscii(start, end)) return buffer.toString('latin1', start, end)
    const text = buffer.toString('utf8', start, end)
    // Decoding marks every invalid sequence by U+FFFD, which valid text may hold as well.
    if (text.includes('\ufffd') && !isUtf8(buffer.subarray(start, end))) {
      throw this.#error('text: not UTF-8')
    }
    return text
  }

  #name(): string {
    const start = this.#at
    const length = this.#argument
    const known =
      start + length <= this.#buffer.length
        ? readName(this.#buffer, start, start + length)
        : undefined
    if (known === undefined) return this.#text()
    this.#advanceText()
    return known
  }

  #advanceText(): number {
    if (this.#argument > this.#limits.maxTextBytes) throw this.#error('limit: text')
    return this.#advance(this.#argument)
  }

  #isShortAscii(start: number, end: number): boolean {
    if (end - start > SHORT_TEXT) return false
    let index = start
    while (index < end && (this.#buffer[index] ?? 0) < 0x80) index += 1
    return index === end
  }

  #skipText(): void {
    const start = this.#at
    const end = this.#advanceText()
    if (this.#isShortAscii(start, end)) return
    if (!isUtf8(this.#buffer.subarray(start, end))) throw this.#error('text: not UTF-8')
  }

  #keyInteger(major: number): number {
    if (major !== UINT && major !== NEGATIVE) throw this.#error('map: key is not text or integer')
    const key = major === UINT ? this.#argument : -1 - this.#argument
    if (!Number.isSafeInteger(key)) throw this.#error('map: key is not a safe integer')
    return key
  }

  #integer(major: number): number | bigint {
    const value = major === UINT ? this.#argument : -1 - this.#argument
    if (Number.isSafeInteger(value)) return value
    const exact = this.#buffer.readBigUInt64BE(this.#at - 8)
    return major === UINT ? exact : -1n - exact
  }

  /** RFC 8949 section 3.3; of the simple values only false, true and null are known here. */
  #simple(): CborValue {
    switch (this.#argument) {
      case 20:
        return false
      case 21:
        return true
      case 22:
        return null
      case 25:
        return this.#half()
      case 26:
        return this.#single()
      case 27:
        return this.#double()
      default:
        throw this.#error('simple: unknown value')
    }
  }

  #half(): number {
    const start = this.#at
    this.#advance(2)
    const bits = this.#buffer.readUInt16BE(start)
    FLOAT.setUint16(0, bits)
    const value = FLOAT.getFloat16(0)
    // RFC 8949 section 4.2.2: one NaN only; and integers are written as integers.
    if (Number.isSafeInteger(value) || (Number.isNaN(value) && bits !== 0x7e00)) {
      throw this.#error('float: not the shortest form')
    }
    return value
  }

  #single(): number {
    const start = this.#at
    this.#advance(4)
    const value = this.#buffer.readFloatBE(start)
    if (Number.isSafeInteger(value) || Number.isNaN(value) || Math.f16round(value) === value) {
      throw this.#error('float: not the shortest form')
    }
    return value
  }

  #double(): number {
    const start = this.#at
    this.#advance(8)
    const value = this.#buffer.readDoubleBE(start)
    if (Number.isSafeInteger(value) || Number.isNaN(value) || Math.fround(value) === value) {
      throw this.#error('float: not the shortest form')
    }
    return value
  }

  #allowedTag(): number {
    const tag = this.#argument
    if (!this.#limits.allowedTags.includes(tag)) throw this.#error('tag: not allowed here')
    return tag
  }

  #deeper(depth: number): void {
    if (depth > this.#limits.maxDepth) throw this.#error('limit: depth')
  }

  /** Checks a count before anything is allocated or read for it: each item takes a byte at least. */
  #count(itemsEach: number): number {
    const items = this.#argument * itemsEach
    if (items > this.#buffer.length - this.#at) throw this.#error('truncated')
    this.#items += items
    if (this.#items > this.#limits.maxItems) throw this.#error('limit: items')
    return this.#argument
  }

  #expect(major: number, kind: CborKind): void {
    if (this.#head() !== major) throw this.#error(`expected: ${kind}`)
  }

  /** Reads initial byte and argument; returns the major type. */
  #head(): number {
    const initial = this.#buffer[this.#at]
    if (initial === undefined) throw this.#error('truncated')
    this.#at += 1
    const info = initial & 31
    // The argument of a simple value or float is not a count: it stays for `#simple`.
    if (info < 24 || initial >= 0xe0) this.#argument = info
    else this.#longArgument(info)
    return initial >> 5
  }

  /** RFC 8949 section 4.2.1: the shortest argument and definite lengths only. */
  #longArgument(info: number): void {
    const start = this.#at
    if (info > 27) throw this.#error('head: indefinite length or reserved')
    this.#advance(1 << (info - 24))
    const buffer = this.#buffer
    let least = 24
    if (info === 24) {
      this.#argument = buffer[start] ?? 0
    } else if (info === 25) {
      this.#argument = buffer.readUInt16BE(start)
      least = 0x100
    } else if (info === 26) {
      this.#argument = buffer.readUInt32BE(start)
      least = 0x10000
    } else {
      // Inexact from 2^53 on, but never below it: `#integer` reads the exact value then.
      this.#argument = buffer.readUInt32BE(start) * UINT32 + buffer.readUInt32BE(start + 4)
      least = UINT32
    }
    if (this.#argument < least) throw this.#error('head: not the shortest form')
  }

  #advance(bytes: number): number {
    const end = this.#at + bytes
    if (end > this.#buffer.length) throw this.#error('truncated')
    this.#at = end
    return end
  }

  #error(rule: string): KosError<'KOS_CODEC_CBOR'> {
    return cborError(rule, { offset: this.#at })
  }
}

const FLOAT = new DataView(new ArrayBuffer(2))

/**
 * Decodes one deterministic CBOR item. Strict: `encodeCbor(decodeCbor(x))` equals `x` for every
 * accepted `x`.
 *
 * @param bytes - the whole encoding
 * @param limits - bounds; by default 1 MiB, depth 16, 4096 items, text 16 KiB, no tags
 * @returns the value; it shares no memory with `bytes`
 * @throws KOS_CODEC_CBOR when anything is not the shortest form, unsorted, double, unknown, beyond a
 *   limit, truncated or followed by more bytes
 *
 * @see RFC 8949 section 4.2.1
 * @example
 * ```ts
 * import { decodeCbor } from 'kos/codec'
 * decodeCbor(Uint8Array.of(0x82, 0x01, 0x20)) // [1, -1]
 * ```
 */
export function decodeCbor(bytes: Uint8Array, limits?: Partial<CborLimits>): CborValue {
  const reader = new CborReader(bytes, limits)
  const value = reader.value()
  reader.end()
  return value
}
