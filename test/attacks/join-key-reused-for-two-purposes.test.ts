/** Attack: one key is to serve for identity and TLS, or for messages and signatures. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joined,
  joinRequest,
  renewRequest,
  type TestDevice,
} from '../kit/enrolment.ts'
import { testKey } from '../kit/x509.ts'

test('a device whose keys are not all different does not join', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  const key = testKey()
  const cases: readonly Partial<TestDevice>[] = [
    { identity: key, tls: key },
    { identity: key, kem: key },
    { tls: key, kem: key },
    { identity: key, tls: key, kem: key },
  ]
  for (const parts of cases) {
    const result = await fleet.joins.join(joinRequest(createDevice(parts), token), EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_PROOF', 'proof/same-key')
  }
  assert.equal(fleet.registry.tokens()[0]?.state, 'open')
  accepted(await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER))
})

test('a renewal cannot turn the identity key into the TLS key', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const one = createDevice({ ...device, tls: device.identity })
  const result = await fleet.renewals.renew(renewRequest(one, grant), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_PROOF', 'proof/same-key')
  // Nor a key that it registered for another purpose.
  const kem = createDevice({ ...device, tls: device.kem })
  const other = await fleet.renewals.renew(renewRequest(kem, grant), EXPORTER)
  assertRefused(other, 'KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
})
