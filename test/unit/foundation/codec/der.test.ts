import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, KosError, toHex, unixMs } from '../../../../src/foundation/base/index.ts'
import { decodeOid, encodeOid } from '../../../../src/foundation/codec/der-oid.ts'
import { DerReader } from '../../../../src/foundation/codec/der-reader.ts'
import {
  contextConstructed,
  contextPrimitive,
  DER_TAG,
} from '../../../../src/foundation/codec/der-tags.ts'
import {
  derBitString,
  derBoolean,
  derIa5,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derPrintableString,
  derSequence,
  derSetOf,
  derTime,
  derTlv,
  derUnsigned,
  derUtf8String,
} from '../../../../src/foundation/codec/der-writer.ts'

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? assert.fail(`not hex: ${hex}`)
const read = (hex: string): DerReader => new DerReader(bytes(hex))

function refuses(run: () => unknown, rule: string): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof KosError)
    assert.equal(error.code, 'KOS_CODEC_DER')
    assert.equal(error.details['rule'], rule)
    return true
  })
}

describe('DER writer', () => {
  it('writes minimal lengths at every border', () => {
    const header = (length: number): string =>
      toHex(derOctetString(new Uint8Array(length)).subarray(0, -length || undefined))
    assert.equal(header(0), '0400')
    assert.equal(header(127), '047f')
    assert.equal(header(128), '048180')
    assert.equal(header(255), '0481ff')
    assert.equal(header(256), '04820100')
    assert.equal(header(65_535), '0482ffff')
    assert.equal(header(65_536), '0483010000')
    refuses(() => derOctetString(new Uint8Array(1 << 24)), 'size')
  })

  it('writes integers in the shortest form', () => {
    assert.equal(toHex(derInteger(0)), '020100')
    assert.equal(toHex(derInteger(127)), '02017f')
    assert.equal(toHex(derInteger(128)), '02020080')
    assert.equal(toHex(derInteger(2 ** 48 - 1)), '020700ffffffffffff')
    assert.equal(toHex(derUnsigned(bytes('000080'))), '02020080')
    assert.equal(toHex(derUnsigned(new Uint8Array())), '020100')
    for (const value of [-1, 1.5, 2 ** 48, Number.NaN]) {
      refuses(() => derInteger(value), 'integer-range')
    }
  })

  it('writes booleans, bit strings and texts', () => {
    assert.equal(toHex(derBoolean(true)), '0101ff')
    assert.equal(toHex(derBoolean(false)), '010100')
    assert.equal(toHex(derBitString(bytes('0a'))), '0302000a')
    assert.equal(toHex(derNamedBits([])), '030100')
    assert.equal(toHex(derNamedBits([0])), '03020780')
    assert.equal(toHex(derNamedBits([8, 0])), '0303078080')
    assert.equal(toHex(derUtf8String('é')), '0c02c3a9')
    assert.equal(toHex(derPrintableString('a-1')), '1303612d31')
    assert.equal(toHex(derIa5(0x86, 'a:b')), '8603613a62')
    refuses(() => derPrintableString('a_b'), 'printable')
    refuses(() => derIa5(0x86, 'a b'), 'ia5')
  })

  it('sorts the elements of a set', () => {
    assert.equal(toHex(derSetOf(derInteger(2), derInteger(1))), '3106020101020102')
  })

  it('writes UTCTime through 2049 and GeneralizedTime from 2050', () => {
    const text = (time: number): string => Buffer.from(derTime(unixMs(time))).toString('latin1', 2)
    assert.equal(text(Date.UTC(2049, 11, 31, 23, 59, 59, 999)), '491231235959Z')
    assert.equal(text(Date.UTC(2050, 0, 1)), '20500101000000Z')
    assert.equal(text(Date.UTC(1950, 0, 1)), '500101000000Z')
    assert.equal(text(Date.UTC(9999, 11, 31, 23, 59, 59)), '99991231235959Z')
    refuses(() => derTime(unixMs(Date.UTC(1949, 11, 31))), 'time-range')
    refuses(() => derTime(unixMs(Date.UTC(10_000, 0, 1))), 'time-range')
    refuses(() => derTime(unixMs(Number.NaN)), 'time-range')
  })
})

describe('object identifiers', () => {
  const known: readonly (readonly [string, string])[] = [
    ['2.5.29.17', '551d11'],
    ['1.2.840.10045.3.1.7', '2a8648ce3d030107'],
    ['0.9.2342', '099226'],
    ['2.999', '8837'],
    ['2.48', '8100'],
    // ITU-T X.667: the UUID form, an arc of 128 bits.
    ['2.25.329800735698586629295641978511506172918', '6983f09da7ebcfdee0c7a1a7b2c0948cc8f9d776'],
  ]

  for (const [text, hex] of known) {
    it(`converts ${text} both ways`, () => {
      assert.equal(toHex(encodeOid(text)), hex)
      assert.equal(decodeOid(bytes(hex)), text)
    })
  }

  it('refuses texts that are not object identifiers', () => {
    for (const text of ['', '1', '3.1', '1.40', '0.40', '1.2.', '1.02', '1.a', '2.5.-1']) {
      refuses(() => encodeOid(text), 'oid-text')
    }
    refuses(() => encodeOid(`2.5${'.16384'.repeat(40)}`), 'oid-size')
  })

  it('refuses empty, cut, padded and oversized encodings', () => {
    refuses(() => decodeOid(bytes('')), 'oid-size')
    refuses(() => decodeOid(new Uint8Array(65).fill(1)), 'oid-size')
    refuses(() => decodeOid(bytes('5581')), 'oid-cut')
    refuses(() => decodeOid(bytes('558001')), 'oid-padding')
    refuses(() => decodeOid(bytes('8001')), 'oid-padding')
  })
})

