/** A stolen or copied TLS leaf is used without the identity key it names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { handshakePair, pumpHandshake, testPeer } from '../kit/session-pair.ts'

const alice = testPeer('alice')
const thief = testPeer('thief')

/** What the listener says when the dialler has the leaf of alice and these keys. */
function refused(own: typeof alice.own): string {
  const { listener } = pumpHandshake(handshakePair({ dialler: { ...alice, own } }))
  assert.ok(listener && isRefusal(listener))
  return `${listener.code} ${listener.rule}`
}

test('with the key of the thief', () => {
  const own = { ...thief.own, principal: alice.principal }
  assert.equal(refused(own), 'KOS_SESSION_AUTH identity key')
})

test('with the public key of alice and a signature of the thief', () => {
  const { identitySigner } = thief.own
  assert.equal(refused({ ...alice.own, identitySigner }), 'KOS_SESSION_AUTH key id')
  const claims = { ...identitySigner, keyId: alice.own.identitySigner.keyId }
  assert.equal(refused({ ...alice.own, identitySigner: claims }), 'KOS_SESSION_AUTH signature')
})

test('with the name of the thief on the leaf of alice', () => {
  const own = { ...alice.own, principal: thief.principal }
  assert.equal(refused(own), 'KOS_SESSION_IDENTITY hello: principal')
})
