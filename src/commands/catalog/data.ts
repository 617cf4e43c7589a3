import type { CborInput } from '../../foundation/codec/index.ts'

/** Bounds of one plain value that crosses the wire. */
export interface DataLimits {
  /** Upper bound of the deterministic CBOR encoding, floats counted at their widest. */
  readonly maxBytes: number
  /** Maps and arrays inside one another. */
  readonly maxDepth: number
  /** Elements of all arrays, and keys and values of all maps, together. */
  readonly maxItems: number
  /** UTF-8 bytes of one text. */
  readonly maxTextBytes: number
  /** Whether texts with control characters are refused; tab, line feed and return are not. */
  readonly refuseControls: boolean
}

/**
 * Shape of arguments and results: within the limits of the wire, with room for the envelope around
 * them. @see docs/protocol.md: Limits
 */
export const WIRE_SHAPE: Omit<DataLimits, 'maxBytes' | 'refuseControls'> = Object.freeze({
  maxDepth: 12,
  maxItems: 4000,
  maxTextBytes: 16_384,
})

/** The rule that a value breaks. */
export type DataProblem =
  | 'too-long'
  | 'too-deep'
  | 'too-many-items'
  | 'not-data'
  | 'not-finite'
  | 'not-unicode'
  | 'control-character'
  | 'forbidden-key'

/** C0 without tab, line feed and return; DEL; C1: they steer terminals and end C strings. */
const CONTROLS = /[^\P{Cc}\t\n\r]/u
/** Keys are names: they carry no control character at all. */
const KEY_CONTROLS = /\p{Cc}/u
/** Keys that reach the prototype of an ordinary object. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const MAX_KEY_LENGTH = 256
const FLOAT_BYTES = 9
const SHORT_LENGTH = 128
/** Memory of one member of a map or array, roughly. */
const MEMBER_BYTES = 16

/**
 * Checks that a value is bounded plain data and counts its encoded size, in one walk without
 * allocation. One meter serves one walk at a time and is kept for the next.
 */
export class DataMeter {
  #bytes = 0
  #items = 0
  #limits: DataLimits
  #problem: DataProblem | undefined

  constructor(limits: DataLimits) {
    this.#limits = limits
  }

  /** Upper bound of the encoded size of the value measured last. */
  get bytes(): number {
    return this.#bytes
  }

  /** The first rule that the value measured last broke. */
  get problem(): DataProblem | undefined {
    return this.#problem
  }

  /**
   * Measures one value.
   *
   * @param value - null, boolean, finite number, bigint of 64 bits, text, byte array, array or plain
   *   object of these
   * @param limits - the bounds of this value
   * @returns the first broken rule, or `undefined`
   */
  measure(value: unknown, limits: DataLimits): DataProblem | undefined {
    this.#bytes = 0
    this.#items = 0
    this.#limits = limits
    this.#problem = this.#walk(value, 0)
    return this.#problem
  }

  /** As {@link measure}, telling the compiler what a value without problem is. */
  accepts(value: unknown, limits: DataLimits): value is CborInput {
    return this.measure(value, limits) === undefined
  }