describe('DER reader', () => {
  it('reads back what the writer wrote', () => {
    const time = unixMs(Date.UTC(2026, 1, 3, 4, 5, 6))
    const late = unixMs(Date.UTC(2051, 1, 3, 4, 5, 6))
    const reader = new DerReader(
      derSequence(
        derInteger(70_000),
        derBoolean(true),
        derBoolean(false),
        derTlv(DER_TAG.null, new Uint8Array()),
        derOid('2.5.29.15'),
        derOctetString(bytes('0102')),
        derBitString(bytes('ff')),
        derNamedBits([1, 9]),
        derUtf8String('ö'),
        derPrintableString('x'),
        derIa5(DER_TAG.ia5String, 'y'),
        derTime(time),
        derTime(late),
        derSetOf(derInteger(1), derInteger(2)),
        derTlv(contextConstructed(3), derInteger(9)),
        derTlv(contextPrimitive(1), bytes('aa')),
      ),
    )
    const inner = reader.sequence()
    reader.end()
    assert.equal(inner.smallInteger(), 70_000)
    assert.equal(inner.boolean(), true)
    assert.equal(inner.boolean(), false)
    inner.null()
    assert.equal(inner.objectIdentifier(), '2.5.29.15')
    assert.equal(toHex(inner.octetString()), '0102')
    assert.equal(toHex(inner.bitString()), 'ff')
    assert.deepEqual(inner.namedBits(), [1, 9])
    assert.equal(inner.utf8String(), 'ö')
    assert.equal(inner.printableString(), 'x')
    assert.equal(inner.ia5String(), 'y')
    assert.equal(inner.time(), time)
    assert.equal(inner.time(), late)
    assert.deepEqual(inner.setOf().map(toHex), ['020101', '020102'])
    assert.equal(inner.optional(contextConstructed(4)), undefined)
    assert.equal(inner.optional(contextConstructed(3))?.smallInteger(), 9)
    assert.equal(inner.nextTag, 0x81)
    assert.equal(toHex(inner.element()), '8101aa')
    assert.ok(inner.atEnd)
    assert.equal(inner.nextTag, undefined)
  })

  const cases: readonly (readonly [rule: string, hex: string, run: (r: DerReader) => unknown])[] = [
    ['missing', '', (r) => r.element()],
    ['tag', '0000', (r) => r.element()],
    ['tag', '1f8101', (r) => r.element()],
    ['unexpected', '0500', (r) => r.boolean()],
    ['cut', '02', (r) => r.element()],
    ['cut', '020201', (r) => r.element()],
    ['cut', '0482', (r) => r.element()],
    ['cut', '048201', (r) => r.element()],
    ['length', '048000', (r) => r.element()],
    ['length', '04817f', (r) => r.element()],
    ['length', '04820080', (r) => r.element()],
    ['length', '0484000000ff', (r) => r.element()],
    ['length', `0483000100${'00'.repeat(256)}`, (r) => r.element()],
    ['trailing', '050005', (r) => (r.null(), r.end())],
    ['integer-empty', '0200', (r) => r.unsigned(4)],
    ['integer-negative', '0201ff', (r) => r.unsigned(4)],
    ['integer-padding', '0202007f', (r) => r.unsigned(4)],
    ['integer-size', '02050100000000', (r) => r.unsigned(4)],
    ['boolean', '010101', (r) => r.boolean()],
    ['boolean', '0100', (r) => r.boolean()],
    ['boolean', '01020000', (r) => r.boolean()],
    ['null', '050100', (r) => r.null()],
    ['bit-string', '0300', (r) => r.bitString()],
    ['bit-string', '03020180', (r) => r.bitString()],
    ['bit-string', '0300', (r) => r.namedBits()],
    ['bit-string', '03020880', (r) => r.namedBits()],
    ['bit-string', '03020680', (r) => r.namedBits()],
    ['bit-string', '03020781', (r) => r.namedBits()],
    ['bit-string', '030101', (r) => r.namedBits()],
    ['utf8', '0c01ff', (r) => r.utf8String()],
    ['printable', '13015f', (r) => r.printableString()],
    ['ia5', '160180', (r) => r.ia5String()],
    ['set-order', '3106020102020101', (r) => r.setOf()],
    ['set-order', '3106020101020101', (r) => r.setOf()],
    ['time', '170d3236303233303030303030305a', (r) => r.time()],
    ['time', '170d3236313330313030303030305a', (r) => r.time()],
    ['time', '170b323630313031303030305a', (r) => r.time()],
    ['time-form', '180f32303236303130313030303030305a', (r) => r.time()],
  ]
  for (const [rule, hex, run] of cases) {
    it(`refuses ${hex.slice(0, 24) || 'nothing'} as ${rule}`, () => {
      refuses(() => run(read(hex)), rule)
    })
  }

  it('keeps its limits', () => {
    refuses(() => new DerReader(new Uint8Array(5), { maxBytes: 4, maxDepth: 1 }), 'size')
    refuses(
      () => new DerReader(bytes('30023000'), { maxBytes: 4, maxDepth: 1 }).sequence(),
      'depth',
    )
    let nested: Uint8Array = new Uint8Array()
    for (let depth = 0; depth < 16; depth++) nested = derSequence(nested)
    let reader = new DerReader(nested)
    refuses(() => {
      for (;;) reader = reader.sequence()
    }, 'depth')
  })
})
