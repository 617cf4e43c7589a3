/** The state folder of a sensor is copied: two machines hold one key. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CROWD, startFabric } from '../kit/fabric.ts'
import { alarms, eventually, joinSensor, machineOf, startSensor } from '../kit/sensor.ts'

test('the second machine is refused, and an alarm is recorded', async (context) => {
  const fabric = await startFabric(context, { authority: { admission: CROWD } })
  const sensor = await joinSensor(fabric, 'sensor-1')
  const copy = join(fabric.folder, 'copy')
  cpSync(sensor.folder, copy, { recursive: true })
  const first = await sensor.start(machineOf('a'))
  context.after(() => first.stop())
  await eventually(() => first.sessions.size === 1)
  const second = await startSensor(fabric, copy, machineOf('b'))
  context.after(() => second.stop())
  await eventually(async () => (await alarms(fabric)).includes('psk: second machine'))
  assert.equal(second.sessions.size, 0)
  assert.equal(first.sessions.size, 1)
})

test('a machine that comes back is no second one', async (context) => {
  const fabric = await startFabric(context, { authority: { admission: CROWD } })
  const sensor = await joinSensor(fabric, 'sensor-1')
  const first = await sensor.start(machineOf('a'))
  await eventually(() => first.sessions.size === 1)
  await first.stop()
  const again = await sensor.start(machineOf('a'))
  context.after(() => again.stop())
  await eventually(() => again.sessions.size === 1)
  assert.deepEqual(await alarms(fabric), [])
})
