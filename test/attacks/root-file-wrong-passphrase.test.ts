/** Attack: somebody found the root file and guesses its passphrase. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createOfflineRoots } from '../kit/roots.ts'

test('a wrong passphrase opens nothing, and the file stays as it is', () => {
  using roots = createOfflineRoots()
  const before = readFileSync(roots.place.path)
  for (const guess of ['correct horsf', 'correct hors', 'x'.repeat(1024)]) {
    assert.throws(() => roots.open(guess), {
      code: 'KOS_KEYS_UNLOCK',
      details: { rule: 'wrong key' },
    })
  }
  assert.deepEqual(readFileSync(roots.place.path), before)
  roots.open()[Symbol.dispose]()
})
