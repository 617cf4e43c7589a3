/** An authority was restored while a member was away; what that one alone knew counts when it comes. */
import assert from 'node:assert/strict'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { connected, eventually } from '../kit/fabric.ts'
import { backUp, lose, restore, world } from '../kit/lost-authority.ts'

const MINUTE_MS = 60_000

test('one that was away brings what nobody else knew: a lock, and its own certificate', async (context) => {
  const all = await world(context, ['lamp', 'gate'])
  const { fabric } = all
  const [lamp, gate] = fabric.nodes
  assert.ok(lamp && gate)
  await backUp(all)
  // Neither of them hears of what comes now.
  await lamp.running.stop()
  await gate.running.stop()
  const late = await fabric.addNode('late')
  assert.equal((await fabric.kosctl(['lock', 'lamp', '--reason', 'stolen'])).code, 0)
  const { locks } = late.running.member.fabric
  const { uri } = lamp.running.member.membership.principal
  await eventually(() => locks.isLocked(uri))
  await late.running.stop()
  await lose(all)
  await restore(all)
  const members = fabric.startAuthority({ recovery: { waitMs: MINUTE_MS } })
  const passing = setInterval(() => fabric.clock.advance(5000), 50)
  const back = await gate.restart().finally(() => clearInterval(passing))
  await members
  assert.deepEqual(fabric.authority.recovered, { adopted: 0, renewed: 0, locked: 0, unknown: 0 })
  assert.ok(!back.running.member.fabric.locks.isLocked(uri))

  const again = await late.restart()
  assert.ok(again.running.link.isConnected)
  const devices = (await fabric.kosctl(['devices'])).out
  assert.match(devices, /late .*connected/)
  assert.match(devices, /lamp .*locked/)
  await eventually(
    () => back.running.member.fabric.locks.isLocked(uri),
    'the lock is in force again',
  )
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '100'])
  assert.match(audit.out, /locks\.recover.*member\.adopt/s)
  const unlocked = await fabric.kosctl(['unlock', 'lamp'])
  assert.equal(unlocked.code, 0, unlocked.err)
  await eventually(() => !back.running.member.fabric.locks.isLocked(uri))
})

test('a machine that was set back without a restore is told to ask its members', async (context) => {
  const { fabric } = await world(context, ['lamp', 'gate'])
  const [, gate] = fabric.nodes
  assert.ok(gate)
  await fabric.stopAuthority()
  const snapshot = `${fabric.stateFolder}.snapshot`
  cpSync(fabric.stateFolder, snapshot, { recursive: true })
  await fabric.startAuthority()
  await Promise.all(fabric.nodes.map(connected))
  assert.equal((await fabric.kosctl(['lock', 'lamp', '--reason', 'stolen'])).code, 0)
  const held = gate.running.member.fabric
  await eventually(() => held.locks.current?.value.principals.length === 1)
  await fabric.stopAuthority()
  rmSync(fabric.stateFolder, { recursive: true })
  renameSync(snapshot, fabric.stateFolder)

  const starting = fabric.startAuthority({ recovery: { waitMs: MINUTE_MS, isForced: true } })
  const isToldSo = async (): Promise<boolean> => {
    const { code, err } = await fabric.kosctl(['devices'])
    return code === 4 && err.includes('does not serve yet. (KOS_NODE_AUTHORITY_RESTORED)')
  }
  await eventually(isToldSo, 'it says that it does not serve yet')
  const passing = setInterval(() => fabric.clock.advance(5000), 50)
  await starting.finally(() => clearInterval(passing))
  await eventually(() => held.bundle.era === 2)
  assert.equal(fabric.authority.recovered?.locked, 1)
  assert.match((await fabric.kosctl(['devices'])).out, /lamp .*locked/)
})
