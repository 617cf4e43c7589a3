import { z } from '../../foundation/base/index.ts'
import { WIRE_SHAPE } from './data.ts'
import { patternProblem } from './user-pattern.ts'

/** What is wrong with a file, and where. */
export interface FileProblem {
  /** Place in the file. @see RFC 6901 */
  readonly pointer: string
  /** What is wrong there, as the end of a sentence about the place. */
  readonly problem: string
}

/** Bounds that a schema gets where it sets none, and what a schema as a whole may be. */
export const SCHEMA_BOUNDS: Readonly<
  Record<
    'maxLength' | 'maxItems' | 'depth' | 'schemas' | 'properties' | 'alternatives' | 'values',
    number
  >
> = Object.freeze({
  /** Characters of a text; in results {@link WIRE_SHAPE}.maxTextBytes. */
  maxLength: 1024,
  maxItems: 256,
  /** Schemas inside one another. */
  depth: 6,
  /** Schemas of one document. */
  schemas: 512,
  properties: 64,
  alternatives: 8,
  /** Values of one `enum`. */
  values: 256,
})

/** Most elements that an array may ask for: what fits on the wire. */
const MOST_ITEMS = WIRE_SHAPE.maxItems
const ANNOTATIONS: readonly string[] = ['title', 'description', '$comment']
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  string: ['minLength', 'maxLength', 'pattern', 'enum', 'const'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'enum', 'const'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'enum', 'const'],
  boolean: ['const'],
  null: [],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
}
const PROPERTY_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
/** A property of such a name would reach a prototype. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

type Json = Readonly<Record<string, unknown>>
/** One schema and where it stands. */
interface Place {
  readonly pointer: string
  readonly depth: number
}

/**
 * Turns the accepted part of JSON Schema 2020-12 into a strict and bounded schema.
 *
 * Accepted are `type` (one), the bounds of each type, `enum` and `const` of plain values, `anyOf`, and
 * for properties `default`. Every object is closed (`additionalProperties: false`), at every depth;
 * references, conditions and formats are refused, and so is every keyword that is not understood:
 * a rule that is written down but not enforced would be worse than none.
 *
 * @param value - the schema as parsed JSON; its root must be an object schema
 * @param at - where it stands in the file, and the bound of its texts without a bound of their own
 * @param problems - takes what is wrong
 * @returns the schema; of no use when there is a problem
 */
export function readObjectSchema(
  value: unknown,
  at: { readonly pointer: string; readonly maxLength: number },
  problems: FileProblem[],
): z.ZodType {
  const reader = new SchemaReader(at.maxLength, problems)
  return reader.readRoot(value, at.pointer)
}

class SchemaReader {
  readonly #maxLength: number
  readonly #problems: FileProblem[]
  #schemas = 0

  constructor(maxLength: number, problems: FileProblem[]) {
    this.#maxLength = maxLength
    this.#problems = problems
  }

  readRoot(value: unknown, pointer: string): z.ZodType {
    const at = { pointer, depth: 0 }
    if (!isObject(value) || value['type'] !== 'object') {
      return this.#problem(at, 'must be a schema of "type": "object"')
    }
    const { $schema, ...schema } = value
    if ($schema !== undefined && $schema !== 'https://json-schema.org/draft/2020-12/schema') {
      this.#problem(below(at, '$schema'), 'must name the draft 2020-12')
    }
    return this.#read(schema, at)
  }

