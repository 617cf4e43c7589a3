/** Attack: one join line is used by many devices in the same moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
} from '../kit/enrolment.ts'

const DEVICES = 50

test('exactly one of 50 parallel uses wins', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  const { kem, logs } = createDevice()
  const requests = Array.from({ length: DEVICES }, () =>
    joinRequest(createDevice({ kem, logs }), token),
  )
  const results = await Promise.all(requests.map((request) => fleet.joins.join(request, EXPORTER)))
  const [winner, ...others] = results.flatMap((result) => ('grant' in result ? [result] : []))
  assert.ok(winner && others.length === 0)
  const losers = results.filter((result) => isRefusal(result))
  assert.equal(losers.length, DEVICES - 1)
  for (const loser of losers) assertRefused(loser, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  const devices = fleet.registry.principals().filter(({ kind }) => kind === 'device')
  assert.deepEqual(
    devices.map(({ id, state }) => `${id} ${state}`),
    [`${winner.grant.principalId} active`],
  )
})
