/** Serial numbers have 20 octets at most; longer ones fill logs, stores and comparisons. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derTlv } from '../../src/foundation/codec/index.ts'
import { validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

const serialOf = (octets: number): Uint8Array => derTlv(2, Buffer.alloc(octets, 0x7f))

test('20 octets are the longest serial number', () => {
  for (const [octets, expected] of [
    [20, 'accepted'],
    [21, 'encoding serial-size @0'],
    [8_000, 'encoding serial-size @0'],
  ] as const) {
    const spec = validChain()
    spec.links.leaf.parts.serial = serialOf(octets)
    assert.equal(verdict(validateChain(spec)), expected)
  }
})
