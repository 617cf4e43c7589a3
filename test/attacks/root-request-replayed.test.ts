/** Attack: an old request comes again, or another one with a number that was given away. */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { test } from 'node:test'
import { cborToPlain, decodeCbor, encodeCbor } from '../../src/foundation/codec/index.ts'
import { createOfflineRoots, ruleOfSigning, signWith } from '../kit/roots.ts'

test('root keys never sign two bundles of one number, nor go back', () => {
  using roots = createOfflineRoots()
  const { ca } = roots.authority
  using file = roots.open()
  const first = ca.requestRoots({ kind: 'prepare' }, 'ada')
  ca.installAnswer(signWith(file, first))
  const second = ca.requestRoots({ kind: 'retire' }, 'ada')
  const answer = signWith(file, second)
  ca.installAnswer(answer)
  assert.equal(ruleOfSigning(file, first), 'KOS_PKI_OLDER root-request')
  // The same number for something else: a fork of the trust bundle.
  const plain = cborToPlain(decodeCbor(second)) as Record<string, string>
  const forged = encodeCbor({ ...plain, by: 'mallory' })
  assert.equal(ruleOfSigning(file, forged), 'KOS_PKI_ROOT_REQUEST fork')
  // It is remembered in the file, not in the process.
  copyFileSync(roots.place.path, `${roots.place.path}.seen`)
  using again = roots.open()
  assert.equal(ruleOfSigning(again, forged), 'KOS_PKI_ROOT_REQUEST fork')
  assert.deepEqual(signWith(again, second), answer, 'a lost answer is given again')
  // What was taken is not taken twice.
  assert.equal(ca.installAnswer(answer)?.rule, 'no-request')
  assert.equal(ca.trust.number, 3)
})
