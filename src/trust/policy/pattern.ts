const SEGMENT = /^[A-Za-z0-9_-]{1,64}$/
const MAX_ACTION_LENGTH = 255
const MAX_SEGMENT_LENGTH = 64
const MAX_SEGMENTS = 12
const DOT = 0x2e

/** Character code → whether a segment may hold it; `undefined` beyond ASCII. */
const IN_SEGMENT: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  SEGMENT.test(String.fromCharCode(code)),
)

/**
 * Splits a concrete action such as `files.read`: 1 to 12 segments of letters, digits, `_` and `-`,
 * the grammar of kBus channels, so that one manifest fits both. On the hot path: one pass, no
 * regular expression.
 *
 * @returns its segments, or `undefined` when the text is not an action
 */
export function parseAction(text: string): readonly string[] | undefined {
  const { length } = text
  if (length > MAX_ACTION_LENGTH) return undefined
  const segments: string[] = []
  let start = 0
  for (let index = 0; index <= length; index += 1) {
    const code = index === length ? DOT : text.charCodeAt(index)
    if (code === DOT) {
      if (index === start || index - start > MAX_SEGMENT_LENGTH) return undefined
      segments.push(text.slice(start, index))
      start = index + 1
    } else if (IN_SEGMENT[code] !== true) return undefined
  }
  return segments.length <= MAX_SEGMENTS ? segments : undefined
}

/**
 * Splits an action pattern: segments, `*` for exactly one segment, `>` at the end for one or more.
 * No regular expressions: the cost of a match is bounded by the action's length.
 *
 * @returns its segments, or `undefined` when the text is not a pattern
 */
export function parsePattern(text: string): readonly string[] | undefined {
  if (text.length > MAX_ACTION_LENGTH) return undefined
  const segments = text.split('.')
  if (segments.length > MAX_SEGMENTS) return undefined
  const last = segments.length - 1
  const fits = segments.every(
    (segment, index) =>
      segment === '*' || (segment === '>' && index === last) || SEGMENT.test(segment),
  )
  return fits ? segments : undefined
}

/** Whether a pattern (parsed) covers an action (parsed): what {@link PatternTrie} finds, for one pattern. */
export function patternCovers(pattern: readonly string[], action: readonly string[]): boolean {
  for (const [index, segment] of pattern.entries()) {
    if (index >= action.length) return false
    if (segment === '>') return true
    if (segment !== '*' && segment !== action[index]) return false
  }
  return pattern.length === action.length
}

interface TrieNode<T> {
  readonly literal: Map<string, TrieNode<T>>
  star: TrieNode<T> | undefined
  /** Of a pattern that ends here. */
  end: T | undefined
  /** Of a pattern that goes on with `>`. */
  tail: T | undefined
}

function trieNode<T>(): TrieNode<T> {
  return { literal: new Map(), star: undefined, end: undefined, tail: undefined }
}

/** Patterns → values, searched by action: the cost follows the action, not the patterns. */
export class PatternTrie<T> {
  readonly #root: TrieNode<T> = trieNode()
  readonly #create: () => T

  constructor(create: () => T) {
    this.#create = create
  }

  /** The value of a pattern (parsed), made on first use. */
  at(pattern: readonly string[]): T {
    let node = this.#root
    for (const segment of pattern) {
      if (segment === '>') return (node.tail ??= this.#create())
      if (segment === '*') {
        node = node.star ??= trieNode()
        continue
      }
      let next = node.literal.get(segment)
      if (next === undefined) node.literal.set(segment, (next = trieNode()))
      node = next
    }
    return (node.end ??= this.#create())
  }

  /** Appends the values of all patterns that cover an action (parsed). */
  find(action: readonly string[], into: T[]): void {
    collect(this.#root, action, { index: 0, into })
  }
}

function collect<T>(
  node: TrieNode<T>,
  action: readonly string[],
  at: { readonly index: number; readonly into: T[] },
): void {
  const { index, into } = at
  const segment = action[index]
  if (segment === undefined) {
    if (node.end !== undefined) into.push(node.end)
    return
  }
  if (node.tail !== undefined) into.push(node.tail)
  const literal = node.literal.get(segment)
  if (literal === undefined && node.star === undefined) return
  const next = { index: index + 1, into }
  if (literal !== undefined) collect(literal, action, next)
  if (node.star !== undefined) collect(node.star, action, next)
}
