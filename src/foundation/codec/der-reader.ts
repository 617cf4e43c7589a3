import { type UnixMs, unixMs } from '../base/index.ts'
import { decodeOid, type ObjectIdentifier } from './der-oid.ts'
import { DER_TAG, PRINTABLE_STRING, VISIBLE_ASCII } from './der-tags.ts'
import { GENERALIZED_FROM_MS } from './der-writer.ts'
import { codecErrors } from './errors.ts'

/** Bounds of a DER input. */
export interface DerLimits {
  /** Whole input, in bytes. */
  readonly maxBytes: number
  /** Constructed types inside one another. */
  readonly maxDepth: number
}

/** The bounds of a {@link DerReader} that is told nothing else: 16 KiB, 16 levels. */
export const DER_LIMITS: DerLimits = Object.freeze({ maxBytes: 16_384, maxDepth: 16 })

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A cursor over strict DER: definite minimal lengths, low tag numbers, canonical values. Every
 * method reads the next element and refuses anything but the one canonical encoding of it; call
 * {@link DerReader.end} on every reader so that nothing stays unread.
 *
 * **Security:** returned bytes are views of the input; copy what you keep.
 *
 * @see X.690 sections 8 to 11
 * @example
 * ```ts
 * import { DerReader } from 'kos/codec'
 * const reader = new DerReader(Uint8Array.of(2, 1, 5))
 * reader.smallInteger() // 5
 * reader.end()
 * ```
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #limits: DerLimits
  #at = 0
  /** Start of the content of the element that {@link #open} last opened. */
  #content = 0

  constructor(bytes: Uint8Array, limits: DerLimits = DER_LIMITS) {
    if (bytes.length > limits.maxBytes) throw malformed('size')
    if (limits.maxDepth < 1) throw malformed('depth')
    this.#bytes = bytes
    this.#limits = limits
  }

  /** Whether everything was read. */
  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The next identifier octet, or `undefined` at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** Refuses unread bytes. */
  end(): void {
    if (!this.atEnd) throw malformed('trailing')
  }

  /** The next element of any type, header included. */
  element(): Uint8Array {
    const start = this.#at
    const end = this.#open(this.nextTag ?? 0)
    this.#at = end
    return this.#bytes.subarray(start, end)
  }

  /** The content octets of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    const end = this.#open(tag)
    this.#at = end
    return this.#bytes.subarray(this.#content, end)
  }

  /** A reader of the content of the next element, which must have this constructed tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.content(tag), {
      maxBytes: this.#limits.maxBytes,
      maxDepth: this.#limits.maxDepth - 1,
    })
  }

  /** Like {@link enter} when the next element has the tag, else `undefined`. */
  optional(tag: number): DerReader | undefined {
    return this.nextTag === tag ? this.enter(tag) : undefined
  }

  /** SEQUENCE. */
  sequence(): DerReader {
    return this.enter(DER_TAG.sequence)
  }

  /** The encoded elements of a SET OF, in the ascending order that DER demands. */
  setOf(tag: number = DER_TAG.set): readonly Uint8Array[] {
    const reader = this.enter(tag)
    const elements: Uint8Array[] = []
    while (!reader.atEnd) {
      const element = reader.element()
      const before = elements.at(-1)
      // X.690 section 11.6; equal elements would be a second way to say the same.
      if (before && Buffer.compare(before, element) >= 0) throw malformed('set-order')
      elements.push(element)
    }
    return elements
  }

  /** A positive or zero INTEGER as its magnitude without leading zeros (zero: one 00 byte). */
  unsigned(maxBytes: number): Uint8Array {
    const content = this.content(DER_TAG.integer)
    const first = content[0]
    if (first === undefined) throw malformed('integer-empty')
    if (first >= 0x80) throw malformed('integer-negative')
    const padded = first === 0 && content.length > 1
    // X.690 section 8.3.2: nine leading equal bits are forbidden.
    if (padded && (content[1] ?? 0) < 0x80) throw malformed('integer-padding')
    const magnitude = padded ? content.subarray(1) : content
    if (magnitude.length > maxBytes) throw malformed('integer-size')
    return magnitude
  }

  /** An INTEGER from 0 to 2^48 − 1. */
  smallInteger(): number {
    let value = 0
    for (const byte of this.unsigned(6)) value = value * 256 + byte
    return value
  }

  /** BOOLEAN, 00 or FF. */
  boolean(): boolean {
    const content = this.content(DER_TAG.boolean)
    const value = content[0]
    if (content.length !== 1 || (value !== 0 && value !== 0xff)) throw malformed('boolean')
    return value === 0xff
  }

  /** NULL. */
  null(): void {
    if (this.content(DER_TAG.null).length > 0) throw malformed('null')
  }

  /** OBJECT IDENTIFIER in dotted form. */
  objectIdentifier(): ObjectIdentifier {
    return decodeOid(this.content(DER_TAG.objectIdentifier))
  }

  /** OCTET STRING (primitive). */
  octetString(): Uint8Array {
    return this.content(DER_TAG.octetString)
  }

  /** BIT STRING of whole bytes. */
  bitString(): Uint8Array {
    const content = this.content(DER_TAG.bitString)
    if (content[0] !== 0) throw malformed('bit-string')
    return content.subarray(1)
  }

  /** BIT STRING as a named bit list: the ascending positions of its set bits. */
  namedBits(): readonly number[] {
    const content = this.content(DER_TAG.bitString)
    const unused = content[0]
    const last = content[content.length - 1] ?? 0
    if (unused === undefined || unused > 7) throw malformed('bit-string')
    // X.690 section 11.2.2: no trailing zero bits, so the last used bit is set and the unused are 0.
    const exact =
      content.length === 1 ? unused === 0 : (last & ((1 << (unused + 1)) - 1)) === 1 << unused
    if (!exact) throw malformed('bit-string')
    const bits: number[] = []
    for (let bit = 0; bit < (content.length - 1) * 8; bit++) {
      if ((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) bits.push(bit)
    }
    return bits
  }

  /** UTF8String, valid and without byte order mark games. */
  utf8String(): string {
    const content = this.content(DER_TAG.utf8String)
    try {
      return strictUtf8.decode(content)
    } catch {
      throw malformed('utf8')
    }
  }

  /** PrintableString. */
  printableString(): string {
    const text = latin1(this.content(DER_TAG.printableString))
    if (!PRINTABLE_STRING.test(text)) throw malformed('printable')
    return text
  }

  /** IA5String of visible characters, under its own or a context tag. */
  ia5String(tag: number = DER_TAG.ia5String): string {
    const text = latin1(this.content(tag))
    if (!VISIBLE_ASCII.test(text)) throw malformed('ia5')
    return text
  }

  /**
   * A certificate time: `YYMMDDHHMMSSZ` through 2049, `YYYYMMDDHHMMSSZ` after, nothing else.
   *
   * @see RFC 5280 section 4.1.2.5
   */
  time(): UnixMs {
    const utc = this.nextTag === DER_TAG.utcTime
    const digits = latin1(this.content(utc ? DER_TAG.utcTime : DER_TAG.generalizedTime))
    if (!(utc ? UTC_TIME : GENERALIZED_TIME).test(digits)) throw malformed('time')
    const century = utc ? (digits < '50' ? '20' : '19') : ''
    const text = century + digits
    const iso = `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}T${text.slice(8, 10)}:${text.slice(10, 12)}:${text.slice(12, 14)}.000Z`
    const parsed = Date.parse(iso)
    // The comparison refuses dates such as February 30th, which some parsers roll over.
    if (Number.isNaN(parsed) || new Date(parsed).toISOString() !== iso) throw malformed('time')
    if (!utc && parsed < GENERALIZED_FROM_MS) throw malformed('time-form')
    return unixMs(parsed)
  }

  /** Opens the next element: checks tag and length, sets the content start, returns the end. */
  #open(tag: number): number {
    const bytes = this.#bytes
    const identifier = bytes[this.#at]
    if (identifier === undefined) throw malformed('missing')
    // Tag numbers from 31 up take more octets; none of our types has one.
    if ((identifier & 0x1f) === 0x1f || identifier === 0) throw malformed('tag')
    if (identifier !== tag) throw malformed('unexpected')
    const first = bytes[this.#at + 1]
    if (first === undefined) throw malformed('cut')
    let length = first
    this.#content = this.#at + 2
    if (first >= 0x80) length = this.#longLength(first & 0x7f)
    const end = this.#content + length
    if (end > bytes.length) throw malformed('cut')
    return end
  }

  #longLength(octets: number): number {
    // 0 octets is the indefinite form; four or more exceed every limit.
    if (octets === 0 || octets > 3) throw malformed('length')
    let length = 0
    for (let i = 0; i < octets; i++) {
      const byte = this.#bytes[this.#content + i]
      if (byte === undefined) throw malformed('cut')
      length = length * 256 + byte
    }
    // X.690 section 10.1: the shortest form only.
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw malformed('length')
    this.#content += octets
    return length
  }
}

const UTC_TIME = /^[0-9]{12}Z$/
const GENERALIZED_TIME = /^[0-9]{14}Z$/

function malformed(rule: string): Error {
  return codecErrors.error('KOS_CODEC_DER', { rule })
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
