/** Attack: a join line that was used already is used again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  assertSame,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  exporterOf,
  joinRequest,
} from '../kit/enrolment.ts'

test('the same device gets the same certificate, not another one', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const first = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const exporter = exporterOf(2)
  const request = joinRequest(device, token, { exporter })
  const second = accepted(await fleet.joins.join(request, exporter))
  assertSame(second.grant, first.grant)
  assert.equal(fleet.registry.principals().length, 2)
  assert.equal(fleet.store.raw.prepare('SELECT COUNT(*) AS n FROM certificate').get()?.['n'], 2)
})

test('another key is refused and changes nothing', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const before = [fleet.registry.principals(), fleet.registry.tokens()]
  const thieves = [
    createDevice(),
    // With parts of the device's keys, should they be known.
    createDevice({ identity: device.identity }),
    createDevice({ tls: device.tls }),
  ]
  for (const thief of thieves) {
    const result = await fleet.joins.join(joinRequest(thief, token), EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  }
  assert.deepEqual([fleet.registry.principals(), fleet.registry.tokens()], before)
})
