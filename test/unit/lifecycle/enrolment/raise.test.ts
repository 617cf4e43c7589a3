/** Which raises are never ordered: no token is made for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import {
  createRaiseService,
  noHardwareEvidence,
  type RaiseService,
} from '../../../../src/lifecycle/enrolment/index.ts'
import {
  accepted,
  assertRefused,
  createFleet,
  createToken,
  createUser,
  EXPORTER,
  pskJoinRequest,
  type TestFleet,
} from '../../../kit/enrolment.ts'
import { createTestRandom } from '../../../kit/random.ts'

const OWNER = 'spiffe://kos.internal/user/alice'

function raisesOf(fleet: TestFleet): RaiseService {
  const { clock, registry, ca, tokens } = fleet
  const store = {
    ...registry,
    raise: () => assert.fail('nothing is raised'),
  }
  return createRaiseService({
    clock,
    random: createTestRandom('raise'),
    store,
    ca,
    tokens,
    evidence: noHardwareEvidence,
  })
}

test('a token of a raise lives ten minutes at most, in whole milliseconds', async (context) => {
  const fleet = await createFleet(context)
  const raises = raisesOf(fleet)
  for (const lifeMs of [0, 999, 1000.5, 11 * 60_000]) {
    const order = { profile: PROFILES['SEC-3'], owner: OWNER, lifeMs }
    const made = await raises.createToken(fleet.owner.id, order)
    assertRefused(made, 'KOS_ENROLMENT_REQUEST', 'token/life')
  }
})

test('what has no certificate, or is to get none, is not raised', async (context) => {
  const fleet = await createFleet(context)
  const raises = raisesOf(fleet)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  const order = { profile: PROFILES['SEC-2'], owner: OWNER, lifeMs: 60_000 }
  const made = await raises.createToken(grant.principalId, order)
  assertRefused(made, 'KOS_ENROLMENT_PROFILE', 'raise/no-certificate')
})

test('nobody unknown is raised, and nobody to what the profile is already', async (context) => {
  const fleet = await createFleet(context)
  const raises = raisesOf(fleet)
  const order = { profile: PROFILES['SEC-2'], owner: OWNER, lifeMs: 60_000 }
  const unknown = await raises.createToken('kdev-nobody', order)
  assertRefused(unknown, 'KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
  const { record } = await createUser(fleet, 'bob')
  const same = await raises.createToken(record.id, order)
  assertRefused(same, 'KOS_ENROLMENT_PROFILE', 'raise/same')
})
