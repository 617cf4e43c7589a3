/** Attack: somebody copied the keys of a device and renews with them, before or after the device. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  EXPORTER,
  joined,
  markUsed,
  renewRequest,
  type TestDevice,
} from '../kit/enrolment.ts'
import { testKey } from '../kit/x509.ts'

const withNewKey = (device: TestDevice): TestDevice => createDevice({ ...device, tls: testKey() })

test('an old generation after the new one was used locks the device, for both', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const copy = createDevice(device)
  const first = withNewKey(device)
  const second = accepted(await fleet.renewals.renew(renewRequest(first, grant), EXPORTER)).grant
  await markUsed(fleet, grant.principalId)

  const stolen = await fleet.renewals.renew(renewRequest(withNewKey(copy), grant), EXPORTER)
  assertRefused(stolen, 'KOS_ENROLMENT_COPY', 'generation/older')
  assert.equal('copyOf' in stolen && stolen.copyOf, grant.principalId)
  assert.equal(fleet.registry.principal(grant.principalId)?.state, 'quarantined')

  // Nobody knows which of the two is the device: neither goes on, also after a restart.
  const { renewals } = fleet.restart()
  for (const [keys, held] of [
    [withNewKey(device), second],
    [withNewKey(copy), grant],
    [first, grant],
  ] as const) {
    const refused = await renewals.renew(renewRequest(keys, held), EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_LOCKED', 'principal/state')
  }
})

test('the thief who is first is found by the renewal of the device', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const thief = withNewKey(device)
  accepted(await fleet.renewals.renew(renewRequest(thief, grant), EXPORTER))
  await markUsed(fleet, grant.principalId)
  const result = await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_COPY', 'generation/older')
})

test('a thief who renews twice without a session is found too', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const second = accepted(
    await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER),
  ).grant
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), second), EXPORTER))
  const result = await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_COPY', 'generation/older')
})

test('of two renewals at once with different keys, no more than one generation comes out', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const requests = [withNewKey(device), withNewKey(device)].map((keys) => renewRequest(keys, grant))
  const results = await Promise.all(
    requests.map((request) => fleet.renewals.renew(request, EXPORTER)),
  )
  for (const result of results) assert.equal(accepted(result).grant.generation, 2)
  await markUsed(fleet, grant.principalId)
  const third = await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER)
  assertRefused(third, 'KOS_ENROLMENT_COPY', 'generation/older')
})
