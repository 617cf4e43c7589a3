import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  canonicalPath,
  compileCondition,
  type Condition,
  evaluateAll,
} from '../../../../src/trust/policy/condition.ts'

const test = (condition: Condition, given: unknown): boolean | undefined =>
  compileCondition(condition)(given)

describe('conditions', () => {
  it('compares paths by whole segments', () => {
    const under = (pathPrefix: string, path: unknown): boolean | undefined =>
      test({ argument: 'path', pathPrefix }, { path })
    assert.equal(under('/srv/data', '/srv/data'), true)
    assert.equal(under('/srv/data', '/srv/data/a'), true)
    assert.equal(under('/srv/data', '/srv/database'), false)
    assert.equal(under('/srv/data', '/srv'), false)
    assert.equal(under('/', '/etc'), true)
    assert.equal(under('a', 'a/b'), true)
    assert.equal(under('.', 'a/b'), true)
  })

  it('does not evaluate a path that could mean another one', () => {
    const paths = [
      '',
      'a',
      '/a/../b',
      '/a/./b',
      '/a//b',
      '/a/',
      '/a\u0000',
      '/a\\b',
      7,
      null,
      ['/a'],
    ]
    for (const path of [...paths, `/${'a'.repeat(4096)}`]) {
      assert.equal(test({ argument: 'path', pathPrefix: '/a' }, { path }), undefined, String(path))
    }
    assert.equal(test({ argument: 'path', pathPrefix: '/a/..' }, { path: '/a' }), undefined)
    assert.equal(canonicalPath('a/..'), undefined)
  })

  it('compares scalars of one type', () => {
    assert.equal(test({ argument: 'n', equals: 1 }, { n: 1 }), true)
    assert.equal(test({ argument: 'n', equals: 1 }, { n: 2 }), false)
    assert.equal(test({ argument: 'n', equals: 1 }, { n: 2n ** 70n }), false)
    assert.equal(test({ argument: 'n', equals: 1 }, { n: '1' }), undefined)
    assert.equal(test({ argument: 'n', equals: null }, { n: null }), true)
    assert.equal(test({ argument: 'n', equals: null }, { n: {} }), undefined)
    assert.equal(test({ argument: 'n', equals: 'x' }, { n: null }), undefined)
    assert.equal(test({ argument: 'n', oneOf: ['a', 1] }, { n: 1 }), true)
    assert.equal(test({ argument: 'n', oneOf: ['a', 1] }, { n: 'b' }), false)
    assert.equal(test({ argument: 'n', oneOf: ['a', 1] }, { n: true }), undefined)
    assert.equal(test({ argument: 'n', oneOf: ['a'] }, { n: ['a'] }), undefined)
  })

  it('compares integers with a range, both ends included', () => {
    const within = (n: unknown, range = {}): boolean | undefined =>
      test({ argument: 'n', range: { min: 1, max: 3, ...range } }, { n })
    assert.deepEqual(
      [0, 1, 3, 4].map((n) => within(n)),
      [false, true, true, false],
    )
    assert.equal(within(2n ** 64n, { max: undefined }), true)
    assert.equal(within(-(2n ** 64n), { min: undefined }), true)
    assert.equal(within(2n ** 64n), false)
    for (const n of [1.5, Number.NaN, Infinity, 2 ** 53, '2', null]) {
      assert.equal(within(n), undefined)
    }
  })

  it('reads own properties along a path of objects', () => {
    const condition: Condition = { argument: 'a.b', equals: 1 }
    assert.equal(test(condition, { a: { b: 1 } }), true)
    const withoutPrototype = Object.assign(Object.create(null) as object, { a: { b: 1 } })
    assert.equal(test(condition, withoutPrototype), true)
    const inherited = Object.create({ a: { b: 1 } }) as object
    for (const given of [undefined, null, 1, {}, { a: 1 }, { a: [] }, { a: {} }, inherited]) {
      assert.equal(test(condition, given), undefined)
    }
    assert.equal(test({ argument: 'constructor', equals: 'x' }, {}), undefined)
  })

  it('does not fail on what throws', () => {
    const given = {
      get a(): never {
        throw new TypeError('no')
      },
    }
    assert.equal(test({ argument: 'a', equals: 1 }, given), undefined)
  })

  it('joins conditions without regard to their order', () => {
    const conditions = (['a', 'b'] as const).map((argument) =>
      compileCondition({ argument, equals: 1 }),
    )
    for (const tests of [conditions, conditions.toReversed()]) {
      assert.equal(evaluateAll(tests, { a: 1, b: 1 }), true)
      assert.equal(evaluateAll(tests, { a: 1 }), undefined)
      assert.equal(evaluateAll(tests, { a: 2 }), false)
      assert.equal(evaluateAll(tests, { b: 2 }), false)
    }
    assert.equal(evaluateAll([], {}), true)
  })
})
