/** A revoked peer hands in lists that do not name it: foreign, ended, partial, or none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/foundation/base/index.ts'
import {
  derInteger,
  derSequence,
  derTlv,
  keyUsageExtension,
} from '../../src/foundation/codec/index.ts'
import { crlEntry, pkixKey, rawExtension } from '../kit/pkix.ts'
import { type ChainSpec, validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

const ENDED = derTlv(0x17, utf8('250601000000Z'))
const partial = derSequence(derTlv(0x81, Uint8Array.of(0xff)))

const ATTEMPTS: readonly (readonly [
  how: string,
  expected: string,
  apply: (spec: ChainSpec) => void,
])[] = [
  [
    'the list that names it',
    'revoked unspecified @0',
    ({ crls, links }) => {
      crls.leaf.parts.entries = [crlEntry(links.leaf.parts.serial ?? new Uint8Array())]
    },
  ],
  [
    'no list',
    'crl-missing @2',
    (spec) => {
      spec.input.crls = []
      spec.input.revocation = 'path'
    },
  ],
  [
    'a list signed by its own key',
    'crl-signature @0',
    ({ crls }) => (crls.leaf.key = pkixKey('P-256', 'leaf')),
  ],
  ['a list that has ended', 'crl-expired @0', ({ crls }) => (crls.leaf.parts.nextUpdate = ENDED)],
  [
    'a delta list',
    'crl-kind delta @0',
    ({ crls }) => {
      crls.leaf.extensions.set('delta', rawExtension('2.5.29.27', derInteger(1), true))
    },
  ],
  [
    'a list for CAs only',
    'crl-kind distribution-point @0',
    ({ crls }) => {
      crls.leaf.extensions.set('scope', rawExtension('2.5.29.28', partial, true))
    },
  ],
  [
    'a list of a CA that may sign none',
    'crl-key-usage @0',
    ({ links }) => {
      links.second.extensions.set('keyUsage', keyUsageExtension(['keyCertSign']))
    },
  ],
  [
    'a list whose entry it cannot read',
    'crl-encoding serial-negative @0',
    ({ crls }) => {
      crls.leaf.parts.entries = [crlEntry(Uint8Array.of(2, 1, 0x80))]
    },
  ],
]

for (const [how, expected, apply] of ATTEMPTS) {
  test(`${how}: ${expected}`, () => {
    const spec = validChain()
    apply(spec)
    assert.equal(verdict(validateChain(spec)), expected)
  })
}
