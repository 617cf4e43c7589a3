/** A device that was raised gets new keys and joins as a second record of the same machine. */
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
} from '../kit/enrolment.ts'

const GIVEN_BY_MAKER = Uint8Array.of(0, 0x11, 0x22, 0x33, 0x44, 0x55)

test('a second record of the same MAC address has the floor of the first', async (context) => {
  const fleet = await createFleet(context)
  const first = accepted(
    await fleet.joins.join(
      joinRequest(createDevice(), await createToken(fleet), { mac: GIVEN_BY_MAKER }),
      EXPORTER,
    ),
  )
  const again = await createToken(fleet, { name: 'camera-2' })
  // With the same floor it is a second installation, and nothing falls.
  accepted(
    await fleet.joins.join(joinRequest(createDevice(), again, { mac: GIVEN_BY_MAKER }), EXPORTER),
  )
  await fleet.registry.change(first.grant.principalId, { profile: 'SEC-3' })
  for (const state of ['active', 'removed'] as const) {
    await fleet.registry.change(first.grant.principalId, { state })
    const token = await createToken(fleet, { name: `camera-${state}` })
    const request = joinRequest(createDevice(), token, { mac: GIVEN_BY_MAKER })
    assertRefused(
      await fleet.joins.join(request, EXPORTER),
      'KOS_ENROLMENT_FLOOR',
      'floor/device-record',
    )
  }
})

test('no address, one that no maker gave, and agents of the machine are no second record', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = accepted(
    await fleet.joins.join(
      joinRequest(createDevice(), await createToken(fleet), { mac: GIVEN_BY_MAKER }),
      EXPORTER,
    ),
  )
  await fleet.registry.change(grant.principalId, { profile: 'SEC-3' })
  const others = [
    { name: 'a', kind: 'device', mac: new Uint8Array(6) },
    { name: 'b', kind: 'device', mac: Uint8Array.of(2, 0x11, 0x22, 0x33, 0x44, 0x55) },
    { name: 'c', kind: 'agent', mac: GIVEN_BY_MAKER },
  ] as const
  for (const { name, kind, mac } of others) {
    const token = await createToken(fleet, { name, kind })
    accepted(await fleet.joins.join(joinRequest(createDevice(), token, { mac }), EXPORTER))
  }
})
