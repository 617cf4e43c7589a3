/** One credential replaced or taken back, of everybody who has one; nobody loses who they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../../../../src/foundation/base/index.ts'
import { parseCertificate, parseCrl } from '../../../../src/foundation/codec/index.ts'
import type { CredentialView } from '../../../../src/apps/authority/index.ts'
import { openMember } from '../../../../src/apps/node/index.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  connected,
  eventually,
  type Ran,
  startFabric,
  type TestFabric,
  type TestNode,
} from '../../../kit/fabric.ts'
import { joinSensor } from '../../../kit/sensor.ts'

const generationOf = ({ running }: TestNode): number => running.member.membership.generation
const refusedBy = (ran: Ran): string | undefined => /rule {4}(\S+)/.exec(ran.err)?.[1]

function ownGeneration({ clock, operator }: TestFabric, folder: string = operator): number {
  const member = openMember({ clock, random: systemRandom }, { folder })
  assert.ok(member)
  member.close()
  return member.membership.generation
}

async function reported(fabric: TestFabric, kind: string): Promise<readonly CredentialView[]> {
  const ran = await fabric.kosctl(['credentials', 'report', '--json', '--kind', kind])
  return JSON.parse(ran.out) as CredentialView[]
}

test('a new key and certificate: the own, of a node that is there, away or stopped', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  const run = (...args: readonly string[]): Promise<Ran> => fabric.kosctl(['credentials', ...args])

  const own = await run('rotate')
  assert.deepEqual([own.code, own.err], [0, ''])
  assert.match(own.out, /^generation +2$/m)
  assert.equal(ownGeneration(fabric), 2)

  // Calls that run are not lost: the session goes on in a new one.
  const asked = await run('rotate', 'camera-1')
  assert.deepEqual([asked.code, asked.out], [0, 'asked  camera-1, certificate\n'])
  await eventually(() => generationOf(camera) === 2, 'camera-1 renewed')
  const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+1'])
  assert.equal(exec.out, '2\n')
  // Its folder is the daemon's while that runs.
  const busy = await run('rotate', '--state', camera.folder)
  assert.match(busy.err, /KOS_NODE_IN_USE/)

  // Away: asked when it is back, also by an authority that was started anew; once.
  await camera.running.stop()
  const later = await run('rotate', 'camera-1', '--json')
  assert.deepEqual(JSON.parse(later.out), { kind: 'certificate', delivered: false })
  await fabric.stopAuthority()
  await fabric.startAuthority()
  const back = await camera.restart()
  await eventually(() => generationOf(back) === 3, 'camera-1 renewed after its absence')
  await back.running.stop()
  const again = await back.restart()
  assert.equal(generationOf(again), 3)
  await again.running.stop()
  assert.equal((await run('rotate', '--state', camera.folder)).code, 0)
  assert.equal(ownGeneration(fabric, camera.folder), 4)

  // A sensor gets its key inside its session; a person and a locked device are not asked.
  const sensor = await joinSensor(fabric, 'sensor-1')
  const waiting = await run('rotate', 'sensor-1')
  assert.equal(waiting.out, 'not connected: its pre-shared key is rotated when it is back\n')
  const states = (await reported(fabric, 'psk')).map(({ generation, state }) => [generation, state])
  assert.deepEqual(
    states.toSorted(([a], [b]) => Number(a) - Number(b)),
    [
      [1, 'superseded'],
      [2, 'waiting'],
    ],
  )
  const device = await sensor.start()
  context.after(() => device.stop())
  await eventually(
    async () => (await reported(fabric, 'psk')).every(({ state }) => state === 'active'),
    'the sensor uses its second key alone',
  )
  assert.equal(refusedBy(await run('rotate', 'olga')), 'rotate/user')
  await fabric.kosctl(['lock', 'camera-1', '--reason', 'x'])
  assert.equal(refusedBy(await run('rotate', 'camera-1')), 'rotate/locked')
  assert.equal((await run('rotate', 'camera-1', '--state', 'x')).code, 2)
})

test('taken back: by serial number, handle, token, or all that somebody has', async (context) => {
  const crl = { listen: { host: '127.0.0.1', port: 0 }, isPortFixed: false }
  const fabric = await startFabric(context, { authority: { crl } })
  const camera = await fabric.addNode('camera-1')
  const revoke = (id: string, ...more: readonly string[]): Promise<Ran> =>
    fabric.kosctl(['credentials', 'revoke', id, ...more])
  const serialOf = ({ running }: TestNode): string =>
    parseCertificate(running.member.membership.leaf).serialHex
  const listed = (): ReadonlySet<string> => {
    const [name = ''] = fabric.authority.crl?.names ?? []
    const { revoked } = parseCrl(readFileSync(join(fabric.stateFolder, 'crl', `${name}.crl`)))
    return new Set(revoked.keys())
  }

  // All of a node's: it is cut off, comes back by its identity key, and stays who it is.
  const first = serialOf(camera)
  const all = await revoke('camera-1', '--reason', 'backup stolen')
  assert.deepEqual([all.code, all.out], [0, 'revoked  certificate of camera-1\n'])
  await eventually(() => generationOf(camera) === 2, 'camera-1 has another certificate')
  await connected(camera)
  assert.ok(listed().has(first))
  assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '2'])).out, '2\n')

  // One certificate, the one in use.
  const second = serialOf(camera)
  assert.equal((await revoke(second)).out, 'revoked  certificate of camera-1\n')
  const state = (await reported(fabric, 'certificate')).find(({ id }) => id === second)?.state
  assert.equal(state, 'revoked')
  await eventually(() => generationOf(camera) === 3, 'camera-1 has a third certificate')
  assert.deepEqual([listed().has(first), listed().has(second)], [true, true])
  await connected(camera)

  // A person's: the next command renews, and nobody notices.
  const { otto = '', vera = '' } = await fabric.addUsers({ otto: ['operator'], vera: ['viewer'] })
  assert.equal((await fabric.kosctl(['devices'], { config: vera })).code, 0)
  assert.equal((await revoke('vera')).out, 'revoked  certificate of vera\n')
  assert.deepEqual((await fabric.kosctl(['devices'], { config: vera })).err, '')
  assert.equal(ownGeneration(fabric, vera), 2)
  await fabric.kosctl(['lock', 'vera', '--reason', 'lost'])
  const locked = await fabric.kosctl(['devices'], { config: vera })
  assert.equal(refusedBy(locked), 'guard/viewer/certificate')
  const byOperator = ['credentials', 'revoke', 'olga']
  assert.equal(refusedBy(await fabric.kosctl(byOperator, { config: otto })), 'guard/admin/user')
  assert.equal((await revoke('olga')).code, 0)
  assert.equal((await fabric.kosctl(['devices'])).err, '')

  // Tokens and keys.
  const [token] = await reported(fabric, 'api-token')
  assert.match((await revoke(token?.id ?? '')).out, /^revoked {2}api-token of /)
  await fabric.kosctl(['token', 'create', '--name', 'camera-2'])
  const [line] = await reported(fabric, 'join-token')
  assert.equal((await revoke(line?.id ?? '')).out, 'revoked  join-token\n')
  assert.deepEqual(await reported(fabric, 'join-token'), [])
  await joinSensor(fabric, 'sensor-1')
  const [key] = await reported(fabric, 'psk')
  assert.equal(refusedBy(await revoke('sensor-1')), 'revoke/psk')
  const sold = await revoke(key?.id ?? '', '--reason', 'sensor sold')
  assert.equal(sold.out, 'revoked  psk of sensor-1\n')
  assert.deepEqual(await reported(fabric, 'psk'), [])
  assert.equal(refusedBy(await revoke(key?.id ?? '')), 'credential/unknown')
  assert.equal(refusedBy(await revoke('nobody')), 'credential/unknown')
  const log = await fabric.kosctl(['audit', 'tail', '--json'])
  assert.match(log.out, /credential\.revoke/)
  assert.match(log.out, /sensor sold/)
})
