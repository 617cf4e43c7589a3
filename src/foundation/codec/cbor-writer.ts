import { copyBytes } from './cbor-bytes.ts'
import {
  cborError,
  type CborInput,
  type CborKey,
  CborTag,
  compareCborKeys,
  DEFAULT_CBOR_LIMITS,
  isCborKey,
} from './cbor-types.ts'

const FIRST_BYTES = 512
const EMPTY: Buffer = Buffer.alloc(0)
/** A buffer above this size is given up by `reset`, so that one large message is not kept. */
const KEPT_BYTES = 256 * 1024
/** Up to this length, ASCII text is written by a loop: cheaper than a call into the runtime. */
const SHORT_TEXT = 64
const UINT32 = 2 ** 32
/** Initial byte and an argument of eight bytes. */
const LONGEST_HEAD = 9
const MAX_UINT64 = 2n ** 64n - 1n

/**
 * Writes deterministic CBOR into one growing buffer, without an allocation per item. For hot paths;
 * elsewhere {@link encodeCbor} is simpler.
 *
 * **Security:** the caller of `array`, `map`, `tag` and `raw` is responsible for the number of items
 * that follow, for the order of keys and for the encoding handed in. The buffer keeps old bytes:
 * never write secrets.
 *
 * @see RFC 8949 section 4.2.1
 * @example
 * ```ts
 * import { CborWriter } from 'kos/codec'
 * const writer = new CborWriter()
 * writer.map(1)
 * writer.text('n')
 * writer.uint(1)
 * writer.take() // Uint8Array a1 61 6e 01
 * ```
 */
export class CborWriter {
  #buffer: Buffer
  #at = 0

  /** @param firstBytes - size of the first buffer in bytes; 0: none before the first write */
  constructor(firstBytes: number = FIRST_BYTES) {
    this.#buffer = firstBytes === 0 ? EMPTY : Buffer.allocUnsafeSlow(firstBytes)
  }

  /** Number of bytes written since the last reset. */
  get length(): number {
    return this.#at
  }

  /** The bytes written so far, not copied: valid until the next write or reset. */
  get view(): Uint8Array {
    return this.#buffer.subarray(0, this.#at)
  }

  /** A copy of the bytes written so far; then resets. */
  take(): Uint8Array {
    const bytes = copyBytes(this.#buffer, 0, this.#at)
    this.reset()
    return bytes
  }

  /** Forgets what was written and keeps the buffer. */
  reset(): void {
    this.#at = 0
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  }

  /** Forgets what was written and gives up the buffer, for a writer that rests. */
  trim(): void {
    this.#at = 0
    this.#buffer = EMPTY
  }

  /**
   * An unsigned integer.
   *
   * @param value - 0 to 2^53 − 1
   * @throws KOS_CODEC_CBOR when it is anything else
   */
  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw cborError('uint: out of range')
    this.#head(0x00, value)
  }

  /**
   * An integer.
   *
   * @param value - a safe integer
   * @throws KOS_CODEC_CBOR when it is anything else
   */
  int(value: number): void {
    if (!Number.isSafeInteger(value)) throw cborError('int: out of range')
    if (value < 0) this.#head(0x20, -1 - value)
    else this.#head(0x00, value)
  }

