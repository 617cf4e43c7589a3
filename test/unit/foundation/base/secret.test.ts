import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { format, inspect } from 'node:util'
import { baseErrors, Secret } from '../../../../src/foundation/base/index.ts'

const shown = (secret: Secret): readonly string[] => [
  String(secret),
  JSON.stringify({ secret }),
  inspect({ secret }, { showHidden: true, depth: 9 }),
  format('%s %o %j', secret, secret, secret),
]

describe('Secret', () => {
  test('never prints its bytes', () => {
    const secret = Secret.copy(Buffer.from('correct horse'))
    for (const text of shown(secret)) {
      assert.match(text, /\[secret\]/)
      assert.doesNotMatch(text, /correct|63, ?6f|99, ?111/)
    }
  })

  test('take empties its source, copy does not', () => {
    const [taken, copied] = [Uint8Array.of(1, 2), Uint8Array.of(1, 2)]
    const secrets = [Secret.take(taken), Secret.copy(copied)]
    assert.deepEqual([...taken, ...copied], [0, 0, 1, 2])
    copied.fill(9)
    for (const secret of secrets)
      assert.deepEqual(
        secret.use((bytes) => [...bytes]),
        [1, 2],
      )
  })

  test('compares with bytes and secrets', () => {
    const secret = Secret.copy(Uint8Array.of(1, 2))
    assert.equal(secret.length, 2)
    assert.ok(secret.equals(Secret.copy(Uint8Array.of(1, 2))))
    assert.ok(secret.equals(Uint8Array.of(1, 2)))
    assert.ok(!secret.equals(Uint8Array.of(1, 3)))
    assert.ok(!secret.equals(Uint8Array.of(1)))
  })

  test('is wiped when it is disposed of', () => {
    const secret = Secret.copy(Uint8Array.of(1, 2))
    const lent = secret.use((bytes) => bytes)
    {
      using disposed = secret
      assert.equal(disposed.length, 2)
    }
    assert.deepEqual([...lent], [0, 0])
  })

  test('is of no use once wiped: not even equal to zeros', () => {
    const [wiped, zeros] = [Secret.copy(Uint8Array.of(1)), Secret.copy(Uint8Array.of(0))]
    wiped[Symbol.dispose]()
    const misuses = [
      () => wiped.use(() => 0),
      () => wiped.equals(Uint8Array.of(0)),
      () => zeros.equals(wiped),
    ]
    for (const misuse of misuses) {
      assert.throws(misuse, (error) => baseErrors.has(error) && error.code === 'KOS_BASE_WIPED')
    }
  })
})
