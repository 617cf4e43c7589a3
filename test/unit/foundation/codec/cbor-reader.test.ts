import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type CborKey,
  type CborLimits,
  CborReader,
  CborTag,
  codecErrors,
  compareCborKeys,
  decodeCbor,
  encodeCbor,
} from '../../../../src/foundation/codec/index.ts'

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

function refusesBoth(text: string, rule: string, limits: Partial<CborLimits> = {}): void {
  const refused = (error: unknown) => {
    assert.ok(codecErrors.has(error))
    assert.equal(error.details['rule'], rule, text)
    return true
  }
  assert.throws(() => decodeCbor(fromHex(text), limits), refused)
  assert.throws(() => {
    const reader = new CborReader(fromHex(text), limits)
    reader.raw()
    reader.end()
  }, refused)
}

describe('decodeCbor', () => {
  test('refuses longer forms than needed', () => {
    for (const text of ['1800', '1817', '190018', '1900ff', '1a00000100', '1a0000ffff']) {
      refusesBoth(text, 'head: not the shortest form')
    }
    refusesBoth('1b00000000ffffffff', 'head: not the shortest form')
    refusesBoth('3b00000000ffffffff', 'head: not the shortest form')
    refusesBoth('580161', 'head: not the shortest form')
    refusesBoth('7800', 'head: not the shortest form')
    refusesBoth('9800', 'head: not the shortest form')
    refusesBoth('b800', 'head: not the shortest form')
  })

  test('refuses reserved heads and indefinite lengths', () => {
    for (const text of ['1c', '1d', '1e', '1f', '5f', '7f', '9f', 'bf', 'dc']) {
      refusesBoth(text, 'head: indefinite length or reserved')
    }
    for (const text of ['ff', 'fc', 'fd', 'fe', 'e0', 'f3', 'f7', 'f814', 'f8ff']) {
      refusesBoth(text, 'simple: unknown value')
    }
  })

  test('refuses longer floats, integers as floats and other NaNs', () => {
    const cases = ['f97e01', 'f97fff', 'fa3fc00000', 'fa4b800000', 'fa7fc00000', 'f94200']
    for (const text of cases) refusesBoth(text, 'float: not the shortest form')
    refusesBoth('fb3ff8000000000000', 'float: not the shortest form')
    refusesBoth('fb7ff8000000000001', 'float: not the shortest form')
    refusesBoth('fb4170000000000000', 'float: not the shortest form')
    refusesBoth('fb47efffffe0000000', 'float: not the shortest form')
    assert.equal(decodeCbor(fromHex('fa5d800000')), 2 ** 60)
  })

  test('refuses truncated items and trailing bytes', () => {
    const cases = ['', '18', '19ff', '1affff', '1bffff', '41', '61', '81', 'a1', 'a101', 'f97c']
    for (const text of [
      ...cases,
      'fa7f80',
      'fb7ff0',
      '820101ff'.slice(0, 4),
      '5bffffffffffffffff',
    ]) {
      refusesBoth(text, 'truncated')
    }
    refusesBoth('0000', 'trailing bytes')
    refusesBoth('8000', 'trailing bytes')
  })

  test('refuses unsorted and double keys, and keys of other types', () => {
    const rule = 'map: keys not sorted or not unique'
    for (const text of ['a202010102', 'a2616101616102', 'a2616201616101', 'a262616101616201']) {
      refusesBoth(text, rule)
    }
    refusesBoth('a220010102', rule)
    refusesBoth('a220012001', rule)
    for (const text of ['a1f400', 'a14000', 'a18000', 'a1f93e0000', 'a1a000']) {
      refusesBoth(text, 'map: key is not text or integer')
    }
    refusesBoth('a11bffffffffffffffff00', 'map: key is not a safe integer')
    refusesBoth('a13bffffffffffffffff00', 'map: key is not a safe integer')
  })

  test('refuses text that is not UTF-8', () => {
    // A lone continuation byte, an overlong form, a surrogate, beyond U+10FFFF, a cut sequence.
    for (const text of ['6180', '62c080', '63eda080', '64f4908080', '61c3']) {
      refusesBoth(text, 'text: not UTF-8')
    }
    const long = `7864${'61'.repeat(99)}80`
    refusesBoth(long, 'text: not UTF-8')
    assert.equal(decodeCbor(fromHex('63efbfbd')), '\ufffd')
    assert.equal(decodeCbor(fromHex(`7863${'61'.repeat(99)}`)), 'a'.repeat(99))
    assert.equal(new CborReader(fromHex(`7863${'61'.repeat(99)}`)).raw().length, 101)
  })

  test('keeps every limit', () => {
    refusesBoth('820101', 'limit: items', { maxItems: 1 })
    refusesBoth('a10101', 'limit: items', { maxItems: 1 })
    refusesBoth('8281018101', 'limit: items', { maxItems: 3 })
    refusesBoth('626161', 'limit: text', { maxTextBytes: 1 })
    refusesBoth('8180', 'limit: depth', { maxDepth: 1 })
    refusesBoth('81a0', 'limit: depth', { maxDepth: 1 })
    refusesBoth('a101a0', 'limit: depth', { maxDepth: 1 })
    refusesBoth('c180', 'limit: depth', { maxDepth: 1, allowedTags: [1] })
    refusesBoth('c1c101', 'limit: depth', { maxDepth: 1, allowedTags: [1] })
    refusesBoth('820101', 'limit: bytes', { maxBytes: 2 })
    refusesBoth('c101', 'tag: not allowed here', { allowedTags: [2] })
    assert.deepEqual(decodeCbor(fromHex('81820101'), { maxItems: 3, maxDepth: 2 }), [[1, 1]])
    refusesBoth(`${'81'.repeat(17)}00`, 'limit: depth')
    refusesBoth(`99${'1001'}${'00'.repeat(4097)}`, 'limit: items')
    assert.throws(() => decodeCbor(fromHex('81'.repeat(60_000))), { code: 'KOS_CODEC_CBOR' })
  })

  test('returns copies of byte strings', () => {
    for (const length of [4, 200, 4000]) {
      const bytes = encodeCbor(new Uint8Array(length).fill(7))
      const value = decodeCbor(bytes)
      bytes.fill(0)
      assert.deepEqual(value, new Uint8Array(length).fill(7))
    }
  })

  test('reads allowed tags as frozen values', () => {
    const value = decodeCbor(fromHex('d28101'), { allowedTags: [18] })
    assert.ok(value instanceof CborTag)
    assert.ok(Object.isFrozen(value))
    assert.deepEqual(value, new CborTag(18, [1]))
    assert.equal(new CborReader(fromHex('d28101'), { allowedTags: [18] }).raw().length, 3)
  })
})