  #walk(value: unknown, depth: number): DataProblem | undefined {
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        return this.#number(value)
      case 'boolean':
        return this.#add(1)
      case 'bigint':
        // Beyond 64 bits CBOR needs a tag, which no argument or result may carry.
        return value === BigInt.asIntN(65, value) ? this.#add(FLOAT_BYTES) : 'not-data'
      case 'object':
        return value === null ? this.#add(1) : this.#object(value, depth)
      case 'undefined':
      case 'function':
      case 'symbol':
        return 'not-data'
    }
  }

  #object(value: object, depth: number): DataProblem | undefined {
    if (value instanceof Uint8Array) return this.#add(headBytes(value.length) + value.length)
    if (depth >= this.#limits.maxDepth) return 'too-deep'
    if (Array.isArray(value)) return this.#array(value, depth)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== null && prototype !== Object.prototype) return 'not-data'
    const keys = Object.keys(value)
    const problem = this.#members(keys.length, 2)
    if (problem) return problem
    for (const key of keys) {
      if (isForbiddenKey(key)) return 'forbidden-key'
      const fault =
        this.#text(key) ?? this.#walk((value as Record<string, unknown>)[key], depth + 1)
      if (fault) return fault
    }
    return undefined
  }

  #array(value: readonly unknown[], depth: number): DataProblem | undefined {
    const problem = this.#members(value.length, 1)
    if (problem) return problem
    for (const item of value) {
      const fault = this.#walk(item, depth + 1)
      if (fault) return fault
    }
    return undefined
  }

  #members(count: number, itemsEach: number): DataProblem | undefined {
    this.#items += count * itemsEach
    return this.#items > this.#limits.maxItems ? 'too-many-items' : this.#add(headBytes(count))
  }

  #text(value: string): DataProblem | undefined {
    // UTF-8 is never shorter than UTF-16 code units: a huge text is refused before it is scanned.
    if (value.length > this.#limits.maxTextBytes) return 'too-long'
    if (isShortPlain(value)) return this.#add(headBytes(value.length) + value.length)
    const length = Buffer.byteLength(value)
    if (length > this.#limits.maxTextBytes) return 'too-long'
    if (!value.isWellFormed()) return 'not-unicode'
    if (this.#limits.refuseControls && CONTROLS.test(value)) return 'control-character'
    return this.#add(headBytes(length) + length)
  }

  #number(value: number): DataProblem | undefined {
    if (Number.isSafeInteger(value)) return this.#add(headBytes(value < 0 ? -1 - value : value))
    return Number.isFinite(value) ? this.#add(FLOAT_BYTES) : 'not-finite'
  }

  #add(bytes: number): DataProblem | undefined {
    this.#bytes += bytes
    return this.#bytes > this.#limits.maxBytes ? 'too-long' : undefined
  }
}

/** Whether a text is short printable ASCII: the usual case, decided in one pass. */
function isShortPlain(text: string): boolean {
  if (text.length > SHORT_LENGTH) return false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}

function isForbiddenKey(key: string): boolean {
  if (FORBIDDEN_KEYS.has(key) || key.length > MAX_KEY_LENGTH) return true
  return !isShortPlain(key) && KEY_CONTROLS.test(key)
}

/** Length of a CBOR head. @see RFC 8949 section 3 */
function headBytes(argument: number): number {
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  if (argument < 0x1_0000) return 3
  return argument < 0x1_0000_0000 ? 5 : 9
}

/**
 * Freezes measured data to the last leaf, so that what was decided stays what is executed. Byte
 * arrays cannot be frozen.
 */
export function freezeData<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  for (const member of Object.values(value)) if (typeof member === 'object') freezeData(member)
  return Object.freeze(value)
}

/**
 * Makes measured data safe to keep, and says roughly how much memory it takes. Byte arrays are
 * copied: they may look into a network buffer that is used again, or that a few bytes would hold
 * alive. Everything else stays shared, so it must not be changed afterwards.
 */
export class DataKeeper {
  #bytes = 0

  /** Rough size in memory of the value kept last. */
  get bytes(): number {
    return this.#bytes
  }

  /** Returns the value with every byte array in it copied. */
  keep<T>(value: T): T
  keep(value: unknown): unknown {
    this.#bytes = 0
    return this.#walk(value)
  }

  #walk(value: unknown): unknown {
    if (typeof value === 'string') this.#bytes += value.length
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Uint8Array) {
      this.#bytes += value.length
      return new Uint8Array(value)
    }
    return Array.isArray(value)
      ? this.#array(value)
      : this.#map(value as Readonly<Record<string, unknown>>)
  }

  #array(value: readonly unknown[]): readonly unknown[] {
    this.#bytes += MEMBER_BYTES * value.length
    const copy = value.map((item) => this.#walk(item))
    return copy.some((item, index) => item !== value[index]) ? copy : value
  }

  #map(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    let copy: Record<string, unknown> | undefined
    for (const key of Object.keys(value)) {
      this.#bytes += MEMBER_BYTES
      const member = value[key]
      const kept = this.#walk(member)
      if (kept !== member) (copy ??= { ...value })[key] = kept
    }
    return copy ?? value
  }
}

/** Structural equality of measured data; member order of maps does not matter. */
export function sameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (Array.isArray(a) !== Array.isArray(b) || b instanceof Uint8Array) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  return keys.every((key) => Object.hasOwn(right, key) && sameData(left[key], right[key]))
}
