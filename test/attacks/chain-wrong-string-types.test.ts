/**
 * A name in another string type is the same to a person and different to a comparison: excluded
 * names would get through. Types that attributes must not have are refused, the others compared.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derSequence } from '../../src/foundation/codec/index.ts'
import { nameStep } from '../kit/pkix.ts'
import { nameConstraints, subtree, validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

const TAGS = { utf8: 12, printable: 19, teletex: 20, ia5: 22, universal: 28, bmp: 30 } as const
const wide = (text: string, bytes: number): Uint8Array => {
  const encoded = Buffer.alloc(text.length * bytes)
  for (let i = 0; i < text.length; i++) encoded[(i + 1) * bytes - 1] = text.charCodeAt(i)
  return encoded
}

const WRITTEN: readonly (readonly [type: keyof typeof TAGS, value: string | Uint8Array])[] = [
  ['utf8', 'Evil Corp'],
  ['utf8', 'EVIL  corp '],
  // Full-width letters are compatible with the plain ones.
  ['utf8', '\uff25\uff36\uff29\uff2c Corp'],
  ['printable', 'evil corp'],
  ['teletex', 'Evil Corp'],
  ['ia5', 'EvilCorp'],
  ['universal', wide('Evil Corp', 4)],
  ['bmp', wide('Evil Corp', 2)],
]

for (const [type, value] of WRITTEN) {
  test(`an excluded organisation written as ${type} "${String(value)}" is refused`, () => {
    const spec = validChain()
    const excluded = derSequence(nameStep('2.5.4.10', 'Evil Corp'))
    spec.links.first.extensions.set(
      'nameConstraints',
      nameConstraints([], [subtree(0xa4, excluded)]),
    )
    spec.links.leaf.parts.subject = derSequence(nameStep('2.5.4.10', value, TAGS[type]))
    const taken = type === 'utf8' || type === 'printable'
    const expected = taken ? 'name-excluded directoryNames @0' : 'encoding name-type @0'
    assert.equal(verdict(validateChain(spec)), expected)
  })
}