  /**
   * A text string.
   *
   * @throws KOS_CODEC_CBOR when it has an unpaired surrogate
   */
  text(value: string): void {
    const length = value.length
    if (length > SHORT_TEXT) {
      this.#longText(value)
      return
    }
    // Room for the longest head as well: if writing the head made the buffer grow, it would take along
    // only what stands before it.
    this.#reserve(length + LONGEST_HEAD)
    const buffer = this.#buffer
    const start = this.#at + (length < 24 ? 1 : 2)
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index)
      if (code >= 0x80) {
        this.#longText(value)
        return
      }
      buffer[start + index] = code
    }
    this.#head(0x60, length)
    this.#at = start + length
  }

  /** A byte string. */
  bytes(value: Uint8Array): void {
    this.#head(0x40, value.length)
    this.raw(value)
  }

  /** The head of an array; its elements follow. */
  array(length: number): void {
    this.#head(0x80, length)
  }

  /** The head of a map; as many pairs follow, keys in the order of {@link compareCborKeys}. */
  map(pairs: number): void {
    this.#head(0xa0, pairs)
  }

  /** The head of a tag; its content follows. */
  tag(tag: number): void {
    if (!Number.isSafeInteger(tag) || tag < 0) throw cborError('tag: out of range')
    this.#head(0xc0, tag)
  }

  /** A boolean. */
  boolean(value: boolean): void {
    this.#byte(value ? 0xf5 : 0xf4)
  }

  /** The null value. */
  null(): void {
    this.#byte(0xf6)
  }

  /** Bytes that are already deterministic CBOR. */
  raw(encoded: Uint8Array): void {
    this.#reserve(encoded.length)
    this.#buffer.set(encoded, this.#at)
    this.#at += encoded.length
  }

  /**
   * Any value, with sorted keys and the shortest form of every number.
   *
   * @param value - at most 16 containers deep
   * @throws KOS_CODEC_CBOR when it has no deterministic encoding: `undefined`, functions, class
   *   instances, keys that are neither text nor safe integers, integers beyond 64 bits
   */
  value(value: CborInput): void {
    this.#any(value, 0)
  }

  #any(value: CborInput, depth: number): void {
    if (typeof value === 'string') this.text(value)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'boolean') this.boolean(value)
    else if (value === null) this.null()
    else if (typeof value === 'bigint') this.#bigint(value)
    else if (typeof value !== 'object') throw cborError(`encode: ${typeof value} has no encoding`)
    else if (value instanceof Uint8Array) this.bytes(value)
    else this.#container(value, depth + 1)
  }

  #container(value: CborInput & object, depth: number): void {
    if (depth > DEFAULT_CBOR_LIMITS.maxDepth) throw cborError('limit: depth')
    if (Array.isArray(value)) {
      const items = value as readonly CborInput[]
      this.#head(0x80, items.length)
      for (let index = 0; index < items.length; index += 1) {
        this.#any(items[index] as CborInput, depth)
      }
    } else if (value instanceof Map) {
      this.#map(value as ReadonlyMap<CborKey, CborInput>, depth)
    } else if (value instanceof CborTag) {
      this.tag(value.tag)
      this.#any(value.value, depth)
    } else {
      this.#object(value as Readonly<Record<string, CborInput>>, depth)
    }
  }

  #map(map: ReadonlyMap<CborKey, CborInput>, depth: number): void {
    const keys = [...map.keys()]
    if (!keys.every(isCborKey)) throw cborError('map: key is neither text nor a safe integer')
    sortKeys(keys)
    this.#head(0xa0, keys.length)
    for (const key of keys) {
      if (typeof key === 'string') this.text(key)
      else this.int(key)
      this.#any(map.get(key) as CborInput, depth)
    }
  }

  #object(object: Readonly<Record<string, CborInput>>, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(object)
    // Class instances hold invariants and secrets that an encoding would lose or leak.
    if (prototype !== Object.prototype && prototype !== null) {
      throw cborError('encode: not a plain object')
    }
    const keys = Object.keys(object)
    sortKeys(keys)
    this.#head(0xa0, keys.length)
    for (const key of keys) {
      this.text(key)
      this.#any(object[key] as CborInput, depth)
    }
  }

  #number(value: number): void {
    // Numeric reduction: an integer has one encoding only, so −0 is written as 0.
    if (!Number.isSafeInteger(value)) this.#float(value)
    else if (value < 0) this.#head(0x20, -1 - value)
    else this.#head(0x00, value)
  }

  #float(value: number): void {
    this.#reserve(9)
    const buffer = this.#buffer
    const at = this.#at
    if (Number.isNaN(value) || Math.f16round(value) === value) {
      HALF.setFloat16(0, value)
      // RFC 8949 section 4.2.2: one NaN only.
      const bits = Number.isNaN(value) ? 0x7e00 : HALF.getUint16(0)
      buffer[at] = 0xf9
      buffer.writeUInt16BE(bits, at + 1)
      this.#at = at + 3
    } else if (Math.fround(value) === value) {
      buffer[at] = 0xfa
      buffer.writeFloatBE(value, at + 1)
      this.#at = at + 5
    } else {
      buffer[at] = 0xfb
      buffer.writeDoubleBE(value, at + 1)
      this.#at = at + 9
    }
  }

  #bigint(value: bigint): void {
    const argument = value < 0n ? -1n - value : value
    if (argument > MAX_UINT64) throw cborError('bigint: beyond 64 bits')
    const major = value < 0n ? 0x20 : 0x00
    if (argument < BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#head(major, Number(argument))
      return
    }
    this.#reserve(9)
    this.#buffer[this.#at] = major | 27
    this.#buffer.writeBigUInt64BE(argument, this.#at + 1)
    this.#at += 9
  }

  #longText(value: string): void {
    // RFC 8949 section 3.1: text is valid UTF-8; an unpaired surrogate would become U+FFFD.
    if (!value.isWellFormed()) throw cborError('text: unpaired surrogate')
    const length = Buffer.byteLength(value)
    this.#head(0x60, length)
    this.#reserve(length)
    this.#buffer.write(value, this.#at, 'utf8')
    this.#at += length
  }

  #byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#at] = value
    this.#at += 1
  }

  /** Initial byte and argument in the shortest form: RFC 8949 section 4.2.1, first rule. */
  #head(major: number, argument: number): void {
    this.#reserve(LONGEST_HEAD)
    const buffer = this.#buffer
    const at = this.#at
    if (argument < 24) {
      buffer[at] = major | argument
      this.#at = at + 1
    } else if (argument < 0x100) {
      buffer[at] = major | 24
      buffer[at + 1] = argument
      this.#at = at + 2
    } else if (argument < 0x10000) {
      buffer[at] = major | 25
      buffer[at + 1] = argument >>> 8
      buffer[at + 2] = argument
      this.#at = at + 3
    } else {
      this.#longHead(major, argument)
    }
  }

  #longHead(major: number, argument: number): void {
    const at = this.#at
    if (argument < UINT32) {
      this.#buffer[at] = major | 26
      this.#buffer.writeUInt32BE(argument, at + 1)
      this.#at = at + 5
    } else {
      this.#buffer[at] = major | 27
      this.#buffer.writeUInt32BE(Math.floor(argument / UINT32), at + 1)
      this.#buffer.writeUInt32BE(argument % UINT32, at + 5)
      this.#at = at + 9
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    const { length } = this.#buffer
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, length === 0 ? FIRST_BYTES : length * 2))
    grown.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = grown
  }
}

