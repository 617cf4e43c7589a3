/** A value that conditions compare: what JSON and CBOR agree on. */
export type Scalar = string | number | boolean | null

/** One condition on the canonical arguments of a call; exactly one operator. */
export type Condition =
  | {
      readonly argument: string
      /** The path itself or anything below it. Both must be canonical. */
      readonly pathPrefix: string
    }
  | { readonly argument: string; readonly equals: Scalar }
  | { readonly argument: string; readonly oneOf: readonly Scalar[] }
  | {
      readonly argument: string
      /** Integers, both ends included. */
      readonly range: { readonly min?: number | undefined; readonly max?: number | undefined }
    }

/** What is known of a condition; `undefined`: it cannot be evaluated. */
export type Verdict = boolean | undefined

/** A compiled condition, total: it returns a verdict for any value. */
export type ConditionTest = (canonicalArguments: unknown) => Verdict

const MAX_PATH_LENGTH = 4096

/** Compiles a condition that passed the schema. */
export function compileCondition(condition: Condition): ConditionTest {
  const path = condition.argument.split('.')
  const test = operatorOf(condition)
  return (canonicalArguments) => {
    try {
      const value = argumentAt(canonicalArguments, path)
      return value === undefined ? undefined : test(value)
    } catch {
      // Data without accessors cannot get here; anything stranger is not evaluated.
      return undefined
    }
  }
}

/**
 * All conditions of a rule together. One that is known to be false settles the rule; otherwise one
 * that cannot be evaluated leaves it undecided, whatever the order.
 */
export function evaluateAll(tests: readonly ConditionTest[], canonicalArguments: unknown): Verdict {
  let verdict: Verdict = true
  for (const test of tests) {
    const one = test(canonicalArguments)
    if (one === false) return false
    if (one === undefined) verdict = undefined
  }
  return verdict
}

/**
 * The segments of a canonical path, absolute or relative (`.` is the relative root).
 *
 * @returns `undefined` for `..`, empty or `.` segments, a trailing slash, NUL or backslash: a path
 *   that could mean another file than it says is not compared
 */
export function canonicalPath(
  path: string,
): { readonly absolute: boolean; readonly segments: readonly string[] } | undefined {
  if (path.length > MAX_PATH_LENGTH || path.includes('\0') || path.includes('\\')) return undefined
  const absolute = path.startsWith('/')
  if (path === '/' || path === '.') return { absolute, segments: [] }
  const segments = (absolute ? path.slice(1) : path).split('/')
  const fits = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  return fits ? { absolute, segments } : undefined
}

/** Own properties only; arrays and bytes have no named arguments. */
function argumentAt(root: unknown, path: readonly string[]): unknown {
  let value = root
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (!Object.hasOwn(value, key)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return value
}

function operatorOf(condition: Condition): ConditionTest {
  if ('pathPrefix' in condition) return pathTest(condition.pathPrefix)
  if ('range' in condition) return rangeTest(condition.range)
  return scalarTest('equals' in condition ? [condition.equals] : condition.oneOf)
}

function pathTest(prefixText: string): ConditionTest {
  const prefix = canonicalPath(prefixText)
  return (value) => {
    const path = typeof value === 'string' ? canonicalPath(value) : undefined
    if (path === undefined || prefix === undefined) return undefined
    if (path.absolute !== prefix.absolute) return undefined
    return prefix.segments.every((segment, index) => segment === path.segments[index])
  }
}

function scalarTest(wanted: readonly Scalar[]): ConditionTest {
  const set = new Set<unknown>(wanted)
  const types = new Set(wanted.map((scalar) => (scalar === null ? 'null' : typeof scalar)))
  return (value) => {
    const type = value === null ? 'null' : typeof value
    // Another type is not "different", it is not comparable: 1 is neither '1' nor not '1'.
    return types.has(type === 'bigint' ? 'number' : type) ? set.has(value) : undefined
  }
}

function rangeTest(range: { min?: number | undefined; max?: number | undefined }): ConditionTest {
  const { min = -Infinity, max = Infinity } = range
  return (value) => {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined
    const integer = value as number | bigint
    return integer >= min && integer <= max
  }
}
