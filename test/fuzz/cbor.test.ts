/** CBOR: whatever is encoded is read back; whatever is read is written back byte by byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type CborKey,
  CborReader,
  cborToPlain,
  type CborValue,
  codecErrors,
  compareCborKeys,
  decodeCbor,
  encodeCbor,
} from '../../src/foundation/codec/index.ts'

const LIMITS = { allowedTags: [1, 18], maxDepth: 16 }
const RUN = { numRuns: 20_000, plugins: [fc.interruptAfterTimeLimit(1500)] }

const key: fc.Arbitrary<CborKey> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.maxSafeInteger(),
)
const big = fc
  .bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n })
  .filter((value) => !Number.isSafeInteger(Number(value)))
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 8 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double(),
    fc.float(),
    big,
    fc.string({ unit: 'grapheme', maxLength: 100 }),
    fc.uint8Array({ maxLength: 100 }),
    fc.array(tie('value'), { maxLength: 8 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 8 }).map((pairs) => new Map(pairs)),
  ),
}))

/** The form in which a value comes back: keys sorted, −0 reduced. */
function canonical(input: CborValue): CborValue {
  if (Object.is(input, -0)) return 0
  if (input instanceof Map) {
    const entries = [...(input as ReadonlyMap<CborKey, CborValue>)]
    entries.sort(([a], [b]) => compareCborKeys(a, b))
    return new Map(entries.map(([name, item]) => [Object.is(name, -0) ? 0 : name, canonical(item)]))
  }
  return Array.isArray(input) ? (input as readonly CborValue[]).map(canonical) : input
}

/** Refused by the room's error, or read and then written back alike; never anything else. */
function refusedOrSame(bytes: Uint8Array): void {
  const refused = (error: unknown): boolean => codecErrors.has(error)
  let decoded: CborValue
  try {
    decoded = decodeCbor(bytes, LIMITS)
  } catch (error) {
    assert.ok(refused(error))
    assert.throws(() => {
      const reader = new CborReader(bytes, LIMITS)
      reader.raw()
      reader.end()
    }, refused)
    return
  }
  assert.deepEqual(Buffer.from(encodeCbor(decoded)), Buffer.from(bytes))
  assert.equal(new CborReader(bytes, LIMITS).raw().length, bytes.length)
  assert.deepEqual(
    attempt(() => new CborReader(bytes, LIMITS).plain()),
    attempt(() => cborToPlain(decoded)),
  )
}

/** A value, or that the room's error came instead. */
function attempt(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (error) {
    assert.ok(codecErrors.has(error))
    return 'refused'
  }
}

test('any value is read back equal, and its keys are in order', () => {
  fc.assert(
    fc.property(value, (input) => {
      const decoded = decodeCbor(encodeCbor(input))
      assert.deepEqual(decoded, canonical(input))
      if (decoded instanceof Map) {
        assert.deepEqual([...decoded.keys()], [...(canonical(input) as typeof decoded).keys()])
      }
    }),
    RUN,
  )
})

test('any bytes are refused or read to a value with exactly these bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), refusedOrSame), RUN)
})

test('a changed, cut or longer encoding is refused or read to exactly its bytes', () => {
  const mutation = fc.record({
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('change', 'insert', 'remove', 'cut'),
  })
  fc.assert(
    fc.property(value, fc.array(mutation, { minLength: 1, maxLength: 3 }), (input, mutations) => {
      const bytes = [...encodeCbor(input)]
      for (const { at, byte, kind } of mutations) {
        const index = at % (bytes.length + 1)
        if (kind === 'cut') bytes.length = Math.min(index, bytes.length)
        else if (kind === 'insert') bytes.splice(index, 0, byte)
        else if (kind === 'remove') bytes.splice(index, 1)
        else bytes[index] = byte
      }
      refusedOrSame(Uint8Array.from(bytes))
    }),
    RUN,
  )
})
