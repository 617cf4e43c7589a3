/** RFC 8392 appendix A.1 and RFC 8747 section 3.4: claims and confirmation, byte by byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../../src/foundation/base/index.ts'
import { encodeCwtClaims } from '../../../src/foundation/codec/index.ts'

/** The claims set of RFC 8392 appendix A.1 behind the head of its map. */
const CLAIMS_OF_A1 =
  '0175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77' +
  '037818636f61703a2f2f6c696768742e6578616d706c652e636f6d' +
  '041a5612aeb0051a5610d9f0061a5610d9f007420b71'

test('the claims of the example, with a key id to confirm', () => {
  const keyId = new Uint8Array(32).fill(0xaa)
  const encoded = encodeCwtClaims({
    issuer: 'coap://as.example.com',
    subject: 'erikw',
    audience: 'coap://light.example.com',
    expiresAt: 1_444_064_944,
    notBefore: 1_443_944_944,
    issuedAt: 1_443_944_944,
    id: Uint8Array.of(0x0b, 0x71),
    confirmationKeyId: keyId,
  })
  // The example has seven claims; RFC 8747 adds number 8: {3: key id}.
  assert.equal(toHex(encoded), `a8${CLAIMS_OF_A1}08a1035820${toHex(keyId)}`)
})
