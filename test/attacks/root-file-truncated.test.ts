/** Attack: the root file was cut short, or bytes of it were changed, on its way. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { KosError } from '../../src/foundation/base/index.ts'
import { createOfflineRoots } from '../kit/roots.ts'

test('a root file that is not whole is never opened in part', () => {
  using roots = createOfflineRoots()
  const { path } = roots.place
  const whole = readFileSync(path)
  const refused = (bytes: Uint8Array): string => {
    writeFileSync(path, bytes)
    try {
      roots.open()[Symbol.dispose]()
      return 'opened'
    } catch (error) {
      assert.ok(error instanceof KosError)
      return String(error.code)
    }
  }
  for (const length of [0, 1, whole.length >> 1, whole.length - 1]) {
    assert.equal(refused(whole.subarray(0, length)), 'KOS_KEYS_CORRUPT', `${length} bytes`)
  }
  assert.equal(refused(Buffer.concat([whole, Buffer.of(0)])), 'KOS_KEYS_CORRUPT')
  const sealed = Uint8Array.from(whole)
  const middle = whole.length >> 1
  sealed[middle] = (sealed[middle] ?? 0) ^ 1
  assert.equal(refused(sealed), 'KOS_KEYS_CORRUPT')
  assert.equal(refused(whole), 'opened')
})
