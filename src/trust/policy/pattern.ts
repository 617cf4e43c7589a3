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
  /** The first literal segment and where it leads; most nodes have no other, and need no map. */
  segment: string | undefined
  child: TrieNode<T> | undefined
  more: Map<string, TrieNode<T>> | undefined
  star: TrieNode<T> | undefined
  /** Of a pattern that ends here. */
  end: T | undefined
  /** Of a pattern that goes on with `>`. */
  tail: T | undefined
}

function trieNode<T>(): TrieNode<T> {
  return {
    segment: undefined,
    child: undefined,
    more: undefined,
    star: undefined,
    end: undefined,
    tail: undefined,
  }
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
      node = segment === '*' ? (node.star ??= trieNode()) : literalOf(node, segment)
    }
    return (node.end ??= this.#create())
  }

  /** Appends the values of all patterns that cover an action (parsed). */
  find(action: readonly string[], into: T[]): void {
    collect(this.#root, action, { index: 0, into })
  }
}

/** The node behind a literal segment, made on first use. */
function literalOf<T>(node: TrieNode<T>, segment: string): TrieNode<T> {
  if (node.child === undefined) {
    node.segment = segment
    return (node.child = trieNode())
  }
  const known = nextNode(node, segment)
  if (known !== undefined) return known
  const made: TrieNode<T> = trieNode()
  ;(node.more ??= new Map()).set(segment, made)
  return made
}

function nextNode<T>(node: TrieNode<T>, segment: string): TrieNode<T> | undefined {
  return node.segment === segment ? node.child : node.more?.get(segment)
}

/** Follows one branch in a loop and goes into itself only where there are two. */
function collect<T>(
  from: TrieNode<T>,
  action: readonly string[],
  at: { readonly index: number; readonly into: T[] },
): void {
  const { into } = at
  let node = from
  for (let { index } = at; index < action.length; index += 1) {
    if (node.tail !== undefined) into.push(node.tail)
    const literal = nextNode(node, action[index] ?? '')
    const { star } = node
    if (literal !== undefined && star !== undefined) {
      collect(star, action, { index: index + 1, into })
    }
    const next = literal ?? star
    if (next === undefined) return
    node = next
  }
  if (node.end !== undefined) into.push(node.end)
}
