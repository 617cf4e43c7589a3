/** Somebody replays old lock lists to an authority that takes what members bring after a restore. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { unixMs } from '../../src/foundation/base/index.ts'
import { encodeOffer } from '../../src/lifecycle/recovery/index.ts'
import { markRestored } from '../../src/apps/authority/restored-mark.ts'
import { eventually, type RawAnswer, startFabric } from '../kit/fabric.ts'

test('a genuine list of before locks nobody again', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('gate')
  const { uri } = (await fabric.addNode('lamp')).running.member.membership.principal
  const { locks } = node.running.member.fabric
  const object = (name: string): Uint8Array => readFileSync(join(node.folder, `${name}.cbor`))
  const offer = (bundle: Uint8Array, list: Uint8Array): Promise<RawAnswer> =>
    fabric.request({
      method: 'POST',
      path: '/v1/recovery',
      body: encodeOffer({ bundle, objects: { 'lock-list': list } }),
      headers: { 'content-type': 'application/cbor' },
    })
  const isLocked = async (): Promise<boolean> =>
    /lamp .*locked/.test((await fabric.kosctl(['devices'])).out)

  await fabric.kosctl(['lock', 'lamp', '--reason', 'lost'])
  await eventually(() => locks.isLocked(uri))
  const [bundle, locked] = [object('bundle'), object('locks')]
  await fabric.kosctl(['unlock', 'lamp'])
  await eventually(() => !locks.isLocked(uri))

  // An authority that was never restored takes nothing from anybody.
  const early = await offer(bundle, locked)
  assert.deepEqual(
    [early.status, early.code, early.rule],
    [400, 'KOS_RECOVERY_OFFER', 'not-restored'],
  )
  assert.ok(!(await isLocked()))

  await node.running.stop()
  await fabric.stopAuthority()
  markRestored(fabric.stateFolder, { backupAt: unixMs(1) })
  await fabric.startAuthority({ recovery: { waitMs: 0 } })
  // Older than what was merged: nothing new in it.
  assert.equal((await offer(bundle, locked)).status, 200)
  assert.ok(!(await isLocked()))

  // One of the new era that was replaced since.
  const back = await node.restart()
  await fabric.kosctl(['lock', 'lamp', '--reason', 'lost'])
  await eventually(() => back.running.member.fabric.locks.isLocked(uri))
  const [newBundle, lockedAgain] = [object('bundle'), object('locks')]
  await fabric.kosctl(['unlock', 'lamp'])
  const replayed = await offer(newBundle, lockedAgain)
  assert.deepEqual([replayed.status, replayed.rule], [400, 'lock-list: era'])
  assert.ok(!(await isLocked()))
  // A list of another fleet, and one without the roots.
  const forged = await offer(lockedAgain, lockedAgain)
  assert.match(forged.rule ?? '', /^bundle: /)
})
