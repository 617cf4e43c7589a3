/**
 * Attack: somebody changes what a profile demands: by a file that others can write, by one with an unknown
 * module, or by a module that would open something.
 */
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeErrors } from '../../src/apps/node/index.ts'
import { startFabric, type TestFabric } from '../kit/fabric.ts'

function fileOf(fabric: TestFabric, profiles: unknown, mode = 0o600): string {
  const path = join(fabric.folder, 'enforcement.json')
  writeFileSync(path, JSON.stringify({ version: 1, profiles }))
  chmodSync(path, mode)
  return path
}

const NEVER = { module: 'witness' }

test('a file that others could write, or with an unknown module, keeps the daemon from starting', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  const start = (enforcementFile: string): Promise<void> =>
    fabric.startAuthority({ enforcementFile })
  const refusedBy = (pattern: RegExp) => (error: unknown) => {
    assert.ok(nodeErrors.has(error))
    assert.equal(error.code, 'KOS_NODE_ENFORCEMENT')
    assert.match(String(error.details['rule']), pattern)
    return true
  }
  for (const mode of [0o620, 0o602, 0o666]) {
    const path = fileOf(fabric, { 'SEC-2': [NEVER] }, mode)
    await assert.rejects(start(path), refusedBy(/can be written/))
  }
  const unknown = fileOf(fabric, { 'SEC-2': [NEVER, { module: 'allow-everything' }] })
  await assert.rejects(start(unknown), refusedBy(/unknown allow-everything/))
  await assert.rejects(start(join(fabric.folder, 'none.json')), refusedBy(/does not exist/))
  // Nothing of it is left behind.
  await fabric.startAuthority()
  assert.equal(fabric.authority.enforcement, 'none')
})

test('a module can refuse what policy allows, and never allow what policy refuses', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const calc = (): Promise<{ code: number; err: string }> =>
    fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.equal((await calc()).code, 0)
  const { nora = '' } = await fabric.addUsers({ nora: [] })
  const closed = await node.restart({
    enforcementFile: fileOf(fabric, { 'SEC-2': [NEVER], 'SEC-3': [NEVER] }),
  })
  const refused = await calc()
  assert.equal(refused.code, 3)
  assert.match(refused.err, /rule {4}witness\/no-witness\n {2}code {4}KOS_PIPELINE_ENFORCED/)
  // What holds the fabric together goes on: the node has its session and takes locks.
  assert.equal(closed.running.link.isConnected, true)
  assert.equal(closed.running.enforcement, 'SEC-2: witness (call); SEC-3: witness (call)')

  const windows = [{ from: '00:00', until: '24:00' }]
  await closed.restart({
    enforcementFile: fileOf(fabric, { 'SEC-2': [{ module: 'time-window', windows }] }),
  })
  assert.equal((await calc()).code, 0)
  const stranger = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'], { config: nora })
  assert.equal(stranger.code, 3)
  assert.match(stranger.err, /KOS_POLICY_NOT_ALLOWED/)
})

test('an authority says what is in force, records it, and refuses by it', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  const allow = ['127.0.0.1/32']
  await fabric.startAuthority({
    enforcementFile: fileOf(fabric, {
      'SEC-0': [{ module: 'source-network', allow }],
      'SEC-2': [{ module: 'fips-provider' }],
    }),
  })
  const doctor = await fabric.kosctl(['doctor'])
  assert.match(
    doctor.out,
    /enforcement +SEC-0: source-network \(admission\); SEC-2: fips-provider \(handshake\)/,
  )
  assert.match(doctor.out, /cryptographic module +(?:not in use|validated module in use)$/m)
  const log = await fabric.kosctl(['audit', 'tail', '--all', '--json'])
  assert.match(log.out, /enforcement\.load/)
})
