/** Bounded plain data: measuring, freezing, keeping, comparing. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { freezeData } from '../../../../src/commands/catalog/data.ts'
import {
  DataKeeper,
  type DataLimits,
  DataMeter,
  sameData,
  WIRE_SHAPE,
} from '../../../../src/commands/catalog/index.ts'
import { CborTag, encodeCbor } from '../../../../src/foundation/codec/index.ts'

const LIMITS: DataLimits = { ...WIRE_SHAPE, maxBytes: 100_000, refuseControls: true }
const meter = new DataMeter(LIMITS)
const problem = (value: unknown, limits: Partial<DataLimits> = {}): string | undefined =>
  meter.measure(value, { ...LIMITS, ...limits })

/** Arrays inside one another around a scalar. */
const nest = (depth: number): unknown => (depth === 0 ? 0 : [nest(depth - 1)])

describe('size', () => {
  const exact: readonly unknown[] = [
    null,
    true,
    0,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2 ** 32 - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    -1,
    -24,
    -25,
    -256,
    -257,
    '',
    'x'.repeat(23),
    'x'.repeat(24),
    'ü€😀',
    new Uint8Array(300),
    [],
    Array.from({ length: 30 }, (_, index) => index),
    { a: 1, b: [true, null, { c: 'x' }] },
    Math.PI,
  ]
  test('is that of deterministic CBOR', () => {
    for (const value of exact) {
      assert.equal(problem(value), undefined)
      assert.ok(meter.accepts(value, LIMITS))
      assert.equal(meter.bytes, encodeCbor(value).length)
    }
  })

  test('is never below it for short floats and big integers', () => {
    for (const value of [0.5, 1.5e10, 2n ** 64n - 1n, -(2n ** 64n)]) {
      assert.ok(meter.accepts(value, LIMITS))
      assert.ok(meter.bytes >= encodeCbor(value).length)
    }
  })
})

describe('each bound holds to the unit', () => {
  test('bytes', () => {
    const value = { text: 'x'.repeat(100) }
    const length = encodeCbor(value).length
    assert.equal(problem(value, { maxBytes: length }), undefined)
    assert.equal(problem(value, { maxBytes: length - 1 }), 'too-long')
    assert.equal(meter.problem, 'too-long')
  })

  test('depth', () => {
    assert.equal(problem(nest(WIRE_SHAPE.maxDepth)), undefined)
    assert.equal(problem(nest(WIRE_SHAPE.maxDepth + 1)), 'too-deep')
    assert.equal(problem({ a: { b: {} } }, { maxDepth: 2 }), 'too-deep')
  })

  test('items, keys and values of maps counted singly', () => {
    assert.equal(problem([1, 2, 3], { maxItems: 3 }), undefined)
    assert.equal(problem([1, 2, [3]], { maxItems: 3 }), 'too-many-items')
    assert.equal(problem({ a: 1, b: 2 }, { maxItems: 4 }), undefined)
    assert.equal(problem({ a: 1, b: 2 }, { maxItems: 3 }), 'too-many-items')
  })

  test('text, in UTF-8 bytes', () => {
    assert.equal(problem('€', { maxTextBytes: 3 }), undefined)
    assert.equal(problem('€', { maxTextBytes: 2 }), 'too-long')
    assert.equal(problem('xxx', { maxTextBytes: 2 }), 'too-long')
  })

  test('the first broken rule ends the walk', () => {
    assert.equal(problem([undefined, '\u0000']), 'not-data')
    assert.equal(problem({ a: '\u0000', b: undefined }), 'control-character')
  })
})

