import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type CborInput,
  CborTag,
  CborWriter,
  decodeCbor,
  encodeCbor,
} from '../../../../src/foundation/codec/index.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const refused = { name: 'KosError', code: 'KOS_CODEC_CBOR' }

describe('encodeCbor', () => {
  test('writes integers in the shortest form at every border', () => {
    const cases: readonly (readonly [number | bigint, string])[] = [
      [0, '00'],
      [23, '17'],
      [24, '1818'],
      [255, '18ff'],
      [256, '190100'],
      [65535, '19ffff'],
      [65536, '1a00010000'],
      [4294967295, '1affffffff'],
      [4294967296, '1b0000000100000000'],
      [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
      [BigInt(Number.MAX_SAFE_INTEGER) + 1n, '1b0020000000000000'],
      [2n ** 64n - 1n, '1bffffffffffffffff'],
      [-1, '20'],
      [-24, '37'],
      [-25, '3818'],
      [Number.MIN_SAFE_INTEGER, '3b001ffffffffffffe'],
      [-(2n ** 53n), '3b001fffffffffffff'],
      [-(2n ** 64n), '3bffffffffffffffff'],
      [5n, '05'],
      [-5n, '24'],
      [-0, '00'],
    ]
    for (const [value, expected] of cases) assert.equal(hex(encodeCbor(value)), expected)
  })

  test('writes floats in the shortest form that keeps the value', () => {
    assert.equal(hex(encodeCbor(1.5)), 'f93e00')
    assert.equal(hex(encodeCbor(NaN)), 'f97e00')
    assert.equal(hex(encodeCbor(-Infinity)), 'f9fc00')
    assert.equal(hex(encodeCbor(0.00006103515625)), 'f90400')
    assert.equal(hex(encodeCbor(3.4028234663852886e38)), 'fa7f7fffff')
    assert.equal(hex(encodeCbor(1.1)), 'fb3ff199999999999a')
    assert.equal(hex(encodeCbor(2 ** 60)), 'fa5d800000')
  })

  test('sorts keys by their encoding: integers, negative integers, shorter text first', () => {
    const map = new Map<string | number, CborInput>([
      ['b', 1],
      ['aa', 2],
      [-1, 3],
      [10, 4],
      ['', 5],
      [-2, 6],
      [100, 7],
    ])
    assert.equal(hex(encodeCbor(map)), 'a70a0418640720032106600561620162616102')
  })

  test('sorts keys beyond ASCII by bytes, not by UTF-16 units', () => {
    // U+FF61 is ef bd a1 in UTF-8, U+10002 is f0 90 80 82: of other length, so add one letter.
    const high = '\u{10002}'
    const low = '\uff61a'
    assert.ok(high < low)
    assert.equal(hex(encodeCbor({ [high]: 1, [low]: 2 })), 'a264efbda1610264f090808201')
  })

  test('sorts many and long keys', () => {
    const keys = Array.from({ length: 40 }, (_, index) => `${'k'.repeat(40 - (index % 3))}${index}`)
    const decoded = decodeCbor(encodeCbor(Object.fromEntries(keys.map((key) => [key, 1]))))
    assert.ok(decoded instanceof Map)
    assert.deepEqual(new Set(decoded.keys()), new Set(keys))
  })

  test('writes short, long and non-ASCII text', () => {
    assert.equal(hex(encodeCbor('IETF')), '6449455446')
    assert.equal(hex(encodeCbor('ü水')), '65c3bce6b0b4')
    assert.equal(hex(encodeCbor('a'.repeat(24))), `7818${'61'.repeat(24)}`)
    assert.equal(hex(encodeCbor('a'.repeat(300))), `79012c${'61'.repeat(300)}`)
  })

  test('writes null-prototype objects, tags and nested arrays', () => {
    const object = Object.assign(Object.create(null) as Record<string, CborInput>, { a: [] })
    assert.equal(hex(encodeCbor(object)), 'a1616180')
    assert.equal(hex(encodeCbor(new CborTag(18, [false, true, null]))), 'd283f4f5f6')
  })

  test('refuses what has no deterministic encoding', () => {
    const cases: readonly unknown[] = [
      undefined,
      { a: undefined },
      [undefined],
      () => 1,
      Symbol('s'),
      new Date(0),
      new Set([1]),
      2n ** 64n,
      -(2n ** 64n) - 1n,
      '\ud800',
      `${'a'.repeat(70)}\udc00`,
      { '\ud800': 1 },
      new Map([[1.5, 1]]),
      new Map([[true, 1]]),
      new CborTag(-1, 0),
      new CborTag(1.5, 0),
    ]
    for (const value of cases) assert.throws(() => encodeCbor(value as CborInput), refused)
  })

  test('refuses more than 16 levels, and so a cycle', () => {
    const nested = (depth: number): CborInput => (depth === 0 ? 0 : [nested(depth - 1)])
    assert.equal(encodeCbor(nested(16)).length, 17)
    assert.throws(() => encodeCbor(nested(17)), refused)
    const cycle: CborInput[] = []
    cycle.push(cycle)
    assert.throws(() => encodeCbor(cycle), refused)
  })

  test('stays right when a getter encodes in turn, and after an error', () => {
    const value = {
      a: 1,
      get b() {
        return encodeCbor([1, 2, 3])
      },
    }
    assert.equal(hex(encodeCbor(value)), 'a2616101616244' + '83010203')
    assert.throws(() => encodeCbor([1, undefined] as unknown as CborInput), refused)
    assert.equal(hex(encodeCbor([1])), '8101')
  })

  test('returns bytes that later encodings do not change', () => {
    for (const length of [10, 100, 700, 5000]) {
      const first = encodeCbor('a'.repeat(length))
      const before = hex(first)
      for (let index = 0; index < 50; index += 1) encodeCbor('b'.repeat(length))
      assert.equal(hex(first), before)
    }
  })
})

describe('CborWriter', () => {
  test('writes a message item by item', () => {
    const writer = new CborWriter(1)
    writer.map(3)
    writer.uint(1)
    writer.array(3)
    writer.int(-500)
    writer.int(500)
    writer.bytes(Uint8Array.of(1, 2))
    writer.uint(2)
    writer.raw(encodeCbor({ a: 1 }))
    writer.text('x')
    writer.tag(32)
    writer.value(['u', null])
    const expected = 'a301833901f31901f442010202a16161016178d8208261' + '75f6'
    assert.equal(hex(writer.view), expected)
    assert.equal(writer.length, expected.length / 2)
    assert.equal(hex(writer.take()), expected)
    assert.equal(writer.length, 0)
    writer.boolean(true)
    writer.boolean(false)
    writer.null()
    assert.equal(hex(writer.take()), 'f5f4f6')
  })

  test('gives up a large buffer and goes on', () => {
    const writer = new CborWriter()
    writer.bytes(new Uint8Array(300 * 1024))
    assert.equal(writer.take().length, 300 * 1024 + 5)
    writer.uint(7)
    assert.equal(hex(writer.take()), '07')
  })

  test('refuses numbers out of range', () => {
    const writer = new CborWriter()
    for (const value of [-1, 1.5, 2 ** 53, NaN]) {
      assert.throws(() => writer.uint(value), refused)
      if (value !== -1) assert.throws(() => writer.int(value), refused)
    }
  })
})

test('the buffer may grow at any byte', () => {
  // Lengths around every first size: what was written before a growth must survive it.
  for (const item of [
    'x',
    'abc',
    'a'.repeat(23),
    'é',
    1,
    2 ** 40,
    1.5,
    null,
    Uint8Array.of(1, 2),
  ]) {
    for (let firstBytes = 1; firstBytes <= 40; firstBytes += 1) {
      const writer = new CborWriter(firstBytes)
      writer.value(Array.from({ length: 60 }, () => item))
      assert.deepEqual(
        decodeCbor(writer.take()),
        Array.from({ length: 60 }, () => item),
        `${String(item)} from ${firstBytes}`,
      )
    }
  }
})
