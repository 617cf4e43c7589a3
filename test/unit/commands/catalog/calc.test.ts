/** The expression language of `calc`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  CALC_NAMES,
  evaluateExpression,
  MAX_EXPRESSION_DEPTH,
  MAX_EXPRESSION_LENGTH,
} from '../../../../src/commands/catalog/calc-parser.ts'
import { calcCommand } from '../../../../src/commands/catalog/index.ts'
import { runCommand } from '../../../kit/commands.ts'

const VALUES: readonly (readonly [expression: string, value: number])[] = [
  ['2+2', 4],
  ['1 - 2 - 3', -4],
  ['8/4/2', 1],
  ['2+3*4', 14],
  ['(2+3)*4', 20],
  ['7 % 4', 3],
  ['-7 % 3', -1],
  ['2^10', 1024],
  ['2^3^2', 512],
  ['-2^2', -4],
  ['(-2)^2', 4],
  ['2^-1', 0.5],
  ['2^-2^2', 1 / 16],
  ['--3', 3],
  ['+-+3', -3],
  ['2*-3', -6],
  ['-0', 0],
  ['0 * -1', 0],
  ['0x1F', 31],
  ['0XfF + 1', 256],
  ['1e3', 1000],
  ['1.5E-2', 0.015],
  ['2e+2', 200],
  ['.5', 0.5],
  ['0.1+0.2', 0.1 + 0.2],
  ['\t 1\t+ 1 ', 2],
  ['pi', Math.PI],
  ['e', Math.E],
  ['2*e', 2 * Math.E],
  ['sqrt(16)', 4],
  ['abs(-3)', 3],
  ['min(3, 1, 2)', 1],
  ['max(3)', 3],
  ['round(2.5)', 3],
  ['round(-2.5)', -2],
  ['floor(-1.5)', -2],
  ['ceil(1.2)', 2],
  ['sin(0)+cos(0)', 1],
  ['tan(1)', Math.tan(1)],
  ['log(1000)', 3],
  ['ln(e)', 1],
  ['exp(0)', 1],
  ['sqrt ( 2 ^ 2 )', 2],
  ['max(min(1,2), min(3,4))', 3],
]

describe('values', () => {
  for (const [expression, value] of VALUES) {
    test(`${JSON.stringify(expression)} is ${value}`, () => {
      assert.ok(Object.is(evaluateExpression(expression), value))
    })
  }

  test('every documented name works', () => {
    for (const name of CALC_NAMES) {
      const expression = ['pi', 'e'].includes(name) ? name : `${name}(1)`
      assert.equal(typeof evaluateExpression(expression), 'number', name)
    }
  })
})

const FAULTS: readonly (readonly [
  expression: string,
  kind: string,
  position: number,
  problem: RegExp,
])[] = [
  ['', 'syntax', 1, /number.*expected/],
  ['2e', 'syntax', 2, /operator/],
  ['1 2', 'syntax', 3, /operator/],
  ['1.', 'syntax', 2, /operator/],
  ['1..2', 'syntax', 2, /operator/],
  ['2+', 'syntax', 3, /number/],
  ['*2', 'syntax', 1, /number/],
  ['(1', 'syntax', 3, /"\)"/],
  ['1)', 'syntax', 2, /operator/],
  ['()', 'syntax', 2, /number/],
  ['min()', 'syntax', 5, /number/],
  ['min(1,)', 'syntax', 7, /number/],
  ['min(1', 'syntax', 6, /"\)"/],
  ['sqrt 4', 'syntax', 6, /"\("/],
  ['1+sqrt(1,2)', 'syntax', 3, /number of arguments/],
  ['2*foo', 'syntax', 3, /not known/],
  ['constructor', 'syntax', 1, /not known/],
  ['toString()', 'syntax', 1, /not known/],
  ['SQRT(4)', 'syntax', 1, /number/],
  ['1;2', 'syntax', 2, /operator/],
  ['1\n+1', 'syntax', 2, /operator/],
  ['２+2', 'syntax', 1, /number/],
  ['1,2', 'syntax', 2, /operator/],
  ['1/0', 'arithmetic', 2, /divides by zero/],
  ['1 % (1-1)', 'arithmetic', 3, /divides by zero/],
  ['1+1/0+foo', 'arithmetic', 4, /divides by zero/],
  ['1e999', 'arithmetic', 1, /finite/],
  ['2^9999', 'arithmetic', 2, /finite/],
  ['1e308*10', 'arithmetic', 6, /finite/],
  ['1e308+1e308', 'arithmetic', 6, /finite/],
  ['sqrt(-1)', 'arithmetic', 1, /finite/],
  ['1+log(0)', 'arithmetic', 3, /finite/],
  ['(-8)^(1/3)', 'arithmetic', 5, /finite/],
]

describe('faults name the character', () => {
  for (const [expression, kind, position, problem] of FAULTS) {
    test(JSON.stringify(expression), () => {
      const fault = evaluateExpression(expression)
      assert.ok(typeof fault === 'object')
      assert.equal(fault.kind, kind)
      assert.equal(fault.position, position)
      assert.match(fault.problem, problem)
    })
  }
})

describe('bounds', () => {
  test('the longest expression passes, one character more does not', () => {
    const longest = '1'.padEnd(MAX_EXPRESSION_LENGTH, ' ')
    assert.equal(evaluateExpression(longest), 1)
    const fault = evaluateExpression(`${longest} `)
    assert.ok(typeof fault === 'object' && /too long/.test(fault.problem))
  })

  const nested: readonly (readonly [string, (depth: number) => string])[] = [
    ['parentheses', (depth) => `${'('.repeat(depth)}1${')'.repeat(depth)}`],
    ['signs', (depth) => `${'-'.repeat(depth)}1`],
    ['powers', (depth) => `1${'^1'.repeat(depth)}`],
    ['functions', (depth) => `${'abs('.repeat(depth)}1${')'.repeat(depth)}`],
  ]
  for (const [what, make] of nested) {
    test(`${what} nest to a depth and no deeper`, () => {
      assert.equal(typeof evaluateExpression(make(MAX_EXPRESSION_DEPTH - 1)), 'number')
      const fault = evaluateExpression(make(MAX_EXPRESSION_DEPTH))
      assert.ok(typeof fault === 'object' && /too deep/.test(fault.problem))
    })
  }

  test('long flat chains are not deep', () => {
    assert.equal(evaluateExpression(`1${'+1'.repeat(511)}`), 512)
    assert.equal(evaluateExpression(`max(${'1,'.repeat(500)}2)`), 2)
  })
})

describe('the command', () => {
  test('returns the value', async () => {
    assert.deepEqual(await runCommand(calcCommand, { expression: '6*7' }), { value: 42 })
  })

  test('refuses a malformed expression and says where, without repeating it', async () => {
    assert.deepEqual(await runCommand(calcCommand, { expression: '2+secret' }), {
      allow: false,
      code: 'KOS_CATALOG_EXPRESSION',
      rule: 'calc/syntax',
      remedy: 'Character 3: This name is not known.',
      details: { position: 3 },
    })
  })

  test('refuses an expression without a finite value', async () => {
    const refusal = await runCommand(calcCommand, { expression: '1/0' })
    assert.equal(refusal['code'], 'KOS_CATALOG_ARITHMETIC')
    assert.equal(refusal['remedy'], 'Character 2: This divides by zero.')
  })

  test('its schema bounds the expression', () => {
    const fits = (expression: string): boolean =>
      calcCommand.argumentSchema.safeParse({ expression }).success
    assert.equal(fits('1'.repeat(MAX_EXPRESSION_LENGTH)), true)
    assert.equal(fits('1'.repeat(MAX_EXPRESSION_LENGTH + 1)), false)
    assert.equal(fits(''), false)
  })
})