describe('CborReader', () => {
  test('reads a message item by item', () => {
    const bytes = encodeCbor(
      new Map<CborKey, number | string | boolean | null | Uint8Array | number[]>([
        [0, 1],
        [1, -500],
        [-1, 'x'],
        ['a', true],
        ['b', null],
        ['c', Uint8Array.of(9)],
        ['d', [1, 2]],
      ]),
    )
    const reader = new CborReader(Buffer.from(bytes))
    assert.equal(reader.peek(), 'map')
    assert.equal(reader.map(), 7)
    let key = reader.nextKey(undefined)
    assert.equal(key, 0)
    assert.equal(reader.uint(), 1)
    key = reader.nextKey(key)
    assert.equal(reader.int(), -500)
    key = reader.nextKey(key)
    assert.equal(key, -1)
    assert.equal(reader.text(), 'x')
    key = reader.nextKey(key)
    assert.equal(reader.skipNull(), false)
    assert.equal(reader.boolean(), true)
    key = reader.nextKey(key)
    assert.equal(reader.skipNull(), true)
    key = reader.nextKey(key)
    assert.equal(reader.peek(), 'bytes')
    assert.deepEqual(Uint8Array.from(reader.bytes()), Uint8Array.of(9))
    key = reader.nextKey(key)
    assert.equal(key, 'd')
    const start = reader.position
    assert.deepEqual(Buffer.from(reader.raw()), Buffer.from('820102', 'hex'))
    assert.equal(reader.position - start, 3)
    assert.equal(reader.peek(), 'end')
    reader.end()
  })

  test('reads arrays, tags, positive ints and false', () => {
    const reader = new CborReader(fromHex('82d81805f4'), { allowedTags: [24] })
    assert.equal(reader.array(), 2)
    assert.equal(reader.peek(), 'tag')
    assert.equal(reader.tag(), 24)
    assert.equal(reader.int(), 5)
    assert.equal(reader.peek(), 'simple')
    assert.equal(reader.boolean(), false)
    reader.end()
  })

  test('refuses another type than the one asked for', () => {
    const refused = { code: 'KOS_CODEC_CBOR' }
    assert.throws(() => new CborReader(fromHex('20')).uint(), refused)
    assert.throws(() => new CborReader(fromHex('60')).int(), refused)
    assert.throws(() => new CborReader(fromHex('40')).text(), refused)
    assert.throws(() => new CborReader(fromHex('60')).bytes(), refused)
    assert.throws(() => new CborReader(fromHex('a0')).array(), refused)
    assert.throws(() => new CborReader(fromHex('80')).map(), refused)
    assert.throws(() => new CborReader(fromHex('f6')).boolean(), refused)
    assert.throws(() => new CborReader(fromHex('')).boolean(), refused)
    assert.throws(() => new CborReader(fromHex('c1')).tag(), refused)
    assert.throws(() => new CborReader(fromHex('00')).tag(), refused)
  })

  test('refuses integers beyond the safe range', () => {
    const refused = { code: 'KOS_CODEC_CBOR' }
    assert.throws(() => new CborReader(fromHex('1b0020000000000000')).uint(), refused)
    assert.throws(() => new CborReader(fromHex('1b0020000000000000')).int(), refused)
    assert.throws(() => new CborReader(fromHex('3b001fffffffffffff')).int(), refused)
    assert.equal(new CborReader(fromHex('3b001ffffffffffffe')).int(), Number.MIN_SAFE_INTEGER)
  })

  test('nextKey refuses a key that is not above the one before', () => {
    const refused = { code: 'KOS_CODEC_CBOR' }
    for (const [previous, text] of [
      [1, '01'],
      [2, '01'],
      [-1, '00'],
      ['a', '00'],
      ['b', '6161'],
      ['aa', '6162'],
    ] as const) {
      assert.throws(() => new CborReader(fromHex(text)).nextKey(previous), refused)
    }
  })
})

