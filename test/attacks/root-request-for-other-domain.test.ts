/** Attack: a request of another authority is slipped under the root keys. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestAuthority, domain } from '../kit/pki.ts'
import { createOfflineRoots, ruleOfSigning, signWith } from '../kit/roots.ts'

test('requests to other roots are refused, and nothing is signed or remembered', () => {
  using roots = createOfflineRoots()
  using stranger = createTestAuthority(domain('other.internal'))
  // The same name, other roots: an impostor.
  using impostor = createTestAuthority()
  using file = roots.open()
  for (const { ca } of [stranger, impostor]) {
    const said = ruleOfSigning(file, ca.requestRoots({ kind: 'prepare' }, 'mallory'))
    assert.match(said, /^KOS_PKI_ROOT_REQUEST bundle: /)
  }
  assert.deepEqual([file.last.era, file.last.number], [1, 1])
  // And an answer of other roots is none.
  const { ca } = roots.authority
  const request = ca.requestRoots({ kind: 'prepare' }, 'ada')
  impostor.ca.prepareIntermediate()
  const refused = ca.installAnswer(impostor.ca.bundle)
  assert.equal(refused?.code, 'KOS_PKI_ROOT_ANSWER')
  assert.equal(ca.installAnswer(signWith(file, request)), undefined)
})
