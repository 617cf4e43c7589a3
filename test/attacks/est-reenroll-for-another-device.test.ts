/** Attack: a device renews, by its own certificate, under the names of another one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  buildName,
  extensionRequest,
  subjectAltNamesExtension,
} from '../../src/foundation/codec/index.ts'
import { estDevice, estPost, estReenrol, shown } from '../kit/est-fabric.ts'
import { estCsr, estRenewCsr } from '../kit/est.ts'
import { startFabric, tlsOf } from '../kit/fabric.ts'
import { testKey } from '../kit/x509.ts'

test('a renewal is for the record of the certificate, or for nobody', async (context) => {
  const fabric = await startFabric(context)
  const thief = await estDevice(fabric, 'thief')
  const victim = await estDevice(fabric, 'victim')
  const node = await fabric.addNode('camera-1')
  const key = testKey()
  const uri = String((await shown(fabric, 'thief'))['uri'])
  const own = estRenewCsr(thief.leaf, key)
  const csrs = [
    estRenewCsr(victim.leaf, key),
    estCsr(key),
    // The subject is right, the alternative name is not, or one more is asked for.
    estCsr(key, {
      attributes: [extensionRequest([subjectAltNamesExtension({ uris: [uri] })])],
      subject: buildName([{ oid: '2.5.4.3', value: 'victim' }]),
    }),
    estCsr(key, {
      attributes: [
        extensionRequest([subjectAltNamesExtension({ uris: [uri], dnsNames: ['bank.example'] })]),
      ],
    }),
  ]
  for (const csr of csrs) {
    fabric.clock.advance(3_600_000)
    const answer = await estReenrol(fabric, thief, csr)
    assert.deepEqual([answer.status, answer.rule], [400, 'csr/names'])
  }
  assert.equal((await shown(fabric, 'victim'))['generation'], 1)
  // A member with an identity key renews by that alone.
  const { leaf } = node.running.member.membership
  const identity = tlsOf(node.folder)
  const byMember = await estPost(fabric, 'simplereenroll', {
    csr: estRenewCsr(leaf, key),
    identity,
  })
  assert.deepEqual([byMember.status, byMember.rule], [403, 'est/identity-key'])
  assert.equal((await estReenrol(fabric, thief, own)).status, 200)
  assert.equal((await shown(fabric, 'thief'))['generation'], 2)
})