const HALF = new DataView(new ArrayBuffer(2))

/** By insertion: maps are small, and their keys mostly come in order. */
function sortKeys(keys: CborKey[]): void {
  if (keys.length > 32) {
    keys.sort(compareCborKeys)
    return
  }
  for (let end = 1; end < keys.length; end += 1) {
    const key = keys[end] ?? ''
    let at = end
    for (; at > 0; at -= 1) {
      const before = keys[at - 1] ?? ''
      if (compareCborKeys(before, key) < 0) break
      keys[at] = before
    }
    keys[at] = key
  }
}

let spare: CborWriter | undefined

/**
 * Encodes a value as deterministic CBOR: shortest integers and floats, definite lengths, map keys
 * sorted bytewise by their encoding.
 *
 * @param value - at most 16 containers deep; plain objects become maps with text keys
 * @returns a new array
 * @throws KOS_CODEC_CBOR when the value has no deterministic encoding
 *
 * **Security:** an internal buffer is reused and not wiped: never encode secrets.
 *
 * @see RFC 8949 section 4.2.1
 * @example
 * ```ts
 * import { encodeCbor } from 'kos/codec'
 * encodeCbor({ b: 1, a: [true, null] }) // a2 61 61 82 f5 f6 61 62 01
 * ```
 */
export function encodeCbor(value: CborInput): Uint8Array {
  // Taken away while in use: a getter of the value may encode in turn.
  const writer = spare ?? new CborWriter()
  spare = undefined
  writer.value(value)
  const bytes = writer.take()
  spare = writer
  return bytes
}
