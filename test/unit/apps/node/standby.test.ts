/** While the authority is away, a standby signer answers the nonces of members. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeErrors, type RunningNode } from '../../../../src/apps/node/index.ts'
import { eventually, startFabric } from '../../../kit/fabric.ts'
import { joinSensor } from '../../../kit/sensor.ts'
import { lockAgeMs, offerStandby, passTime, permit, startAlone } from '../../../kit/standby.ts'

const freshBy = ({ member }: RunningNode): string | undefined => member.fabric.locks.freshBy
const isYoung = (node: RunningNode): boolean => lockAgeMs(node) < 12_000

test('a standby keeps the list young, over restarts, until the authority is back', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  const gate = await offerStandby(fabric, 'gate-2')
  const { uri } = gate.running.member.membership.principal
  // Offered is not permitted.
  assert.equal(gate.running.standby?.refusal()?.rule, 'standby/not-permitted')
  await permit(fabric, 'gate-2')
  assert.equal(gate.running.standby?.refusal(), undefined)
  await eventually(() => freshBy(camera.running) === 'authority', 'the word of the authority')
  const status = (): ReturnType<typeof fabric.kosctl> =>
    fabric.kosctl(['exec', 'camera-1', 'system.status', '--json'])
  assert.match((await status()).out, /"locksFreshBy": ?"authority"/)
  const held = camera.running.member.fabric.locks.current?.object.number
  await fabric.stopAuthority()
  await passTime(
    fabric,
    { ms: 60_000, stepMs: 10_000 },
    () => isYoung(camera.running) && isYoung(gate.running),
  )
  assert.deepEqual([freshBy(camera.running), freshBy(gate.running)], [uri, uri])
  assert.match((await status()).out, /"locksFreshBy": ?"gate-2"/)

  // Bundle, directory, list and key are on disk: nothing of it comes from the authority now.
  await Promise.all([camera.running.stop(), gate.running.stop()])
  fabric.clock.advance(20_000)
  const standby = await startAlone(context, { fabric, node: gate }, { standby: true })
  const node = await startAlone(context, { fabric, node: camera })
  await eventually(() => freshBy(node) === uri && freshBy(standby) === uri, 'after a restart')

  // A newer list and another bundle: everything goes back to the authority.
  await fabric.startAuthority()
  await eventually(() => node.link.isConnected && standby.link.isConnected, 'it is back')
  assert.equal((await fabric.kosctl(['lock', 'gate-2', '--reason', 'sold'])).code, 0)
  await eventually(() => freshBy(node) === 'authority', 'its word alone')
  assert.equal(node.member.fabric.locks.current?.object.number, (held ?? 0) + 1)
  await eventually(() => [...node.sessions].length === 1, 'no session with the standby')
})

test('without the flag there is none, and without a certificate there cannot be', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  assert.equal(camera.running.standby, undefined)
  const { folder } = await joinSensor(fabric, 'sensor-1')
  const running = { ...camera.running, address: { host: '127.0.0.1', port: 0 } }
  const sensor = { ...camera, folder, running }
  await assert.rejects(
    startAlone(context, { fabric, node: sensor }, { standby: true }),
    (error) => nodeErrors.has(error) && error.code === 'KOS_NODE_NO_CERTIFICATE',
  )
})
