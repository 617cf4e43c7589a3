import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, sha256, toHex } from '../../../../src/foundation/base/index.ts'
import {
  derivePskKeys,
  isPskHandle,
  isPskIdentity,
  newPskHandle,
  pskHandleHash,
  pskIdentity,
} from '../../../../src/trust/pki/index.ts'
import { createTestRandom } from '../../../kit/random.ts'

test('a handle is 96 random bits, and each is another', () => {
  const random = createTestRandom('handles')
  const [first, second] = [newPskHandle(random), newPskHandle(random)]
  assert.ok(isPskHandle(first) && isPskHandle(second))
  assert.notEqual(first, second)
  for (const text of ['', first.slice(1), `${first}0`, first.toUpperCase(), `${first.slice(1)}g`]) {
    assert.equal(isPskHandle(text), /^[0-9a-f]{24}$/.test(text))
  }
})

test('the keys of a root differ, and are HKDF-SHA256 without salt', () => {
  const root = Secret.take(new Uint8Array(32).fill(7))
  const { tls, auth } = derivePskKeys(root)
  const hex = (key: Secret): string => key.use((bytes) => toHex(bytes))
  // Computed with Python's hmac: extract with 32 zero bytes, expand with the label and 01.
  assert.equal(hex(tls), 'd3014235ead1c80ecda3b50521a84fadef570cda80ad39fc583e05c8c558e132')
  assert.equal(hex(auth), '2f8498f474c6960d7bf28cbb260ce57651542558a0f377c1ad6445f4e5afd3a3')
})

test('handle and identity hash under tags of their own', () => {
  const handle = '00112233445566778899aabb'
  assert.notDeepEqual(sha256(pskIdentity(handle)), pskHandleHash(handle))
  assert.ok(isPskIdentity(pskIdentity(handle)))
  assert.ok(!isPskIdentity(pskIdentity(handle).subarray(1)) && !isPskIdentity(new Uint8Array(0)))
  assert.equal(Buffer.from(pskIdentity(handle)).toString(), `kos-psk-identity${handle}`)
})
