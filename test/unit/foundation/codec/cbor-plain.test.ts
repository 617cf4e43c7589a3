import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CborTag, cborToPlain } from '../../../../src/foundation/codec/index.ts'

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
