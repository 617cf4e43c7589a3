import { codecErrors } from './errors.ts'

/** A value without parameters; decimals and dates are not among those that kOS reads. */
export type BareItem =
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'token'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'boolean'; readonly value: boolean }

/** Parameters in the order in which they stand. */
export type FieldParameters = ReadonlyMap<string, BareItem>

/** A value with its parameters. */
export interface FieldItem {
  readonly item: BareItem
  readonly parameters: FieldParameters
}

/** A list in parentheses, with parameters of its own. */
export interface InnerList {
  readonly items: readonly FieldItem[]
  readonly parameters: FieldParameters
}

/** What stands behind a key of a dictionary. */
export type FieldMember = FieldItem | InnerList

/** Longest structured field that is read, in characters. */
export const MAX_FIELD_CHARACTERS: number = 4096
const MAX_MEMBERS = 32
const MAX_ITEMS = 32
const MAX_PARAMETERS = 16
/** @see RFC 8941 section 3.3.1 */
const MAX_INTEGER_DIGITS = 15

const KEY_START = /[a-z*]/
const KEY = /[a-z0-9_.*-]/
const TOKEN_START = /[A-Za-z*]/
const TOKEN = /[A-Za-z0-9!#$%&'*+.^_`|~:/-]/
const DIGIT = /[0-9]/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Parses a dictionary strictly: what RFC 8941 lets a reader overlook (a key given twice, base64
 * without padding or with bits left over) is refused, so that two readers cannot differ.
 *
 * @param text - the value of the one field, up to 4096 characters
 * @returns keys and members in their order, up to 32
 * @throws KOS_CODEC_HTTP with `rule` and `offset`
 * @see RFC 8941 section 4.2.2
 */
export function parseDictionary(text: string): ReadonlyMap<string, FieldMember> {
  const reader = new FieldReader(text)
  const members = new Map<string, FieldMember>()
  reader.skip(' ')
  while (!reader.isAtEnd) {
    const key = reader.key()
    if (members.has(key)) throw reader.error('key: twice')
    if (members.size === MAX_MEMBERS) throw reader.error('dictionary: too many members')
    members.set(key, reader.take('=') ? reader.member() : reader.present())
    reader.skip(' \t')
    if (reader.isAtEnd) return members
    if (!reader.take(',')) throw reader.error('dictionary: no comma')
    reader.skip(' \t')
    if (reader.isAtEnd) throw reader.error('dictionary: trailing comma')
  }
  return members
}

class FieldReader {
  readonly #text: string
  #offset = 0

  constructor(text: string) {
    this.#text = text
    if (text.length > MAX_FIELD_CHARACTERS) throw this.error('field: too long')
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#text.length
  }

  error(rule: string): Error {
    return codecErrors.error('KOS_CODEC_HTTP', { rule, offset: this.#offset })
  }

  take(character: string): boolean {
    if (this.#text[this.#offset] !== character) return false
    this.#offset += 1
    return true
  }

  skip(characters: string): void {
    while (!this.isAtEnd && characters.includes(this.#text.charAt(this.#offset))) this.#offset += 1
  }

  key(): string {
    return this.#word(KEY_START, KEY, 'key')
  }

  member(): FieldMember {
    return this.#peek() === '(' ? this.#innerList() : this.#item()
  }

  /** A key without a value is true. @see RFC 8941 section 4.2.2 */
  present(): FieldItem {
    return { item: { kind: 'boolean', value: true }, parameters: this.#parameters() }
  }

  #peek(): string {
    return this.#text.charAt(this.#offset)
  }

  #innerList(): InnerList {
    this.#offset += 1
    const items: FieldItem[] = []
    for (;;) {
      this.skip(' ')
      if (this.take(')')) return { items, parameters: this.#parameters() }
      if (items.length === MAX_ITEMS) throw this.error('list: too many items')
      items.push(this.#item())
      const next = this.#peek()
      if (next !== ' ' && next !== ')') throw this.error('list: no space')
    }
  }

  #item(): FieldItem {
    return { item: this.#bareItem(), parameters: this.#parameters() }
  }

  #parameters(): FieldParameters {
    const parameters = new Map<string, BareItem>()
    while (this.take(';')) {
      this.skip(' ')
      const key = this.key()
      if (parameters.has(key)) throw this.error('key: twice')
      if (parameters.size === MAX_PARAMETERS) throw this.error('parameters: too many')
      parameters.set(key, this.take('=') ? this.#bareItem() : { kind: 'boolean', value: true })
    }
    return parameters
  }

  #bareItem(): BareItem {
    const first = this.#peek()
    if (first === '"') return { kind: 'string', value: this.#string() }
    if (first === ':') return { kind: 'bytes', value: this.#bytes() }
    if (first === '?') return { kind: 'boolean', value: this.#boolean() }
    if (first === '-' || DIGIT.test(first)) return { kind: 'integer', value: this.#integer() }
    return { kind: 'token', value: this.#word(TOKEN_START, TOKEN, 'token') }
  }

  #word(start: RegExp, rest: RegExp, what: string): string {
    const from = this.#offset
    if (!start.test(this.#peek())) throw this.error(`${what}: first character`)
    while (!this.isAtEnd && rest.test(this.#peek())) this.#offset += 1
    return this.#text.slice(from, this.#offset)
  }

  #integer(): number {
    const from = this.#offset
    this.take('-')
    const digitsFrom = this.#offset
    while (DIGIT.test(this.#peek())) this.#offset += 1
    const digits = this.#offset - digitsFrom
    if (digits === 0 || digits > MAX_INTEGER_DIGITS) throw this.error('integer: digits')
    if (this.#peek() === '.') throw this.error('decimal: not read')
    return Number(this.#text.slice(from, this.#offset))
  }

  #string(): string {
    this.#offset += 1
    let value = ''
    for (;;) {
      const character = this.#peek()
      const code = character.charCodeAt(0)
      // Not a number at the end of the text, which is neither above nor below.
      if (!(code >= 0x20 && code < 0x7f)) throw this.error('string: character')
      this.#offset += 1
      if (character === '"') return value
      value += character === '\\' ? this.#escaped() : character
    }
  }

  #escaped(): string {
    const character = this.#peek()
    if (character !== '"' && character !== '\\') throw this.error('string: escape')
    this.#offset += 1
    return character
  }

  #bytes(): Uint8Array {
    const end = this.#text.indexOf(':', this.#offset + 1)
    if (end < 0) throw this.error('bytes: no end')
    const text = this.#text.slice(this.#offset + 1, end)
    const value = Buffer.from(text, 'base64')
    if (!BASE64.test(text) || value.toString('base64') !== text) throw this.error('bytes: base64')
    this.#offset = end + 1
    return value
  }

  #boolean(): boolean {
    const value = this.#text.charAt(this.#offset + 1)
    if (value !== '0' && value !== '1') throw this.error('boolean: value')
    this.#offset += 2
    return value === '1'
  }
}

/**
 * Writes an item with its parameters in the one way that RFC 8941 gives.
 *
 * @throws KOS_CODEC_HTTP when a string, key or number cannot be written
 * @see RFC 8941 section 4.1.3
 */
export function writeFieldItem({ item, parameters }: FieldItem): string {
  return writeBareItem(item) + writeParameters(parameters)
}

/**
 * Writes an inner list with its parameters.
 *
 * @throws KOS_CODEC_HTTP when a string, key or number cannot be written
 * @see RFC 8941 section 4.1.1.1
 */
export function writeInnerList({ items, parameters }: InnerList): string {
  return `(${items.map(writeFieldItem).join(' ')})${writeParameters(parameters)}`
}

function writeParameters(parameters: FieldParameters): string {
  let text = ''
  for (const [key, item] of parameters) {
    if (!/^[a-z*][a-z0-9_.*-]*$/.test(key)) throw unwritable('key')
    const isTrue = item.kind === 'boolean' && item.value
    text += isTrue ? `;${key}` : `;${key}=${writeBareItem(item)}`
  }
  return text
}

function writeBareItem(item: BareItem): string {
  switch (item.kind) {
    case 'integer':
      if (!Number.isInteger(item.value) || Math.abs(item.value) >= 10 ** MAX_INTEGER_DIGITS) {
        throw unwritable('integer')
      }
      return String(item.value)
    case 'string':
      if (!/^[\x20-\x7e]*$/.test(item.value)) throw unwritable('string')
      return `"${item.value.replace(/["\\]/g, '\\$&')}"`
    case 'token':
      if (!/^[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*$/.test(item.value)) throw unwritable('token')
      return item.value
    case 'bytes':
      return `:${Buffer.from(item.value).toString('base64')}:`
    case 'boolean':
      return item.value ? '?1' : '?0'
  }
}

function unwritable(what: string): Error {
  return codecErrors.error('KOS_CODEC_HTTP', { rule: `${what}: cannot be written` })
}
