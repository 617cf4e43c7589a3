/** Attack: a join line is used after its time, or the end of a token is to be moved. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
  MINUTE_MS,
  tokenOf,
} from '../kit/enrolment.ts'

test('a token ends on the millisecond', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { lifeMs: MINUTE_MS })
  fleet.clock.advance(MINUTE_MS)
  const late = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(late, 'KOS_ENROLMENT_TOKEN', 'token/expired')
  assert.equal(fleet.registry.principals().length, 1)
  const next = await createToken(fleet, { lifeMs: MINUTE_MS })
  fleet.clock.advance(MINUTE_MS - 1)
  accepted(await fleet.joins.join(joinRequest(createDevice(), next), EXPORTER))
})

test('a restart does not make it live longer', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { lifeMs: MINUTE_MS })
  fleet.clock.advance(MINUTE_MS)
  const { joins } = fleet.restart()
  const late = await joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(late, 'KOS_ENROLMENT_TOKEN', 'token/expired')
})

test('no token lives longer than ten minutes', async (context) => {
  const fleet = await createFleet(context)
  const result = await fleet.tokens.create(tokenOf(fleet, { lifeMs: 10 * MINUTE_MS + 1 }))
  assertRefused(result, 'KOS_ENROLMENT_REQUEST', 'token/life')
})
