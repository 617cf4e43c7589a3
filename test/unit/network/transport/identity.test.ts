/** What an end presents: its leaf alone, and only if there is one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../../../src/foundation/base/index.ts'
import { parseCertificate, pemEncode } from '../../../../src/foundation/codec/index.ts'
import { leafSpkiSha256 } from '../../../../src/network/transport/identity.ts'
import { leafOnly } from '../../../../src/network/transport/index.ts'
import { createTestTlsFleet, leafDerOf } from '../../../kit/tls.ts'

const fleet = createTestTlsFleet()
const identity = fleet.identity('device')
const leaf = leafDerOf(identity)

test('only the leaf is presented, and the rest of the identity stays', () => {
  const presented = leafOnly(identity)
  assert.equal(presented.certificateChainPem, pemEncode('CERTIFICATE', leaf))
  assert.equal(presented.privateKeyPem, identity.privateKeyPem)
  assert.equal(presented.trustedCaPem, identity.trustedCaPem)
  assert.deepEqual(leafOnly(presented), presented)
})

test('a chain without a whole certificate cannot be presented', () => {
  const cut = identity.certificateChainPem.slice(0, 200)
  for (const certificateChainPem of ['', 'nonsense', cut]) {
    const unusable = { ...identity, certificateChainPem }
    assert.throws(() => leafOnly(unusable), { code: 'KOS_TRANSPORT_IDENTITY' })
    assert.throws(() => leafSpkiSha256(unusable), { code: 'KOS_TRANSPORT_IDENTITY' })
  }
})

test('the hash of the own leaf is that of its key, whatever stands behind it', () => {
  const expected = parseCertificate(leaf).spkiSha256
  assert.deepEqual(leafSpkiSha256(identity), expected)
  assert.deepEqual(leafSpkiSha256(leafOnly(identity)), expected)
  const key = Secret.take(Buffer.alloc(32, 1))
  assert.equal(leafSpkiSha256({ kind: 'psk', handle: 'h', key }), undefined)
})
