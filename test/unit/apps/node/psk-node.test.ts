/** A sensor from its join line to its session, its calls, its new keys and its lock. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFabric } from '../../../kit/fabric.ts'
import { eventually, joinSensor, stolenKey } from '../../../kit/sensor.ts'

interface Shown {
  readonly state: string
  readonly connected: boolean
  readonly profile: string
  readonly generation: number
}

test('a sensor joins, has a session with its authority, and is shown', async (context) => {
  const fabric = await startFabric(context)
  const sensor = await joinSensor(fabric, 'sensor-1')
  assert.equal(sensor.membership.profile, 'SEC-1')
  const node = await sensor.start()
  context.after(() => node.stop())
  const shown = async (): Promise<Shown> =>
    JSON.parse((await fabric.kosctl(['devices', 'show', 'sensor-1', '--json'])).out) as Shown
  await eventually(async () => (await shown()).connected)
  const { profile, generation } = await shown()
  assert.deepEqual([profile, generation, node.listeners.size], ['SEC-1', 1, 0])
  const [open] = node.sessions
  assert.equal(open?.authenticated.peer.principal.kind, 'authority')

  await context.test('its audit log arrives', async () => {
    await eventually(async () => {
      const { out } = await fabric.kosctl(['audit', 'members', '--json'])
      return /"takenIn": [1-9]/.test(out)
    })
  })

  await context.test('nobody dials it, and exec says why', async () => {
    const { code, err } = await fabric.kosctl(['exec', 'sensor-1', 'system.status'])
    assert.notEqual(code, 0)
    assert.match(err, /KOS_CLI_NO_SESSION/)
  })

  await context.test('a new key is taken inside the session, and the old one dies', async () => {
    const before = stolenKey(sensor.folder)
    const { code, out } = await fabric.kosctl(['devices', 'rotate-psk', 'sensor-1'])
    assert.deepEqual([code, out.trim()], [0, 'rotated'])
    await eventually(() =>
      [...node.sessions].some(({ authenticated }) => authenticated.peer.generation === 2),
    )
    assert.notEqual(stolenKey(sensor.folder).handle, before.handle)
    await eventually(async () => {
      const { generation: now, connected } = await shown()
      return now === 2 && connected
    })
  })

  await context.test('a lock ends its session at once', async () => {
    await fabric.kosctl(['lock', 'sensor-1', '--reason', 'lost'])
    await eventually(() => node.sessions.size === 0)
    assert.equal((await shown()).connected, false)
  })
})

test('the root of a key is in no file of the authority in clear', async (context) => {
  const fabric = await startFabric(context)
  const { folder } = await joinSensor(fabric, 'sensor-1')
  const { root } = stolenKey(folder)
  await fabric.stopAuthority()
  for (const name of readdirSync(fabric.stateFolder, { recursive: true, encoding: 'utf8' })) {
    const path = join(fabric.stateFolder, name)
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
    } catch {
      continue
    }
    assert.ok(!root.use((secret) => bytes.includes(secret)), name)
  }
})
