/** Many names under many constraints multiply to comparisons, which are counted and end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/foundation/base/index.ts'
import { derSequence, derTlv } from '../../src/foundation/codec/index.ts'
import { PATH_LIMITS } from '../../src/trust/pki/index.ts'
import { rawExtension } from '../kit/pkix.ts'
import { nameConstraints, subtree, validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

test('names times constraints stop at the limit', () => {
  const spec = validChain()
  const subtrees = Array.from({ length: 128 }, (_, i) => subtree(0x82, `s${i}`))
  const both = nameConstraints(subtrees, subtrees)
  for (const link of [spec.links.first, spec.links.second]) {
    link.extensions.set('nameConstraints', both)
  }
  const names = Array.from({ length: 512 }, (_, i) => derTlv(0x82, utf8(`n${i}.s127`)))
  const extension = rawExtension('2.5.29.17', derSequence(...names))
  spec.links.leaf.extensions.set('subjectAltNames', extension)
  spec.input.limits = { maxNameComparisons: 140_000 }
  assert.equal(verdict(validateChain(spec)), 'name-excluded dnsNames @0')
  spec.input.limits = { maxNameComparisons: 100_000 }
  spec.links.first.extensions.set('nameConstraints', nameConstraints(subtrees))
  spec.links.second.extensions.set('nameConstraints', nameConstraints(subtrees))
  assert.equal(verdict(validateChain(spec)), 'work-limit names @0')
  assert.ok(PATH_LIMITS.maxNameComparisons < 512 * 256 * (PATH_LIMITS.maxDepth + 1))
})