test('compareCborKeys is the order of the encodings', () => {
  const keys: CborKey[] = [
    0,
    23,
    24,
    70_000,
    -1,
    -24,
    -25,
    '',
    'a',
    'b',
    'ab',
    'ü',
    '水',
    '\uff61a',
  ]
  keys.push('\u{10002}', 'k'.repeat(33), `${'k'.repeat(32)}l`)
  for (const a of keys) {
    for (const b of keys) {
      const byBytes = Buffer.compare(encodeCbor(a), encodeCbor(b))
      assert.equal(Math.sign(compareCborKeys(a, b)), byBytes, `${a} ${b}`)
    }
  }
})

test('names come back equal, whether they were read before or not', () => {
  const names = ['', 'a', 'echo', 'é', 'x'.repeat(32), 'y'.repeat(33), 'z'.repeat(300)]
  // Same length and hash, so that one pushes the other out.
  names.push('Aa', 'BB', 'Aa')
  for (const name of [...names, ...names]) {
    const reader = new CborReader(encodeCbor(name))
    assert.equal(reader.name(), name)
    reader.end()
  }
})

test('a name is as strict as a text', () => {
  const refused = { code: 'KOS_CODEC_CBOR' }
  assert.throws(() => new CborReader(Uint8Array.of(0x64, 0x65, 0x63)).name(), refused)
  assert.throws(() => new CborReader(Uint8Array.of(0x61, 0xff)).name(), refused)
  assert.throws(() => new CborReader(Uint8Array.of(0x41, 0x61)).name(), refused)
  assert.throws(() => new CborReader(encodeCbor('echo'), { maxTextBytes: 3 }).name(), refused)
})
