/**
 * A serial number that one reader takes for negative and another for large is two certificates to
 * a revocation list. It is refused in certificates and in lists.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crlEntry } from '../kit/pkix.ts'
import { validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

const NEGATIVE = Buffer.from('0202ff01', 'hex')
const POSITIVE = Buffer.from('020300ff01', 'hex')

test('a certificate of negative serial number is refused', () => {
  const spec = validChain()
  spec.links.leaf.parts.serial = NEGATIVE
  assert.equal(verdict(validateChain(spec)), 'encoding serial-negative @0')
})

test('a list cannot miss a certificate by naming it negative', () => {
  const spec = validChain()
  spec.links.leaf.parts.serial = POSITIVE
  spec.crls.leaf.parts.entries = [crlEntry(NEGATIVE)]
  assert.equal(verdict(validateChain(spec)), 'crl-encoding serial-negative @0')
  spec.crls.leaf.parts.entries = [crlEntry(POSITIVE)]
  assert.equal(verdict(validateChain(spec)), 'revoked unspecified @0')
})
