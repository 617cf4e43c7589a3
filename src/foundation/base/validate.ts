import type { core } from 'zod'
import { refuse, type Refusal } from './errors.ts'
import { findJsonAmbiguity } from './json.ts'

/** A validated value, or the refusal that names path and rule, never the value. */
export type Validation<T> = { readonly allow: true; readonly value: T } | Refusal

/** A schema of Zod, in either of its spellings. */
export interface Schema<T> extends core.$ZodType<T> {
  safeParse(value: unknown): core.util.SafeParseResult<T>
}

/** Bounds checked before a schema sees a value. */
export interface ShapeLimits {
  readonly maxDepth: number
  readonly maxItems: number
}

const DEFAULT_SHAPE: ShapeLimits = Object.freeze({ maxDepth: 16, maxItems: 4096 })

/**
 * The one door through which untrusted values become typed ones: depth and item limits first, then
 * the schema, first issue only.
 *
 * @param schema - a strict, bounded schema of `z` or `zm`
 * @param value - own data (decoded JSON or CBOR), not a live object
 * @param limits - depth and item bounds; 16 and 4096 by default
 * @returns the parsed value, or a refusal `KOS_BASE_INVALID` whose rule is `path: issue code`
 * @example
 * ```ts
 * import { validate, z } from 'kos/base'
 * validate(z.strictObject({ n: z.int() }), { n: 1 }).allow // true
 * ```
 */
export function validate<T>(
  schema: Schema<T>,
  value: unknown,
  limits: ShapeLimits = DEFAULT_SHAPE,
): Validation<T> {
  const shape = shapeProblem(value, limits)
  if (shape) return refuse('KOS_BASE_INVALID', shape)
  const result = schema.safeParse(value)
  if (result.success) return { allow: true, value: result.data }
  const issue = result.error.issues[0]
  const path = issue?.path.map(pathSegment).join('.') || 'value'
  return refuse('KOS_BASE_INVALID', `${path}: ${issue?.code ?? 'invalid'}`)
}

/** A name in a path can come from the input: only a harmless one is repeated. */
function pathSegment(segment: PropertyKey): string {
  const text = String(segment)
  return /^[\w-]{1,64}$/.test(text) ? text : '?'
}

const MAX_JSON_DEPTH = 64

/**
 * Parses JSON text that can be understood in one way only: bounded in bytes and depth (64), without
 * repeated names, `__proto__`, lone surrogates, and numbers beyond 2^53 or a double.
 *
 * @param text - JSON text
 * @param maxBytes - upper bound of its UTF-8 length
 * @returns the value, or a refusal `KOS_BASE_INVALID` whose rule is `json: problem`
 * @see RFC 7493
 */
export function parseJson(text: string, maxBytes: number): Validation<unknown> {
  if (Buffer.byteLength(text) > maxBytes) return refuse('KOS_BASE_INVALID', 'json: too long')
  const ambiguity = findJsonAmbiguity(text, MAX_JSON_DEPTH)
  if (ambiguity) return refuse('KOS_BASE_INVALID', `json: ${ambiguity}`)
  try {
    return { allow: true, value: JSON.parse(text) as unknown }
  } catch {
    return refuse('KOS_BASE_INVALID', 'json: malformed')
  }
}

function shapeProblem(root: unknown, limits: ShapeLimits): string | undefined {
  let items = 0
  const pending: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }]
  for (let entry = pending.pop(); entry; entry = pending.pop()) {
    const { value, depth } = entry
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) continue
    if (depth >= limits.maxDepth) return 'value: too deep'
    const children: unknown[] = Array.isArray(value) ? value : Object.values(value)
    items += children.length
    if (items > limits.maxItems) return 'value: too many items'
    for (const child of children) pending.push({ value: child, depth: depth + 1 })
  }
  return undefined
}
