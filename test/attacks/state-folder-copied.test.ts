/** Attack: the whole state folder of a node is copied, and both copies go on in turn. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { openMember, renewMembership } from '../../src/apps/node/index.ts'
import { connected, eventually, startFabric } from '../kit/fabric.ts'

test('the second copy that renews locks the device out, and it is recorded', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  await camera.running.stop()
  const copy = join(fabric.folder, 'copy')
  cpSync(camera.folder, copy, { recursive: true })
  /** Renews as the daemon of a folder does, and uses what it got. */
  const renew = async (folder: string): Promise<string | undefined> => {
    const member = openMember({ clock: fabric.clock, random: systemRandom }, { folder })
    assert.ok(member)
    try {
      return (await renewMembership(member, { addresses: [] }))?.rule
    } finally {
      member.close()
    }
  }
  assert.equal(await renew(camera.folder), undefined)
  const original = await camera.restart()
  await connected(original)

  assert.equal(await renew(copy), 'generation/older')
  // The one that is connected is cut off at once, and nobody comes back with these keys.
  await eventually(() => !original.running.link.isConnected, 'cut off')
  await original.running.stop()
  assert.equal(await renew(camera.folder), 'principal/state')
  assert.equal(await renew(copy), 'principal/state')
  const shown = await fabric.kosctl(['devices', 'show', 'camera-1', '--json'])
  assert.equal((JSON.parse(shown.out) as { state: string }).state, 'quarantined')
  const unlock = await fabric.kosctl(['unlock', 'camera-1'])
  assert.match(unlock.err, /unlock\/quarantined/)
  const log = await fabric.kosctl(['audit', 'tail', '--json'])
  const compromise = log.out.split('\n').find((line) => line.includes('KOS_ENROLMENT_COPY'))
  assert.match(compromise ?? '', /"action":"lock.add".*"rule":"generation\/older"/)
})
