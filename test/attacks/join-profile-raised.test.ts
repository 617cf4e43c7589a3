/** Attack: a device wants a stricter profile, hence more trust, than it has evidence for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCbor } from '../../src/foundation/codec/index.ts'
import { decodeJoinRequest } from '../../src/lifecycle/enrolment/index.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
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
  tokenOf,
} from '../kit/enrolment.ts'
import { testKey } from '../kit/x509.ts'

test('no token grants SEC-3 or SEC-4', async (context) => {
  const fleet = await createFleet(context)
  for (const profile of ['SEC-3', 'SEC-4'] as const) {
    const result = await fleet.tokens.create(tokenOf(fleet, { profile }))
    assertRefused(result, 'KOS_ENROLMENT_PROFILE', 'profile/hardware-evidence')
  }
})

test('a token that says SEC-3 all the same joins nobody', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  fleet.store.raw.exec(`UPDATE token SET profile = 'SEC-3'`)
  const result = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_PROFILE', 'profile/hardware-evidence')
  assert.equal(fleet.registry.tokens()[0]?.state, 'open')
})

test('a request has no place for a profile', async (context) => {
  const fleet = await createFleet(context)
  const request = joinRequest(createDevice(), await createToken(fleet))
  const message = encodeCbor({ ...request, profile: 'SEC-4' })
  assertRefused(decodeJoinRequest(message), 'KOS_ENROLMENT_REQUEST', 'value: unrecognized_keys')
})

test('the floor in the leaf is the one of the token, also after a renewal', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const next = createDevice({ ...device, tls: testKey() })
  const renewed = accepted(await fleet.renewals.renew(renewRequest(next, grant), EXPORTER)).grant
  const nowMs = fleet.clock.wallMs()
  for (const { leaf } of [grant, renewed]) {
    const check = { bundle: fleet.ca.trust, purpose: 'client', nowMs } as const
    assert.equal(accepted(verifyPeerLeaf(leaf, check)).floor.name, 'SEC-2')
  }
})
