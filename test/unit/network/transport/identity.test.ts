/** What an end presents: its leaf and what issued it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, Secret } from '../../../../src/foundation/base/index.ts'
import { parseCertificate, pemEncode } from '../../../../src/foundation/codec/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import { leafSpkiSha256, presentedChainPem } from '../../../../src/network/transport/identity.ts'
import { tlsServerOptions } from '../../../../src/network/transport/index.ts'
import { createTestTlsFleet, leafDerOf } from '../../../kit/tls.ts'

const fleet = createTestTlsFleet()
const identity = fleet.identity('device')
const leaf = leafDerOf(identity)

test('the leaf and its issuer are presented, whatever else stands behind the leaf', () => {
  const leafPem = pemEncode('CERTIFICATE', leaf)
  const chain = leafPem + fleet.rootPem + fleet.intermediatePem + fleet.rootPem
  assert.equal(presentedChainPem(chain), leafPem + fleet.intermediatePem)
  assert.equal(presentedChainPem(identity.certificateChainPem), leafPem + fleet.intermediatePem)
  assert.equal(presentedChainPem(leafPem + fleet.rootPem), leafPem)
  const options = tlsServerOptions(profileOf('SEC-2'), { ...identity, certificateChainPem: chain })
  assert.ok(!isRefusal(options))
  assert.equal(options.tls.cert, leafPem + fleet.intermediatePem)
})

test('a chain without a whole certificate cannot be presented', () => {
  const cut = identity.certificateChainPem.slice(0, 200)
  for (const certificateChainPem of ['', 'nonsense', cut]) {
    const unusable = { ...identity, certificateChainPem }
    const code = { code: 'KOS_TRANSPORT_IDENTITY' }
    assert.throws(() => leafSpkiSha256(unusable), code)
    assert.throws(() => tlsServerOptions(profileOf('SEC-2'), unusable), code)
  }
})

test('the hash of the own leaf is that of its key, whatever stands behind it', () => {
  const expected = parseCertificate(leaf).spkiSha256
  assert.deepEqual(leafSpkiSha256(identity), expected)
  const alone = { ...identity, certificateChainPem: pemEncode('CERTIFICATE', leaf) }
  assert.deepEqual(leafSpkiSha256(alone), expected)
  const key = Secret.take(Buffer.alloc(32, 1))
  assert.equal(leafSpkiSha256({ kind: 'psk', handle: 'h', key }), undefined)
})
