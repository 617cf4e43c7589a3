/**
 * Attack: whoever holds a join line for several devices asks for names that are not its to give: of the
 * authority, of a user, of a device that is there, and of one that an operator has just promised to
 * another. It gets a number, and the promised device its name.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joined,
  joinRequest,
} from '../kit/enrolment.ts'

test('a line for several devices takes no name of others', async (context) => {
  const fleet = await createFleet(context)
  await joined(fleet, { name: 'camera-there' })
  const promised = await createToken(fleet, { name: 'camera-front' })
  const line = await createToken(fleet, { name: 'camera-', uses: 10 })
  const wanted = ['authority', 'alice', 'camera-there', 'camera-front', 'door-1', 'camera-../x']
  for (const [index, name] of wanted.entries()) {
    const request = joinRequest(createDevice(), line, { name })
    const { grant } = accepted(await fleet.joins.join(request, EXPORTER))
    assert.equal(grant.name, `camera-000${index + 1}`, name)
  }
  const owner = joinRequest(createDevice(), promised)
  assert.equal(accepted(await fleet.joins.join(owner, EXPORTER)).grant.name, 'camera-front')
})

test('a line for one device names it, whatever the device says', async (context) => {
  const fleet = await createFleet(context)
  const line = await createToken(fleet, { name: 'camera-1' })
  const request = joinRequest(createDevice(), line, { name: 'camera-2' })
  assert.equal(accepted(await fleet.joins.join(request, EXPORTER)).grant.name, 'camera-1')
})
