/**
 * With parameters of one's own choice a private key can be made for anybody's public key
 * (CVE-2020-0601). Only named curves are taken, wherever in the chain.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEPTH, validateChain, validChain, verdict } from '../kit/pkix-chain.ts'
import { pkixKey } from '../kit/pkix.ts'

for (const position of ['leaf', 'second', 'first', 'root'] as const) {
  test(`explicit curve parameters in the ${position} certificate are refused`, () => {
    const spec = validChain()
    const key = pkixKey('P-256-explicit', position)
    spec.links[position].key = key
    spec.links[position].parts.spki = key.spki
    const expected = `encoding curve-parameters @${DEPTH[position]}`
    assert.equal(verdict(validateChain(spec)), expected)
  })
}
