/**
 * Attack: a join line for several devices is used by more of them at once than it is for. Exactly as many
 * come in, each as a device of its own, and the counter says so.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDevice, createFleet, createToken, EXPORTER, joinRequest } from '../kit/enrolment.ts'

const USES = 5
const DEVICES = 12

test(`of ${DEVICES} devices that join at once by a line for ${USES}, ${USES} come in`, async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { name: 'camera-', uses: USES })
  const requests = Array.from({ length: DEVICES }, () => joinRequest(createDevice(), token))
  const results = await Promise.all(requests.map((request) => fleet.joins.join(request, EXPORTER)))

  const names = results.flatMap((result) => ('grant' in result ? [result.grant.name] : []))
  assert.deepEqual(
    names.toSorted(),
    Array.from({ length: USES }, (_, index) => `camera-000${index + 1}`),
  )
  const refused = results.flatMap((result) => ('rule' in result ? [result.rule] : []))
  assert.deepEqual(
    refused,
    Array.from({ length: DEVICES - USES }, () => 'token/spent'),
  )
  const [stored] = fleet.registry.tokens()
  assert.equal(stored?.uses?.used, USES)
  assert.equal(stored.state, 'spent')
  assert.equal(fleet.registry.joinedBy(stored.id).length, USES)
  assert.equal(fleet.registry.principals().filter(({ kind }) => kind === 'device').length, USES)
})
