import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CborInput,
  CborReader,
  CborTag,
  cborToPlain,
  decodeCbor,
  encodeCbor,
} from '../../../../src/foundation/codec/index.ts'

test('maps become objects without a prototype, at every level', () => {
  const bytes = Uint8Array.of(1)
  const plain = cborToPlain(
    new Map([['list', [new Map([['n', 1]]), null, true, 'x', 2n ** 60n, bytes]]]),
  )
  const inner = Object.assign(Object.create(null) as object, { n: 1 })
  const list = [inner, null, true, 'x', 2n ** 60n, bytes]
  assert.deepEqual(plain, Object.assign(Object.create(null) as object, { list }))
  assert.ok(typeof plain === 'object' && Object.getPrototypeOf(plain) === null)
})

test('refuses keys that are not text, __proto__ and tags', () => {
  const refused = { code: 'KOS_CODEC_CBOR' }
  assert.throws(() => cborToPlain(new Map([[1, 1]])), refused)
  assert.throws(() => cborToPlain([new Map([['__proto__', 1]])]), refused)
  assert.throws(() => cborToPlain(new Map([['a', new CborTag(1, 1)]])), refused)
})

const read = (value: CborInput): unknown => new CborReader(encodeCbor(value)).plain()

test('a reader reads plain data without maps in between', () => {
  const value = { list: [{ n: 1 }, null, true, 'x', 2n ** 60n, Uint8Array.of(1)], z: 1.5 }
  assert.deepEqual(read(value), cborToPlain(decodeCbor(encodeCbor(value))))
  assert.equal(Object.getPrototypeOf(read({})), null)
})

test('a reader refuses what has no plain form, and says which', () => {
  const rule = (name: string) => (error: { details?: { rule?: string } }) =>
    error.details?.rule === name
  assert.throws(() => read(new Map([[1, 1]])), rule('plain: key is not text'))
  assert.throws(() => read(new Map([['__proto__', 1]])), rule('plain: forbidden key'))
  assert.throws(() => read([new CborTag(1, 1)]), rule('plain: tag'))
  const unsorted = Uint8Array.of(0xa2, 0x61, 0x62, 1, 0x61, 0x61, 1)
  assert.throws(() => new CborReader(unsorted).plain(), { code: 'KOS_CODEC_CBOR' })
  const deep = Uint8Array.of(...Array.from({ length: 17 }, () => 0x81), 1)
  assert.throws(() => new CborReader(deep).plain(), rule('limit: depth'))
})