describe('only plain data passes', () => {
  const refused: readonly (readonly [string, unknown, string])[] = [
    ['undefined', undefined, 'not-data'],
    ['a function', () => 1, 'not-data'],
    ['a symbol', Symbol('x'), 'not-data'],
    ['a date', new Date(0), 'not-data'],
    ['a Map', new Map(), 'not-data'],
    ['a tag', new CborTag(1, 0), 'not-data'],
    ['an object with a parent of its own', Object.create({ inherited: 1 }), 'not-data'],
    ['an integer beyond 64 bits', 2n ** 64n, 'not-data'],
    ['a negative integer beyond 64 bits', -(2n ** 64n) - 1n, 'not-data'],
    ['not a number', Number.NaN, 'not-finite'],
    ['infinity', Number.POSITIVE_INFINITY, 'not-finite'],
    ['a lone surrogate', '\uD800', 'not-unicode'],
    ['__proto__', JSON.parse('{"__proto__": 1}'), 'forbidden-key'],
    ['constructor', { constructor: 1 }, 'forbidden-key'],
    ['prototype', { prototype: 1 }, 'forbidden-key'],
    ['a key with a line feed', { 'a\nb': 1 }, 'forbidden-key'],
    ['a key with a lone surrogate', { '\uDC00': 1 }, 'not-unicode'],
    ['a very long key', { ['k'.repeat(257)]: 1 }, 'forbidden-key'],
  ]
  for (const [what, value, rule] of refused) {
    test(`${what}: ${rule}`, () => {
      assert.equal(problem(value), rule)
      assert.equal(problem({ nested: [value] }), rule)
    })
  }

  test('every control character but tab, line feed and return', () => {
    for (let code = 0; code < 0xa1; code++) {
      const text = `a${String.fromCharCode(code)}b`
      const control = code < 0x20 || (code >= 0x7f && code < 0xa0)
      const refusedHere = control && ![0x09, 0x0a, 0x0d].includes(code)
      assert.equal(problem(text), refusedHere ? 'control-character' : undefined)
      assert.equal(problem(text, { refuseControls: false }), undefined)
    }
  })

  test('objects without prototype and nested data pass', () => {
    const bare: unknown = Object.assign(Object.create(null) as object, { a: [1, { b: null }] })
    assert.equal(problem(bare), undefined)
    assert.equal(meter.problem, undefined)
  })
})

test('freezing reaches the last leaf and leaves byte arrays alone', () => {
  const value = { list: [{ a: 1 }], bytes: new Uint8Array(2), none: null }
  assert.equal(freezeData(value), value)
  assert.ok(Object.isFrozen(value) && Object.isFrozen(value.list) && Object.isFrozen(value.list[0]))
  assert.equal(freezeData('text'), 'text')
})

describe('keeping', () => {
  const keeper = new DataKeeper()

  test('copies byte arrays out of larger buffers', () => {
    const network = Buffer.from('xxsecretxx')
    const value = { a: [network.subarray(2, 8)], b: 'text' }
    const kept = keeper.keep(value)
    network.fill(0)
    assert.equal(Buffer.from(kept.a[0] ?? []).toString(), 'secret')
    assert.equal(kept.a[0]?.buffer.byteLength, 6)
    assert.equal(kept.b, 'text')
  })

  test('shares what holds no byte array', () => {
    const value = { a: [1, 'x', null], b: { c: true } }
    assert.equal(keeper.keep(value), value)
    assert.equal(keeper.keep('x'), 'x')
  })

  test('knows the size roughly', () => {
    keeper.keep({ text: 'x'.repeat(1000), list: [new Uint8Array(500)] })
    assert.ok(keeper.bytes >= 1500 && keeper.bytes < 1700)
    keeper.keep(1)
    assert.equal(keeper.bytes, 0)
  })
})

describe('equality', () => {
  const bare = (members: object): unknown => Object.assign(Object.create(null) as object, members)
  const equal: readonly (readonly [unknown, unknown])[] = [
    [1, 1],
    [null, null],
    [bare({ a: 1, b: [2] }), { b: [2], a: 1 }],
    [Buffer.from('ab'), Uint8Array.of(0x61, 0x62)],
    [[], []],
  ]
  test('holds for the same structure', () => {
    for (const [a, b] of equal) {
      assert.ok(sameData(a, b))
      assert.ok(sameData(b, a))
    }
  })

  const different: readonly (readonly [unknown, unknown])[] = [
    [1, 2],
    [1, '1'],
    [null, {}],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: undefined }, { b: undefined }],
    [[1], { 0: 1 }],
    [[], new Uint8Array(0)],
    [{}, new Uint8Array(0)],
    [Uint8Array.of(1), Uint8Array.of(2)],
    [{ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }],
    [{ toString: 1 }, {}],
    [{}, { toString: 1 }],
  ]
  test('fails for any difference', () => {
    for (const [a, b] of different) {
      assert.equal(sameData(a, b), false)
      assert.equal(sameData(b, a), false)
    }
  })
})
