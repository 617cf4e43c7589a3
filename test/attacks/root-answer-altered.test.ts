/** Attack: the answer of the root keys is changed on its way, or is the answer to something else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOfflineRoots, ruleOf, signWith } from '../kit/roots.ts'

test('only the very bundle that was asked for is taken', () => {
  using roots = createOfflineRoots()
  const { ca, reopen } = roots.authority
  using file = roots.open()
  const before = ca.bundle
  // Signed by the root keys, and not what the authority asked for: the medium carried another one.
  const lost = signWith(file, ca.requestRoots({ kind: 'era' }, 'ada'))
  ca.cancelRequest()
  ca.requestRoots({ kind: 'prepare' }, 'ada')
  assert.equal(ruleOf(ca.installAnswer(lost)), 'KOS_PKI_ROOT_ANSWER intermediate')
  ca.cancelRequest()
  ca.requestRoots({ kind: 'era' }, 'ada')
  assert.equal(ruleOf(ca.installAnswer(lost)), 'KOS_PKI_ROOT_ANSWER other-request')
  ca.cancelRequest()
  const answer = signWith(file, ca.requestRoots({ kind: 'era' }, 'ada'))
  for (let at = 0; at < answer.length; at += 97) {
    const changed = Uint8Array.from(answer)
    changed[at] = (changed[at] ?? 0) ^ 0x20
    assert.match(ruleOf(ca.installAnswer(changed)), /^KOS_PKI_ROOT_ANSWER bundle: /, `byte ${at}`)
  }
  for (const length of [0, 1, answer.length - 1]) {
    const cut = ruleOf(ca.installAnswer(answer.subarray(0, length)))
    assert.match(cut, /^KOS_PKI_ROOT_ANSWER bundle: /)
  }
  assert.equal(ca.bundle, before)
  assert.deepEqual(reopen().bundle, before)
  assert.equal(ca.installAnswer(answer), undefined)
})
