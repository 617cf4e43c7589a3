/** The commands of `kosctl` against a real authority and real nodes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../../../kit/fabric.ts'

test('the main job: join, list, call, refuse, verify', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  const devices = await fabric.kosctl(['devices'])
  assert.match(devices.out, /camera-1 .* connected/)
  const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual(exec, { code: 0, out: '3\n', err: '' })
  const read = await fabric.kosctl(['exec', 'camera-1', 'files.read', '/etc/shadow'])
  assert.equal(read.code, 3)
  const verified = await fabric.kosctl(['audit', 'verify'])
  assert.match(verified.out, /verified/)
})
