/** Attack: a device that was removed or locked renews its certificate, or joins under its keys. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joined,
  joinRequest,
  renewRequest,
} from '../kit/enrolment.ts'
import { testKey } from '../kit/x509.ts'

test('neither a new key nor the same request again gets a certificate', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const next = createDevice({ ...device, tls: testKey() })
  await fleet.renewals.renew(renewRequest(next, grant), EXPORTER)
  const before = fleet.store.raw.prepare('SELECT COUNT(*) AS n FROM certificate').get()
  for (const state of ['locked', 'removed'] as const) {
    await fleet.registry.change(grant.principalId, { state })
    for (const keys of [next, createDevice({ ...device, tls: testKey() })]) {
      for (const generation of [1, 2]) {
        const held = { principalId: grant.principalId, generation }
        const result = await fleet.renewals.renew(renewRequest(keys, held), EXPORTER)
        assertRefused(result, 'KOS_ENROLMENT_LOCKED', 'principal/state')
      }
    }
  }
  const after = fleet.store.raw.prepare('SELECT COUNT(*) AS n FROM certificate').get()
  assert.deepEqual(after, before)
})

test('a removed device does not come back under its old identity key', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  await fleet.registry.change(grant.principalId, { state: 'removed' })
  const token = await createToken(fleet)
  const again = createDevice({ identity: device.identity })
  const result = await fleet.joins.join(joinRequest(again, token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_COPY', 'keys/registered-identity')
})
