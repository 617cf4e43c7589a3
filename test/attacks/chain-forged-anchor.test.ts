/** Whoever copies an anchor's name and key id into a certificate of their own is not the anchor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validatePath } from '../../src/trust/pki/index.ts'
import { pkixKey } from '../kit/pkix.ts'
import { chainInput, signChain, validChain, verdict } from '../kit/pkix-chain.ts'

test('a root of the same name and key id as the anchor, sent along, carries nothing', () => {
  const forged = validChain()
  const key = pkixKey('P-256', 'forged root')
  forged.links.root.key = key
  forged.links.root.parts.spki = key.spki
  const fake = signChain(forged)
  const real = signChain(validChain())
  const input = chainInput(forged, fake)
  const candidates = [fake.root, fake.first, fake.second, real.root]
  const result = validatePath({ ...input, candidates, anchors: [real.root] })
  // The chain holds up to the forged root, which the anchor did not sign.
  assert.equal(verdict(result), 'signature @3')
  const { crls: _, ...without } = input
  assert.equal(verdict(validatePath({ ...without, candidates, anchors: [fake.root] })), 'accepted')
})
