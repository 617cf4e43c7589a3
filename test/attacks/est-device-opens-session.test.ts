/**
 * Attack: a device that came in by EST, which has a good SEC-2 leaf and no identity key, opens a session
 * with a member, by whatever it can put in the place of that key.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256 } from '../../src/foundation/base/index.ts'
import { coseSignerFromKey } from '../../src/foundation/codec/index.ts'
import { createPeerVerifier } from '../../src/trust/pki/index.ts'
import { accepted, createFleet } from '../kit/enrolment.ts'
import { enrolledByEst } from '../kit/est.ts'
import { handshakePair, pumpHandshake, testPeer } from '../kit/session-pair.ts'

test('its leaf passes, AUTH never does', async (context) => {
  const fleet = await createFleet(context)
  const { key, grant } = await enrolledByEst(fleet)
  const record = fleet.registry.principal(grant.principalId)
  assert.ok(record)
  const facts = accepted(
    createPeerVerifier().verify(grant.leaf, {
      bundle: fleet.ca.trust,
      purpose: 'client',
      nowMs: fleet.clock.wallMs(),
    }),
  )
  const peer = testPeer('printer')
  // The listener believes what the leaf says of the identity key.
  const { identityKeyHash } = facts
  const dialler = { ...peer, facts: { ...peer.facts, identityKeyHash } }
  const refused = (identitySpki: Uint8Array, keyId: Uint8Array): string => {
    const identitySigner = { ...coseSignerFromKey(key.privateKey, sha256(identitySpki)), keyId }
    const own = { ...peer.own, identitySpki, identitySigner }
    const { listener } = pumpHandshake(handshakePair({ dialler: { ...dialler, own } }))
    assert.ok(listener && isRefusal(listener))
    return `${listener.code} ${listener.rule}`
  }
  // Its TLS key, honestly and under the name of the identity.
  assert.equal(refused(key.spki, sha256(key.spki)), 'KOS_SESSION_AUTH identity key')
  assert.equal(refused(key.spki, identityKeyHash), 'KOS_SESSION_AUTH identity key')
  // The very bytes whose hash the leaf names: they are no key.
  const { identitySpki } = record
  assert.match(refused(identitySpki, identityKeyHash), /^KOS_SESSION_AUTH format: /)
})
