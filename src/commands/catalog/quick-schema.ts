import type { z } from '../../foundation/base/index.ts'

/** Parses a value: the object that the schema makes of it; `undefined` when it does not fit. */
export type SchemaParser = (value: unknown) => unknown

type Test = (value: unknown) => boolean

interface Member {
  readonly key: string
  readonly test: Test
  readonly optional: boolean
}

/** The fields of a definition that are understood here. */
type Definition = Readonly<
  Partial<
    Record<
      | 'catchall'
      | 'check'
      | 'checks'
      | 'coerce'
      | 'format'
      | 'innerType'
      | 'maximum'
      | 'minimum'
      | 'options'
      | 'shape'
      | 'type',
      unknown
    >
  >
>

/** Schemas of byte arrays and their longest value: what a refinement asks cannot be read from it. */
const BYTES = new WeakMap<z.ZodType, number>()
/** Above this a list of members is not searched on every call. */
const MAX_MEMBERS = 16

/** Remembers that a schema takes byte arrays up to a length, and nothing else. */
export function declareBytes<T extends z.ZodType>(schema: T, maxBytes: number): T {
  BYTES.set(schema, maxBytes)
  return schema
}

/**
 * Makes the parser of a schema. For flat strict objects of texts, byte arrays, numbers and booleans a
 * few comparisons say that a value fits, without the general machinery. **Only the schema itself ever
 * refuses**: what the comparisons do not accept is asked of it, and whatever they accept it accepts
 * with the same value (shown by test/fuzz/quick-schema.test.ts).
 *
 * @param schema - of arguments or results: of an object
 */
export function schemaParser(schema: z.ZodType): SchemaParser {
  const members = membersOf(schema)
  return (value) => {
    const quick = members && quickParse(members, value)
    if (quick) return quick
    return schema.safeParse(value).data
  }
}

/** The parsed object, or `undefined`: ask the schema. */
function quickParse(
  members: readonly Member[],
  value: unknown,
): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return undefined
  const parsed: Record<string, unknown> = {}
  let left = Object.keys(value).length
  for (const { key, test, optional } of members) {
    const member = (value as Readonly<Record<string, unknown>>)[key]
    if (member === undefined) {
      if (optional && !Object.hasOwn(value, key)) continue
      return undefined
    }
    if (!test(member)) return undefined
    parsed[key] = member
    left -= 1
  }
  // More keys than members: the schema finds the unknown one.
  return left === 0 ? parsed : undefined
}

function membersOf(schema: z.ZodType): readonly Member[] | undefined {
  const { type, shape, catchall, checks } = definitionOf(schema)
  if (type !== 'object' || typeof shape !== 'object' || shape === null || hasChecks(checks)) {
    return undefined
  }
  if (typeof catchall !== 'object' || definitionOf(catchall).type !== 'never') return undefined
  const members: Member[] = []
  for (const [key, member] of Object.entries(shape)) {
    const { type: kind, innerType } = definitionOf(member)
    const test = testOf(kind === 'optional' ? innerType : member)
    if (!test || key === '__proto__') return undefined
    members.push({ key, test, optional: kind === 'optional' })
  }
  return members.length <= MAX_MEMBERS ? members : undefined
}

/** The test of one member; `undefined` for every schema that asks more than is known here. */
function testOf(schema: unknown): Test | undefined {
  const maxBytes = BYTES.get(schema as z.ZodType)
  if (maxBytes !== undefined) {
    return (value) => value instanceof Uint8Array && value.length <= maxBytes
  }
  const { type, checks, coerce, format, options } = definitionOf(schema)
  if (coerce === true || format !== undefined) return undefined
  if (type === 'string') return textTest(checks)
  if (type === 'union' && Array.isArray(options)) return anyTest(options.map(testOf))
  if (hasChecks(checks)) return undefined
  if (type === 'boolean') return (value) => typeof value === 'boolean'
  return type === 'number' ? (value) => Number.isFinite(value) : undefined
}

function textTest(checks: unknown): Test | undefined {
  let [min, max] = [0, Number.POSITIVE_INFINITY]
  for (const check of Array.isArray(checks) ? checks : []) {
    const { check: kind, minimum, maximum } = definitionOf(check)
    if (kind === 'max_length' && typeof maximum === 'number') max = Math.min(max, maximum)
    else if (kind === 'min_length' && typeof minimum === 'number') min = Math.max(min, minimum)
    else return undefined
  }
  return (value) => typeof value === 'string' && value.length >= min && value.length <= max
}

function anyTest(tests: readonly (Test | undefined)[]): Test | undefined {
  if (!tests.every((test) => test !== undefined)) return undefined
  const [first, second, ...more] = tests
  if (!first || !second) return first
  if (more.length > 0) return (value) => tests.some((test) => test(value))
  return (value) => first(value) || second(value)
}

function hasChecks(checks: unknown): boolean {
  return Array.isArray(checks) && checks.length > 0
}

/** How a schema or a check was defined: the part of zod that its own tools (JSON Schema) read. */
function definitionOf(schema: unknown): Definition {
  return (schema as { readonly _zod?: { readonly def?: Definition } } | undefined)?._zod?.def ?? {}
}