  #problem(at: Place, problem: string): z.ZodType {
    this.#problems.push({ pointer: at.pointer, problem })
    return z.never()
  }

  #read(value: unknown, at: Place): z.ZodType {
    if (!isObject(value)) return this.#problem(at, 'must be a schema: an object')
    if (++this.#schemas > SCHEMA_BOUNDS.schemas) {
      // Said once: the rest of a bomb is not read.
      return this.#schemas === SCHEMA_BOUNDS.schemas + 1
        ? this.#problem(at, `is one of more than ${SCHEMA_BOUNDS.schemas} schemas`)
        : z.never()
    }
    if (at.depth > SCHEMA_BOUNDS.depth) {
      return this.#problem(at, `lies deeper than ${SCHEMA_BOUNDS.depth} schemas`)
    }
    const schema = this.#typed(value, at)
    const { description } = value
    return typeof description === 'string' ? schema.describe(description) : schema
  }

  #typed(value: Json, at: Place): z.ZodType {
    const { type } = value
    if (type === undefined) return this.#untyped(value, at)
    const known = typeof type === 'string' ? KEYWORDS[type] : undefined
    if (typeof type !== 'string' || !known || !Object.hasOwn(KEYWORDS, type)) {
      return this.#problem(below(at, 'type'), `must be one of ${Object.keys(KEYWORDS).join(', ')}`)
    }
    this.#onlyKeywords(value, at, ['type', ...known])
    if (value['enum'] !== undefined || value['const'] !== undefined) return this.#values(value, at)
    switch (type) {
      case 'string':
        return this.#string(value, at)
      case 'integer':
        return this.#number(value, at, z.int())
      case 'number':
        return this.#number(value, at, z.number())
      case 'array':
        return this.#array(value, at)
      case 'object':
        return this.#object(value, at)
      case 'boolean':
        return z.boolean()
      default:
        return z.null()
    }
  }

  #untyped(value: Json, at: Place): z.ZodType {
    if (value['anyOf'] !== undefined) {
      this.#onlyKeywords(value, at, ['anyOf'])
      return this.#anyOf(value['anyOf'], below(at, 'anyOf'))
    }
    if (value['enum'] !== undefined || value['const'] !== undefined) {
      this.#onlyKeywords(value, at, ['enum', 'const'])
      return this.#values(value, at)
    }
    for (const keyword of ['$ref', '$dynamicRef', '$defs', 'definitions']) {
      if (value[keyword] === undefined) continue
      return this.#problem(below(at, keyword), 'is not accepted: write the schema out in place')
    }
    return this.#problem(at, 'must say its "type", or use "enum", "const" or "anyOf"')
  }

  #onlyKeywords(value: Json, at: Place, known: readonly string[]): void {
    for (const [keyword, content] of Object.entries(value)) {
      if (known.includes(keyword)) continue
      if (!ANNOTATIONS.includes(keyword)) {
        this.#problem(below(at, keyword), 'is a keyword that is not accepted here')
      } else if (typeof content !== 'string' || content.length > 1024) {
        this.#problem(below(at, keyword), 'must be a text of at most 1,024 characters')
      }
    }
  }

  #values(value: Json, at: Place): z.ZodType {
    const keyword = value['enum'] === undefined ? 'const' : 'enum'
    const place = below(at, keyword)
    if (value['enum'] !== undefined && value['const'] !== undefined) {
      return this.#problem(place, 'stands beside "const": give one of them')
    }
    const values: unknown = keyword === 'enum' ? value['enum'] : [value['const']]
    if (!Array.isArray(values) || values.length < 1 || values.length > SCHEMA_BOUNDS.values) {
      return this.#problem(place, `must be a list of 1 to ${SCHEMA_BOUNDS.values} values`)
    }
    const plain = values.filter((item) => isPlain(item, value['type']))
    if (plain.length !== values.length || new Set(values).size !== values.length) {
      return this.#problem(place, 'must hold different plain values of the type')
    }
    return z.literal(plain)
  }

  #anyOf(options: unknown, at: Place): z.ZodType {
    const most = SCHEMA_BOUNDS.alternatives
    if (!Array.isArray(options) || options.length < 1 || options.length > most) {
      return this.#problem(at, `must be a list of 1 to ${most} schemas`)
    }
    return z.union(options.map((option, index) => this.#read(option, inside(at, String(index)))))
  }

  #string(value: Json, at: Place): z.ZodType {
    const most = WIRE_SHAPE.maxTextBytes
    const min = this.#count(value, below(at, 'minLength'), most) ?? 0
    const max = this.#count(value, below(at, 'maxLength'), most) ?? this.#maxLength
    if (min > max) return this.#problem(below(at, 'minLength'), `is larger than the maximum ${max}`)
    const text = z.string().min(min).max(max)
    const { pattern } = value
    if (pattern === undefined) return text
    const place = below(at, 'pattern')
    if (typeof pattern !== 'string') return this.#problem(place, 'must be a text')
    const problem = patternProblem(pattern)
    if (problem !== undefined) return this.#problem(place, problem)
    return text.regex(new RegExp(pattern, 'u'))
  }

  #number(value: Json, at: Place, start: z.ZodNumber): z.ZodType {
    let schema = start
    const bound = (keyword: string, apply: (limit: number) => z.ZodNumber): void => {
      const limit = value[keyword]
      if (limit === undefined) return
      if (typeof limit === 'number') schema = apply(limit)
      else this.#problem(below(at, keyword), 'must be a number')
    }
    bound('minimum', (limit) => schema.min(limit))
    bound('maximum', (limit) => schema.max(limit))
    bound('exclusiveMinimum', (limit) => schema.gt(limit))
    bound('exclusiveMaximum', (limit) => schema.lt(limit))
    return schema
  }

  #array(value: Json, at: Place): z.ZodType {
    const min = this.#count(value, below(at, 'minItems'), MOST_ITEMS) ?? 0
    const max = this.#count(value, below(at, 'maxItems'), MOST_ITEMS) ?? SCHEMA_BOUNDS.maxItems
    const items = this.#read(value['items'], inside(at, 'items'))
    if (min > max) return this.#problem(below(at, 'minItems'), `is larger than the maximum ${max}`)
    return z.array(items).min(min).max(max)
  }

  #object(value: Json, at: Place): z.ZodType {
    if (value['additionalProperties'] !== false) {
      this.#problem(
        at,
        'must say "additionalProperties": false: unknown members are always refused',
      )
    }
    const properties = value['properties'] ?? {}
    const place = below(at, 'properties')
    if (!isObject(properties)) return this.#problem(place, 'must be an object of schemas')
    const names = Object.keys(properties)
    if (names.length > SCHEMA_BOUNDS.properties) {
      return this.#problem(place, `has more than ${SCHEMA_BOUNDS.properties} members`)
    }
    const required = this.#required(value['required'], { names, at: below(at, 'required') })
    const shape: Record<string, z.ZodType> = {}
    for (const name of names) {
      const here = inside(place, name)
      if (!PROPERTY_NAME.test(name) || FORBIDDEN_NAMES.has(name)) {
        this.#problem(here, 'is a name that is not accepted: letters, digits, _ and -')
        continue
      }
      shape[name] = this.#property(properties[name], here, required.has(name))
    }
    return z.strictObject(shape)
  }

  #property(value: unknown, at: Place, isRequired: boolean): z.ZodType {
    const fallback = isObject(value) ? value['default'] : undefined
    if (!isObject(value) || fallback === undefined) {
      const schema = this.#read(value, at)
      return isRequired ? schema : schema.optional()
    }
    const { default: _default, ...rest } = value
    const before = this.#problems.length
    const schema = this.#read(rest, at)
    const fits = this.#problems.length > before || schema.safeParse(fallback).success
    if (isRequired) this.#problem(below(at, 'default'), 'stands at a member that is required')
    else if (!fits || !isPlain(fallback, undefined)) {
      this.#problem(below(at, 'default'), 'must be a plain value that fits the schema')
    } else return schema.default(fallback)
    return schema
  }

  #required(
    value: unknown,
    { names, at }: { readonly names: readonly string[]; readonly at: Place },
  ): ReadonlySet<string> {
    if (value === undefined) return new Set()
    if (!Array.isArray(value) || new Set(value).size !== value.length) {
      this.#problem(at, 'must be a list of different names')
      return new Set()
    }
    value.forEach((name: unknown, index) => {
      if (typeof name === 'string' && names.includes(name)) return
      this.#problem(below(at, String(index)), 'is not the name of a property')
    })
    return new Set(value.filter((name) => typeof name === 'string'))
  }

  #count(value: Json, at: Place, most: number): number | undefined {
    const keyword = at.pointer.slice(at.pointer.lastIndexOf('/') + 1)
    const count = value[keyword]
    if (count === undefined) return undefined
    if (typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= most) {
      return count
    }
    this.#problem(at, `must be an integer from 0 to ${most}`)
    return undefined
  }
}

function below({ pointer, depth }: Place, name: string): Place {
  return { pointer: `${pointer}/${escapePointer(name)}`, depth }
}

/** The place of a schema inside another one. */
function inside(at: Place, name: string): Place {
  return below({ ...at, depth: at.depth + 1 }, name)
}

/** One name of a JSON pointer; a long one is cut: it only shows the place. @see RFC 6901 section 3 */
export function escapePointer(name: string): string {
  return name.slice(0, 80).replaceAll('~', '~0').replaceAll('/', '~1')
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isPlain(value: unknown, type: unknown): value is string | number | boolean | null {
  if (value === null) return type === undefined || type === 'null'
  if (typeof value === 'string') {
    return (type === undefined || type === 'string') && value.length <= SCHEMA_BOUNDS.maxLength
  }
  if (typeof value === 'number') {
    return (
      type === undefined || type === 'number' || (type === 'integer' && Number.isInteger(value))
    )
  }
  return typeof value === 'boolean' && (type === undefined || type === 'boolean')
}
