/** A device that was raised joins again with its old keys and a token of a lower profile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertRefused,
  createToken,
  createFleet,
  EXPORTER,
  joined,
  joinRequest,
} from '../kit/enrolment.ts'

test('the same identity key never comes in with less, also after removal and under another name', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  await fleet.registry.change(grant.principalId, { profile: 'SEC-3' })
  const refusals: unknown[] = []
  for (const name of ['camera-2', 'camera-1']) {
    const token = await createToken(fleet, { name: name === 'camera-1' ? 'camera-3' : name })
    refusals.push(await fleet.joins.join(joinRequest(device, token), EXPORTER))
    // Removed: the name is free, the floor stays.
    await fleet.registry.change(grant.principalId, { state: 'removed' })
  }
  for (const refusal of refusals) {
    assertRefused(refusal, 'KOS_ENROLMENT_FLOOR', 'floor/identity-key')
  }
  assert.equal(fleet.registry.principal(grant.principalId)?.profile, 'SEC-3')
})
