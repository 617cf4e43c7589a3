/** Characters that matter outside strings; everything else is left to the grammar check. */
const NUMBER_START = /[-0-9]/
const NUMBER = /[-+.0-9eE]+/y

/**
 * Looks for what `JSON.parse` silently accepts and two readers can understand differently: repeated
 * names, `__proto__`, lone surrogates, numbers a double cannot hold, and depth without end.
 *
 * **Security:** finds ambiguity only; the text may still be malformed. Parse it afterwards.
 *
 * @param text - JSON text, already bounded in length
 * @param maxDepth - how deep objects and arrays may nest
 * @returns what is wrong, or `undefined`
 * @see RFC 7493 sections 2.1 to 2.3
 */
export function findJsonAmbiguity(text: string, maxDepth: number): string | undefined {
  // One entry per open container: the names seen so far, or nothing for an array.
  const open: (Set<string> | undefined)[] = []
  let nameNext = false
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at)
    if (char === '"') {
      const end = closingQuote(text, at)
      const problem = stringProblem(text.slice(at, end + 1), nameNext ? open.at(-1) : undefined)
      if (problem) return problem
      nameNext = false
      at = end
    } else if (char === '{' || char === '[') {
      if (open.length >= maxDepth) return 'too deep'
      open.push(char === '{' ? new Set() : undefined)
      nameNext = char === '{'
    } else if (char === '}' || char === ']') {
      open.pop()
    } else if (char === ',') {
      nameNext = open.at(-1) !== undefined
    } else if (NUMBER_START.test(char)) {
      const token = numberAt(text, at)
      if (!isExact(Number(token))) return 'number out of range'
      at += token.length - 1
    }
  }
  return undefined
}

/** Index of the quote that ends the string, or the end of the text. */
function closingQuote(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charAt(at)
    if (char === '"') return at
    if (char === '\\') at += 1
  }
  return text.length
}

function stringProblem(quoted: string, names: Set<string> | undefined): string | undefined {
  const value = quoted.includes('\\') ? unescape(quoted) : quoted.slice(1, -1)
  if (!value.isWellFormed()) return 'lone surrogate'
  if (!names) return undefined
  if (value === '__proto__') return 'forbidden name'
  if (names.has(value)) return 'repeated name'
  names.add(value)
  return undefined
}

/** The value of a string with escapes; a malformed one is left to the grammar check. */
function unescape(quoted: string): string {
  try {
    return String(JSON.parse(quoted))
  } catch {
    return quoted
  }
}

function numberAt(text: string, at: number): string {
  NUMBER.lastIndex = at
  return NUMBER.exec(text)?.[0] ?? ''
}

/** Fractions are rounded as usual; an integer must be the one that was written. */
function isExact(value: number): boolean {
  return Number.isSafeInteger(value) || (!Number.isInteger(value) && Math.abs(value) !== Infinity)
}
