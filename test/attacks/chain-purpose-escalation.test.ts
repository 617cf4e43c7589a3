/** A CA for client certificates issues one for a server: the CA's own purposes bind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extendedKeyUsageExtension, KEY_PURPOSE } from '../../src/foundation/codec/index.ts'
import { validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

test('a server below a CA for clients is refused, a client is not', () => {
  const spec = validChain()
  const clients = extendedKeyUsageExtension([KEY_PURPOSE.clientAuth])
  spec.links.first.extensions.set('extendedKeyUsage', clients)
  for (const [purpose, expected] of [
    ['client', 'accepted'],
    ['any', 'accepted'],
    ['server', `purpose ${KEY_PURPOSE.serverAuth} @2`],
    ['both', `purpose ${KEY_PURPOSE.serverAuth} @2`],
  ] as const) {
    spec.input.purpose = purpose
    assert.equal(verdict(validateChain(spec)), expected)
  }
})
