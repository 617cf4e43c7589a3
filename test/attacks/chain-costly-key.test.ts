/** Keys made to be slow: huge RSA moduli and exponents are refused before they are used. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derInteger, derOid, derSequence, derTlv } from '../../src/foundation/codec/index.ts'
import { validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

function rsa(modulusBytes: number, exponent: Uint8Array): Uint8Array {
  const key = derSequence(derTlv(2, Buffer.alloc(modulusBytes, 0x7f)), exponent)
  const identifier = derSequence(derOid('1.2.840.113549.1.1.1'), Uint8Array.of(5, 0))
  return derSequence(identifier, derTlv(3, Buffer.concat([Uint8Array.of(0), key])))
}

const KEYS: readonly (readonly [what: string, spki: Uint8Array, rule: string])[] = [
  ['a modulus of 12,000 bytes', rsa(12_000, derInteger(65_537)), 'encoding der-integer-size'],
  [
    'an exponent of 2,000 bytes',
    rsa(256, derTlv(2, Buffer.alloc(2000, 0x7f))),
    'encoding der-integer-size',
  ],
  ['the exponent 1', rsa(256, derInteger(1)), 'encoding rsa-exponent'],
  ['a modulus of 64 bytes', rsa(64, derInteger(65_537)), 'key-size 511'],
]

for (const [what, spki, rule] of KEYS) {
  test(`${what} is refused in target and CA`, () => {
    for (const [position, depth] of [
      ['leaf', 0],
      ['second', 1],
    ] as const) {
      const spec = validChain()
      spec.links[position].parts.spki = spki
      assert.equal(verdict(validateChain(spec)), `${rule} @${depth}`)
    }
  })
}
