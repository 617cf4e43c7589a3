/** Why an expression has no value, and where: a character position counted from 1. */
export interface CalcFault {
  readonly kind: 'syntax' | 'arithmetic'
  readonly position: number
  /** One sentence without any part of the input. */
  readonly problem: string
}

/** Longest expression in characters. */
export const MAX_EXPRESSION_LENGTH = 1024
/** Parentheses, signs and powers inside one another. */
export const MAX_EXPRESSION_DEPTH = 64

interface Callable {
  readonly least: number
  readonly most: number
  apply(values: readonly number[]): number
}

const unary = (apply: (value: number) => number): Callable => ({
  least: 1,
  most: 1,
  apply: ([value = Number.NaN]) => apply(value),
})

const variadic = (apply: (...values: number[]) => number): Callable => ({
  least: 1,
  most: MAX_EXPRESSION_LENGTH,
  apply: (values) => apply(...values),
})

/** Functions by name; a Map, so that no inherited name can be called. */
const FUNCTIONS: ReadonlyMap<string, Callable> = new Map([
  ['sqrt', unary(Math.sqrt)],
  ['abs', unary(Math.abs)],
  ['min', variadic(Math.min)],
  ['max', variadic(Math.max)],
  ['round', unary(Math.round)],
  ['floor', unary(Math.floor)],
  ['ceil', unary(Math.ceil)],
  ['sin', unary(Math.sin)],
  ['cos', unary(Math.cos)],
  ['tan', unary(Math.tan)],
  ['log', unary(Math.log10)],
  ['ln', unary(Math.log)],
  ['exp', unary(Math.exp)],
])

const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ['pi', Math.PI],
  ['e', Math.E],
])

/** Names of functions and constants, for help texts. */
export const CALC_NAMES: readonly string[] = Object.freeze([
  ...FUNCTIONS.keys(),
  ...CONSTANTS.keys(),
])

const NUMBER = /0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y
const NAME = /[a-z][a-z0-9]*/y
const SPACE = /[ \t]*/y

/**
 * Evaluates an arithmetic expression by recursive descent: numbers (decimal, scientific, hexadecimal),
 * `+ - * / % ^`, signs, parentheses, functions and constants. `^` groups from the right and binds
 * tighter than a sign before it: `-2^2` is -4, `2^-1` is 0.5. `%` keeps the sign of the dividend.
 *
 * @param text - at most 1,024 characters
 * @returns a finite number, or the first fault
 */
export function evaluateExpression(text: string): number | CalcFault {
  return new Evaluation(text).run()
}

/**
 * One pass over one text. The first fault wins: it moves the position to the end, so that every
 * pending step finishes at once.
 */
class Evaluation {
  readonly #text: string
  #at = 0
  #depth = 0
  #fault: CalcFault | undefined

  constructor(text: string) {
    this.#text = text
  }

  run(): number | CalcFault {
    if (this.#text.length > MAX_EXPRESSION_LENGTH) {
      return fault('syntax', MAX_EXPRESSION_LENGTH + 1, 'The expression is too long.')
    }
    const value = this.#sum()
    if (this.#peek() !== '') this.#syntax('An operator is expected.')
    // Negative zero would show as "-0" and cannot be sent as an integer.
    return this.#fault ?? (value === 0 ? 0 : value)
  }

  #sum(): number {
    let left = this.#product()
    for (let sign = this.#peek(); sign === '+' || sign === '-'; sign = this.#peek()) {
      const at = this.#at++
      const right = this.#product()
      left = this.#finite(sign === '+' ? left + right : left - right, at)
    }
    return left
  }

  #product(): number {
    let left = this.#signed()
    for (
      let sign = this.#peek();
      sign === '*' || sign === '/' || sign === '%';
      sign = this.#peek()
    ) {
      const at = this.#at++
      const right = this.#signed()
      if (sign !== '*' && right === 0) return this.#arithmetic(at, 'This divides by zero.')
      const value = sign === '*' ? left * right : sign === '/' ? left / right : left % right
      left = this.#finite(value, at)
    }
    return left
  }

  /** Every way to nest leads through here, so the depth is counted here. */
  #signed(): number {
    if (++this.#depth > MAX_EXPRESSION_DEPTH) return this.#syntax('This is nested too deep.')
    const sign = this.#peek()
    const signed = sign === '+' || sign === '-'
    if (signed) this.#at++
    const value = signed ? this.#signed() : this.#power()
    this.#depth--
    return sign === '-' ? -value : value
  }

  #power(): number {
    const base = this.#primary()
    if (this.#peek() !== '^') return base
    const at = this.#at++
    return this.#finite(base ** this.#signed(), at)
  }

  #primary(): number {
    if (this.#take('(')) {
      const value = this.#sum()
      return this.#expect(')', value)
    }
    const at = this.#at
    const number = this.#match(NUMBER)
    if (number !== '') return this.#finite(Number(number), at)
    const name = this.#match(NAME)
    if (name === '') return this.#syntax('A number, a name or "(" is expected.')
    const constant = CONSTANTS.get(name)
    return constant ?? this.#call(FUNCTIONS.get(name), at)
  }

  #call(callable: Callable | undefined, at: number): number {
    if (!callable) {
      this.#at = at
      return this.#syntax('This name is not known.')
    }
    if (!this.#take('(')) return this.#syntax('"(" is expected after the name of a function.')
    const values = [this.#sum()]
    while (this.#take(',')) values.push(this.#sum())
    if (values.length < callable.least || values.length > callable.most) {
      this.#at = at
      return this.#syntax('This function takes another number of arguments.')
    }
    return this.#expect(')', this.#fault ? 0 : this.#finite(callable.apply(values), at))
  }

  #peek(): string {
    this.#match(SPACE)
    return this.#text.charAt(this.#at)
  }

  #take(character: string): boolean {
    const found = this.#peek() === character
    if (found) this.#at++
    return found
  }

  #expect(character: string, value: number): number {
    return this.#take(character) ? value : this.#syntax(`"${character}" is expected.`)
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    return found
  }

  #finite(value: number, at: number): number {
    return Number.isFinite(value) ? value : this.#arithmetic(at, 'This has no finite value.')
  }

  #syntax(problem: string): number {
    return this.#fail(fault('syntax', this.#at + 1, problem))
  }

  #arithmetic(at: number, problem: string): number {
    return this.#fail(fault('arithmetic', at + 1, problem))
  }

  #fail(found: CalcFault): number {
    this.#fault ??= found
    this.#at = this.#text.length
    return 0
  }
}

function fault(kind: CalcFault['kind'], position: number, problem: string): CalcFault {
  return { kind, position, problem }
}
