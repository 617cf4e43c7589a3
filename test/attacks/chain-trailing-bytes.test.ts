/** Bytes behind the end of a structure make two encodings of one certificate: all are refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derOid, derSequence, derTlv } from '../../src/foundation/codec/index.ts'
import { rawExtension } from '../kit/pkix.ts'
import { type ChainSpec, validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

const ZERO = Uint8Array.of(0)
const behind = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, ZERO])

const PLACES: readonly (readonly [
  place: string,
  expected: string,
  apply: (spec: ChainSpec) => void,
])[] = [
  ['the target', 'encoding der-trailing @0', ({ links }) => (links.leaf.parts.finish = behind)],
  [
    'an intermediate',
    'encoding der-trailing @1',
    ({ links }) => (links.second.parts.finish = behind),
  ],
  ['the anchor', 'encoding der-trailing @3', ({ links }) => (links.root.parts.finish = behind)],
  ['a list', 'crl-encoding der-trailing @0', ({ crls }) => (crls.leaf.parts.finish = behind)],
  [
    'an extension',
    'encoding der-trailing @0',
    ({ links }) => {
      const value = behind(derSequence(derOid('1.3.6.1.5.5.7.3.1'), derOid('1.3.6.1.5.5.7.3.2')))
      links.leaf.extensions.set('extendedKeyUsage', rawExtension('2.5.29.37', value))
    },
  ],
  [
    'the public key',
    'encoding der-trailing @0',
    ({ links }) => {
      const { spki } = links.leaf.parts
      links.leaf.parts.spki = derTlv(0x30, behind(spki.subarray(2)))
    },
  ],
  [
    'an ECDSA signature',
    'encoding der-trailing @0',
    ({ links }) => {
      const { key } = links.second
      links.leaf.signer = { ...key, sign: (tbs) => behind(key.sign(tbs)) }
    },
  ],
]

for (const [place, expected, apply] of PLACES) {
  test(`a byte behind ${place} is refused`, () => {
    const spec = validChain()
    apply(spec)
    assert.equal(verdict(validateChain(spec)), expected)
  })
}
