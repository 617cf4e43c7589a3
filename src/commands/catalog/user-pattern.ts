/** A set of code points as sorted, disjoint ranges. */
type CharacterSet = readonly (readonly [low: number, high: number])[]

/** One character, or several of the same set. */
interface Piece {
  readonly set: CharacterSet
  readonly min: number
  readonly max: number
}

/** Longest pattern in UTF-16 code units. */
export const MAX_PATTERN_LENGTH = 256
const MAX_REPEAT = 1000
/** Characters around the only part of variable length, where that part is not told apart. */
const MAX_FIXED = 256
const LAST_CODE_POINT = 0x10_ffff
/** Characters that stand for themselves only behind a backslash. */
const SYNTAX = new Set('^$\\.*+?()[]{}|/')
const DIGITS: CharacterSet = [[0x30, 0x39]]
const WORD: CharacterSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]

/**
 * Says whether a pattern is one that the engine of JavaScript, which goes back and tries again, decides
 * in a time that grows with the text only.
 *
 * Accepted is a row of characters and classes between `^` and `$`, each with at most one quantifier. A
 * part of variable length must be told apart from what may follow it by its characters; a pattern with a
 * single part of variable length may do without.
 *
 * @param source - the pattern of a JSON Schema
 * @returns what is wrong with it in one sentence, or `undefined`
 */
export function patternProblem(source: string): string | undefined {
  if (source.length > MAX_PATTERN_LENGTH) return `is longer than ${MAX_PATTERN_LENGTH} characters`
  const pieces = new PatternReader(source).read()
  return typeof pieces === 'string' ? pieces : ambiguityOf(pieces)
}

/** Two ways to divide a text between two parts are what going back is made of. */
function ambiguityOf(pieces: readonly Piece[]): string | undefined {
  const variable = pieces.filter(({ min, max }) => min !== max)
  if (variable.every((piece) => isToldApart(piece, pieces))) return undefined
  const fixed = pieces.filter(({ min, max }) => min === max).reduce((sum, { min }) => sum + min, 0)
  if (variable.length === 1 && fixed <= MAX_FIXED) return undefined
  return 'could take long: a part of variable length can also begin what follows it'
}

function isToldApart(piece: Piece, pieces: readonly Piece[]): boolean {
  for (const next of pieces.slice(pieces.indexOf(piece) + 1)) {
    if (intersects(piece.set, next.set)) return false
    if (next.min > 0) return true
  }
  return true
}

function intersects(a: CharacterSet, b: CharacterSet): boolean {
  return a.some(([low, high]) => b.some(([from, to]) => low <= to && from <= high))
}

/** Reads the accepted form; every method that fails says so by a text. */
class PatternReader {
  readonly #characters: readonly string[]
  #at = 0

  constructor(source: string) {
    this.#characters = Array.from(source)
  }

  read(): readonly Piece[] | string {
    if (this.#characters[0] !== '^' || this.#characters.at(-1) !== '$') {
      return 'must begin with ^ and end with $'
    }
    const pieces: Piece[] = []
    for (this.#at = 1; this.#at < this.#characters.length - 1;) {
      const set = this.#atom()
      if (typeof set === 'string') return set
      const range = this.#quantifier()
      if (typeof range === 'string') return range
      pieces.push({ set, ...range })
    }
    // A backslash before the last character would make it a plain one.
    return this.#at === this.#characters.length - 1 ? pieces : 'must end with a plain $'
  }

  #next(): string {
    return this.#characters[this.#at++] ?? ''
  }

  #atom(): CharacterSet | string {
    const character = this.#next()
    if (character === '[') return this.#characterClass()
    if (character === '\\') return this.#escape()
    if (SYNTAX.has(character) && character !== '/') {
      return `uses "${character}", which is not among the accepted parts: characters, [classes], \\d, \\w and one quantifier each`
    }
    return single(character)
  }

  #escape(): CharacterSet | string {
    const character = this.#next()
    if (character === 'd') return DIGITS
    if (character === 'w') return WORD
    if (SYNTAX.has(character)) return single(character)
    return `uses the escape "\\${character}", which is not accepted`
  }

  #characterClass(): CharacterSet | string {
    const negated = this.#characters[this.#at] === '^'
    if (negated) this.#at++
    const ranges: (readonly [number, number])[] = []
    for (let character = this.#next(); character !== ']'; character = this.#next()) {
      if (character === '') return 'has a class without end'
      if (character === '[') return 'has a class inside a class'
      const from = character === '\\' ? this.#classEscape() : single(character)
      if (typeof from === 'string') return from
      const to = this.#rangeEnd()
      if (typeof to === 'string') return to
      const [low, high] = [from[0]?.[0] ?? 0, to?.[0]?.[1] ?? 0]
      if (!to) ranges.push(...from)
      else if (from.length === 1 && from[0]?.[1] === low && low <= high) ranges.push([low, high])
      else return 'has a range that runs backwards'
    }
    return ranges.length === 0 ? 'has an empty class' : normalised(ranges, negated)
  }

  /** The last character of a range, where a hyphen between two characters makes one. */
  #rangeEnd(): CharacterSet | string | undefined {
    const [hyphen, end] = this.#characters.slice(this.#at, this.#at + 2)
    if (hyphen !== '-' || end === undefined || end === ']') return undefined
    this.#at += 2
    if (end !== '\\') return single(end)
    const set = this.#classEscape()
    return set === DIGITS || set === WORD ? 'has a range that ends in a class' : set
  }

  #classEscape(): CharacterSet | string {
    if (this.#characters[this.#at] !== '-') return this.#escape()
    return single(this.#next())
  }

  #quantifier(): { readonly min: number; readonly max: number } | string {
    switch (this.#characters[this.#at]) {
      case '?':
        this.#at++
        return { min: 0, max: 1 }
      case '*':
        this.#at++
        return { min: 0, max: Infinity }
      case '+':
        this.#at++
        return { min: 1, max: Infinity }
      case '{':
        return this.#count()
      case undefined:
      default:
        return { min: 1, max: 1 }
    }
  }

  #count(): { readonly min: number; readonly max: number } | string {
    const end = this.#characters.indexOf('}', this.#at)
    const text = this.#characters.slice(this.#at, end + 1).join('')
    const match = /^\{(\d{1,4})(,(\d{1,4})?)?\}$/.exec(text)
    if (!match) return 'has a count that is not {n}, {n,} or {n,m}'
    this.#at = end + 1
    const min = Number(match[1])
    const max = match[2] === undefined ? min : Number(match[3] ?? Infinity)
    const largest = max === Infinity ? min : max
    return min <= max && largest <= MAX_REPEAT
      ? { min, max }
      : `has a count above ${MAX_REPEAT} or one that runs backwards`
  }
}

function single(character: string): CharacterSet {
  const point = character.codePointAt(0) ?? 0
  return [[point, point]]
}

function normalised(ranges: CharacterSet, negated: boolean): CharacterSet {
  if (!negated) return ranges
  const outside: [number, number][] = []
  let next = 0
  for (const [low, high] of ranges.toSorted(([a], [b]) => a - b)) {
    if (low > next) outside.push([next, low - 1])
    next = Math.max(next, high + 1)
  }
  if (next <= LAST_CODE_POINT) outside.push([next, LAST_CODE_POINT])
  return outside
}
