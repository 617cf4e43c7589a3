/** Attack: keys of a device that was forgotten long ago come back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createUser,
  EXPORTER,
  joined,
  renewRequest,
} from '../kit/enrolment.ts'
import { DAY_MS } from '../kit/pki.ts'
import { testKey } from '../kit/x509.ts'

test('a certificate of SEC-2 is renewed for 30 days after its end, not a millisecond more', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const request = renewRequest(createDevice({ ...device, tls: testKey() }), grant)
  fleet.clock.advance(31 * DAY_MS + 1)
  const late = await fleet.renewals.renew(request, EXPORTER)
  assertRefused(late, 'KOS_ENROLMENT_EXPIRED', 'certificate/absence')
  assert.equal(fleet.registry.principal(grant.principalId)?.generation, 1)
  fleet.clock.advance(-1)
  accepted(await fleet.renewals.renew(request, EXPORTER))
})

test('an operator who was away for too long needs a new credential', async (context) => {
  const fleet = await createFleet(context)
  const { record, device } = await createUser(fleet, 'bob')
  fleet.clock.advance(60 * DAY_MS + 1)
  const held = { principalId: record.id, generation: 1 }
  const next = createDevice({ ...device, tls: testKey() })
  const late = await fleet.renewals.renew(renewRequest(next, held), EXPORTER)
  assertRefused(late, 'KOS_ENROLMENT_EXPIRED', 'certificate/absence')
})
