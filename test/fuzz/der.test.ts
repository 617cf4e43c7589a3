import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { KosError, toHex, unixMs } from '../../src/foundation/base/index.ts'
import { decodeOid, encodeOid } from '../../src/foundation/codec/der-oid.ts'
import {
  DerReader,
  derInteger,
  derSequence,
  derTlv,
  derUnsigned,
} from '../../src/foundation/codec/index.ts'
import { derNamedBits, derTime } from '../../src/foundation/codec/der-writer.ts'
import { fuzz } from '../kit/fuzz.ts'

/** Walks any input to its leaves; throws on the first thing that is not DER. */
function walk(reader: DerReader): Uint8Array {
  const parts: Uint8Array[] = []
  while (!reader.atEnd) {
    const tag = reader.nextTag ?? 0
    const content = tag & 0x20 ? walk(reader.enter(tag)) : reader.content(tag)
    parts.push(derTlv(tag, content))
  }
  return Buffer.concat(parts)
}

it('any input is refused with KOS_CODEC_DER or is its own canonical encoding', () => {
  fuzz(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        assert.equal(toHex(walk(new DerReader(bytes))), toHex(bytes))
      } catch (error) {
        assert.ok(error instanceof KosError, String(error))
        assert.equal(error.code, 'KOS_CODEC_DER')
      }
    }),
  )
})

it('every typed read refuses with KOS_CODEC_DER only', () => {
  const reads: readonly ((reader: DerReader) => unknown)[] = [
    (reader) => reader.boolean(),
    (reader) => reader.smallInteger(),
    (reader) => reader.objectIdentifier(),
    (reader) => reader.bitString(),
    (reader) => reader.namedBits(),
    (reader) => reader.utf8String(),
    (reader) => reader.printableString(),
    (reader) => reader.ia5String(),
    (reader) => reader.time(),
    (reader) => reader.setOf(),
  ]
  const tags = fc.constantFrom(1, 2, 3, 6, 12, 19, 22, 23, 24, 49)
  fuzz(
    fc.property(tags, fc.uint8Array({ maxLength: 20 }), (tag, content) => {
      for (const read of reads) {
        try {
          read(new DerReader(derTlv(tag, content)))
        } catch (error) {
          assert.ok(error instanceof KosError, String(error))
          assert.equal(error.code, 'KOS_CODEC_DER')
        }
      }
    }),
  )
})

it('values survive a round trip', () => {
  const value = fc.record({
    small: fc.nat(),
    large: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    bits: fc.uniqueArray(fc.nat(31), { maxLength: 8 }),
    seconds: fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 }),
    arcs: fc.array(fc.bigInt(0n, 2n ** 127n), { minLength: 1, maxLength: 3 }),
  })
  fuzz(
    fc.property(value, ({ small, large, bits, seconds, arcs }) => {
      const time = unixMs(seconds * 1000)
      const der = derSequence(
        derInteger(small),
        derUnsigned(large),
        derNamedBits(bits),
        derTime(time),
      )
      const reader = new DerReader(der).sequence()
      assert.equal(reader.smallInteger(), small)
      assert.equal(BigInt(`0x${toHex(reader.unsigned(20))}`), BigInt(`0x${toHex(large)}`))
      assert.deepEqual(
        reader.namedBits(),
        bits.toSorted((a, b) => a - b),
      )
      assert.equal(reader.time(), time)
      reader.end()
      const oid = `2.${arcs.join('.')}`
      assert.equal(decodeOid(encodeOid(oid)), oid)
    }),
  )
})
