/** `calc` against a reference evaluation of random expression trees, and against random text. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { evaluateExpression } from '../../src/commands/catalog/calc-parser.ts'
import { fuzz } from '../kit/fuzz.ts'

type Tree =
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'constant'; readonly name: 'pi' | 'e' }
  | { readonly kind: 'sign'; readonly sign: '+' | '-'; readonly of: Tree }
  | { readonly kind: 'binary'; readonly sign: string; readonly left: Tree; readonly right: Tree }
  | { readonly kind: 'call'; readonly name: string; readonly values: readonly Tree[] }

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  sqrt: Math.sqrt,
  abs: Math.abs,
  round: Math.round,
  floor: Math.floor,
  ceil: Math.ceil,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  log: Math.log10,
  ln: Math.log,
  exp: Math.exp,
  min: Math.min,
  max: Math.max,
}
const VARIADIC = new Set(['min', 'max'])

const number = fc.oneof(
  fc.nat({ max: 1000 }).map(String),
  fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 999 })).map(([a, b]) => `${a}.${b}`),
  fc.nat({ max: 999 }).map((b) => `.${b}`),
  fc
    .tuple(fc.nat({ max: 99 }), fc.constantFrom('e', 'E'), fc.integer({ min: -20, max: 320 }))
    .map(([a, e, exponent]) => `${a}${e}${exponent}`),
  fc.nat().map((n) => `0x${n.toString(16)}`),
)

const { tree } = fc.letrec<{ tree: Tree }>((tie) => {
  const parts = fc.array(tie('tree'), { minLength: 1, maxLength: 3, size: 'max' })
  return {
    tree: fc.oneof(
      { maxDepth: 5, depthSize: 'max', withCrossShrink: true },
      { weight: 2, arbitrary: number.map((text): Tree => ({ kind: 'number', text })) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom('pi' as const, 'e' as const)
          .map((name): Tree => ({ kind: 'constant', name })),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom('+' as const, '-' as const), tie('tree'))
          .map(([sign, of]): Tree => ({ kind: 'sign', sign, of })),
      },
      {
        weight: 6,
        arbitrary: fc
          .tuple(fc.constantFrom('+', '-', '*', '/', '%', '^'), tie('tree'), tie('tree'))
          .map(([sign, left, right]): Tree => ({ kind: 'binary', sign, left, right })),
      },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.constantFrom(...Object.keys(FUNCTIONS)), parts)
          .map(([name, values]): Tree => {
            const taken = VARIADIC.has(name) ? values : values.slice(0, 1)
            return { kind: 'call', name, values: taken }
          }),
      },
    ),
  }
})

/** The value of a tree; `undefined` as soon as any part has none. */
function reference(node: Tree): number | undefined {
  const value = referenceValue(node)
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

function referenceValue(node: Tree): number | undefined {
  switch (node.kind) {
    case 'number':
      return Number(node.text)
    case 'constant':
      return node.name === 'pi' ? Math.PI : Math.E
    case 'sign': {
      const value = reference(node.of)
      return value === undefined || node.sign === '+' ? value : -value
    }
    case 'binary': {
      const [left, right] = [reference(node.left), reference(node.right)]
      return left === undefined || right === undefined ? undefined : apply(node.sign, left, right)
    }
    case 'call': {
      const values = node.values.map(reference)
      const known = values.filter((value) => value !== undefined)
      return known.length < values.length ? undefined : FUNCTIONS[node.name]?.(...known)
    }
  }
}

function apply(sign: string, left: number, right: number): number | undefined {
  if (sign === '+') return left + right
  if (sign === '-') return left - right
  if (sign === '*') return left * right
  if (sign === '^') return left ** right
  if (right === 0) return undefined
  return sign === '/' ? left / right : left % right
}

/** How tight each form binds, and how tight its left and right parts must. */
const BINDING: Readonly<Record<string, readonly [own: number, left: number, right: number]>> = {
  '+': [1, 1, 2],
  '-': [1, 1, 2],
  '*': [2, 2, 3],
  '/': [2, 2, 3],
  '%': [2, 2, 3],
  '^': [4, 5, 3],
}

/** Text of a tree with the parentheses it needs, and spaces and further ones as the dice fall. */
function render(node: Tree, least: number, dice: () => number): string {
  const space = (): string => [' ', '\t', '', '', ''][dice() % 5] ?? ''
  const [binding, text] = renderBare(node, dice)
  const bracketed = binding < least || dice() % 12 === 0
  return `${space()}${bracketed ? `(${text})` : text}${space()}`
}

function renderBare(node: Tree, dice: () => number): readonly [binding: number, text: string] {
  switch (node.kind) {
    case 'number':
      return [5, node.text]
    case 'constant':
      return [5, node.name]
    case 'sign':
      return [3, `${node.sign}${render(node.of, 3, dice)}`]
    case 'binary': {
      const [own, left, right] = BINDING[node.sign] ?? [0, 0, 0]
      return [own, `${render(node.left, left, dice)}${node.sign}${render(node.right, right, dice)}`]
    }
    case 'call':
      return [5, `${node.name}(${node.values.map((value) => render(value, 1, dice)).join(',')})`]
  }
}

describe('calc', () => {
  test('computes what the tree says', () => {
    let finite = 0
    fuzz(
      fc.property(tree, fc.array(fc.nat(), { minLength: 50, maxLength: 50 }), (node, rolls) => {
        let roll = 0
        const text = render(node, 0, () => rolls[roll++ % rolls.length] ?? 0)
        fc.pre(text.length <= 1024)
        const value = evaluateExpression(text)
        const expected = reference(node)
        if (expected === undefined) {
          assert.equal(typeof value === 'object' && value.kind, 'arithmetic', text)
        } else {
          finite++
          assert.equal(value, expected === 0 ? 0 : expected, text)
        }
      }),
    )
    assert.ok(finite > 100)
  })

  test('answers any text with a finite number or a fault inside it', () => {
    const tokens = '1 0x 1e . ( ) , + - * / % ^ pi min( sqrt( __proto__ constructor \u0000 😀'
    const token = fc.constantFrom(' ', '9'.repeat(400), ...tokens.split(' '))
    const joined = fc.array(token, { maxLength: 60 }).map((all) => all.join(''))
    const text = fc.oneof(fc.string(), joined)
    fuzz(
      fc.property(text, (expression) => {
        const value = evaluateExpression(expression)
        if (typeof value === 'number') assert.ok(Number.isFinite(value))
        else assert.ok(value.position >= 1 && value.position <= expression.length + 1)
      }),
    )
  })
})
