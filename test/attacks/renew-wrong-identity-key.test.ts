/** Attack: a device, or somebody with its TLS key alone, renews the certificate of another one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signRenewal } from '../../src/lifecycle/enrolment/proofs.ts'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  EXPORTER,
  joined,
  renewRequest,
  requestKeys,
} from '../kit/enrolment.ts'
import { testKey } from '../kit/x509.ts'

test('the identity key of another device, or of nobody, is refused', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const { device: neighbour } = await joined(fleet, { name: 'camera-2' })
  for (const { identity } of [neighbour, createDevice()]) {
    const thief = createDevice({ ...device, identity, tls: testKey() })
    const result = await fleet.renewals.renew(renewRequest(thief, grant), EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
    // The same answer as for a device that does not exist: nothing is learned.
    const nobody = { principalId: 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa', generation: 1 }
    assert.deepEqual(await fleet.renewals.renew(renewRequest(thief, nobody), EXPORTER), result)
  }
  const record = fleet.registry.principal(grant.principalId)
  assert.equal(record?.generation, 1)
  assert.equal(record.state, 'active')
})

test('naming the right identity key does not help without it', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const request = renewRequest(createDevice({ ...device, tls: testKey() }), grant)
  const proof = signRenewal(request, EXPORTER, requestKeys(createDevice()).identity)
  const forged = await fleet.renewals.renew({ ...request, proof }, EXPORTER)
  assertRefused(forged, 'KOS_ENROLMENT_PROOF', 'proof/identity-signature')
  accepted(await fleet.renewals.renew(request, EXPORTER))
})
