/** A member rewrites its history, signs it with its genuine keys, and forwards it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { startRogueLog } from '../kit/rogue-log.ts'

test('a rewritten log is an alarm for good, also after the member and the authority went on', async (context) => {
  const fabric = await startFabric(context)
  const { history, forward } = await startRogueLog(context, fabric, 'camera-9')
  const honest = await history('a', 'incriminating', 'c')
  assert.equal((await forward(await honest.unforwarded())).status, 'ok')
  const rewritten = await history('a', 'harmless', 'c', 'd')
  const batch = await rewritten.unforwarded()
  const refused = await forward(batch)
  assert.deepEqual(refused.status !== 'ok' && [refused.code, refused.rule], [
    'KOS_AUDIT_FORK',
    'entry 1',
  ])
  // The part behind what was forwarded fits no better: the signed root is another one.
  const tail = await forward({ ...batch, first: 3, entries: batch.entries.slice(3) })
  assert.notEqual(tail.status, 'ok')
  const alarm = /ALARM +camera-9: its log contradicts what it forwarded before, from entry 1 on/
  const standing = async (): Promise<void> => {
    for (const command of ['members', 'verify']) {
      const { err, code } = await fabric.kosctl(['audit', command])
      assert.match(err, alarm)
      assert.equal(code, 5)
    }
  }
  await standing()
  // Going back to the honest log does not undo it.
  await honest.append({ type: 'call', actor: '-', target: '-', action: 'd', outcome: 'ok' })
  await honest.flush()
  await honest.markForwarded(3)
  assert.equal((await forward(await honest.unforwarded())).status, 'ok')
  await standing()
  await fabric.stopAuthority()
  await fabric.startAuthority()
  await standing()
  // Nor does the removal of the member.
  assert.equal((await fabric.kosctl(['devices', 'remove', 'camera-9'])).code, 0)
  const { err, code } = await fabric.kosctl(['audit', 'members'])
  assert.match(err, /ALARM +kdev-\w{26}: its log contradicts/)
  assert.equal(code, 5)
})

test('an older copy of a log is an alarm', async (context) => {
  const fabric = await startFabric(context)
  const { history, forward } = await startRogueLog(context, fabric, 'camera-9')
  const log = await history('a', 'b')
  const older = await log.unforwarded()
  await log.append({ type: 'call', actor: '-', target: '-', action: 'c', outcome: 'ok' })
  await log.flush()
  assert.equal((await forward(await log.unforwarded())).status, 'ok')
  assert.equal((await forward(older)).status, 'ok')
  const { err, out, code } = await fabric.kosctl(['audit', 'members'])
  assert.match(err, /ALARM +camera-9: its log ends before entry 2, but it had forwarded more/)
  assert.match(out, /^camera-9 +device +alarm +3 +0 /m)
  assert.equal(code, 5)
})
