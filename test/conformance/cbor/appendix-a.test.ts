/** RFC 8949 appendix A: what is deterministic is read and written byte by byte, the rest refused. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  CborReader,
  CborTag,
  type CborValue,
  codecErrors,
  decodeCbor,
  encodeCbor,
} from '../../../src/foundation/codec/index.ts'

interface Example {
  readonly hex: string
  readonly decoded?: unknown
  readonly diagnostic?: string
}

const EXAMPLES = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/cbor-appendix-a.json'), 'utf8'),
) as readonly Example[]

const TAGS = [0, 1, 2, 3, 23, 24, 32]

/** Not deterministic, or a value that kOS does not know: encoding → rule that refuses it. */
const REFUSED: Readonly<Record<string, string>> = {
  // Integers written as floats: RFC 8949 section 4.2.2, numeric reduction.
  f90000: 'float: not the shortest form',
  f98000: 'float: not the shortest form',
  f93c00: 'float: not the shortest form',
  f97bff: 'float: not the shortest form',
  fa47c35000: 'float: not the shortest form',
  f9c400: 'float: not the shortest form',
  // Infinities and NaN have a shorter form.
  fa7f800000: 'float: not the shortest form',
  fa7fc00000: 'float: not the shortest form',
  faff800000: 'float: not the shortest form',
  fb7ff0000000000000: 'float: not the shortest form',
  fb7ff8000000000000: 'float: not the shortest form',
  fbfff0000000000000: 'float: not the shortest form',
  // undefined and unassigned simple values; f818 is malformed since RFC 8949.
  f7: 'simple: unknown value',
  f0: 'simple: unknown value',
  f818: 'simple: unknown value',
  f8ff: 'simple: unknown value',
  // Indefinite lengths: RFC 8949 section 4.2.1, second rule.
  '5f42010243030405ff': 'head: indefinite length or reserved',
  '7f657374726561646d696e67ff': 'head: indefinite length or reserved',
  '9fff': 'head: indefinite length or reserved',
  '9f018202039f0405ffff': 'head: indefinite length or reserved',
  '9f01820203820405ff': 'head: indefinite length or reserved',
  '83018202039f0405ff': 'head: indefinite length or reserved',
  '83019f0203ff820405': 'head: indefinite length or reserved',
  '9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff':
    'head: indefinite length or reserved',
  bf61610161629f0203ffff: 'head: indefinite length or reserved',
  '826161bf61626163ff': 'head: indefinite length or reserved',
  bf6346756ef563416d7421ff: 'head: indefinite length or reserved',
}

/** JSON cannot carry these: their text in the diagnostic notation, or the exact integer. */
const EXACT: Readonly<Record<string, CborValue>> = {
  '1bffffffffffffffff': 18446744073709551615n,
  '3bffffffffffffffff': -18446744073709551616n,
  c249010000000000000000: new CborTag(2, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0)),
  c349010000000000000000: new CborTag(3, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0)),
  f97c00: Infinity,
  f97e00: NaN,
  f9fc00: -Infinity,
  c074323031332d30332d32315432303a30343a30305a: new CborTag(0, '2013-03-21T20:04:00Z'),
  c11a514b67b0: new CborTag(1, 1363896240),
  c1fb41d452d9ec200000: new CborTag(1, 1363896240.5),
  d74401020304: new CborTag(23, Uint8Array.of(1, 2, 3, 4)),
  d818456449455446: new CborTag(24, Uint8Array.of(0x64, 0x49, 0x45, 0x54, 0x46)),
  d82076687474703a2f2f7777772e6578616d706c652e636f6d: new CborTag(32, 'http://www.example.com'),
  '40': new Uint8Array(0),
  '4401020304': Uint8Array.of(1, 2, 3, 4),
  a201020304: new Map([
    [1, 2],
    [3, 4],
  ]),
}

describe('RFC 8949 appendix A', () => {
  for (const { hex, decoded } of EXAMPLES) {
    const bytes = Buffer.from(hex, 'hex')
    const rule = REFUSED[hex]
    if (rule === undefined) {
      test(`accepts ${hex}`, () => {
        const value = decodeCbor(bytes, { allowedTags: TAGS })
        assert.deepEqual(value, EXACT[hex] ?? fromJson(decoded))
        assert.deepEqual(Buffer.from(encodeCbor(value)), bytes)
        assert.deepEqual(Buffer.from(new CborReader(bytes, { allowedTags: TAGS }).raw()), bytes)
      })
    } else {
      test(`refuses ${hex}`, () => {
        const refused = (error: unknown) => codecErrors.has(error) && error.details['rule'] === rule
        assert.throws(() => decodeCbor(bytes, { allowedTags: TAGS }), refused)
        assert.throws(() => new CborReader(bytes, { allowedTags: TAGS }).raw(), refused)
      })
    }
  }

  test('every refused example is one of the appendix', () => {
    const known = new Set(EXAMPLES.map(({ hex }) => hex))
    assert.deepEqual(
      [...Object.keys(REFUSED), ...Object.keys(EXACT)].filter((hex) => !known.has(hex)),
      [],
    )
    assert.equal(EXAMPLES.length, 82)
  })

  test('no tag is accepted unless it is allowed', () => {
    for (const { hex } of EXAMPLES.filter((example) => /^[cd]/.test(example.hex))) {
      assert.throws(() => decodeCbor(Buffer.from(hex, 'hex')), { code: 'KOS_CODEC_CBOR' })
    }
  })
})

/** JSON objects stand for maps with text keys. */
function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== 'object' || value === null) return value
  return new Map(Object.entries(value).map(([key, item]) => [key, fromJson(item)]))
}
