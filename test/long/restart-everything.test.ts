/** Scenario: everything is stopped and started again; nothing is lost and nobody joins twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DeviceLine, Place } from '../kit/processes.ts'

/** What must not change by a restart. */
function lasting(devices: readonly DeviceLine[]): readonly unknown[] {
  return devices.map((device) => [
    device.id,
    device.uri,
    device.kind,
    device.name,
    device.generation,
    device.identityKeyHash,
    device.addresses,
  ])
}

test('a restart of everything changes nothing', async (context) => {
  const place = new Place(context)
  const authority = await place.startAuthority()
  const nodes = [await place.join('camera-1'), await place.join('camera-2')]
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  const devices = lasting(await place.devices())
  await place.verifyAudit()
  const audit = await place.audit()

  for (const node of nodes) await node.stop()
  await authority.stop()

  // Nodes first: they serve without their authority, and find it when it is back.
  await place.startNode('camera-1')
  await place.startNode('camera-2')
  assert.equal(await place.done('exec', 'camera-2', 'calc', '2+3'), '5\n')
  const again = await place.startAuthority()
  assert.doesNotMatch(again.out, /^(?:operator|next)/m)
  await place.connected('camera-1', 'camera-2')

  assert.deepEqual(lasting(await place.devices()), devices)
  assert.equal(await place.done('exec', 'camera-1', 'calc', '3+4'), '7\n')
  const continued = await place.audit()
  assert.ok(continued.length > audit.length)
  assert.deepEqual(continued.slice(0, audit.length), audit)
  // It also proves that the log continues what this operator saw before the restart.
  await place.verifyAudit()
})
