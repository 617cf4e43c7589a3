/**
 * A clock that was put a day ahead would refuse every peer as ended, and accept what is not valid yet.
 * The node says so and does not serve, and its join token is not used up.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { eventually, joinFolder, startFabric } from '../kit/fabric.ts'
import { createJumpClock } from '../kit/jump-clock.ts'

const DAY_MS = 86_400_000
const AHEAD = {
  code: 'KOS_NODE_CLOCK',
  message: 'The clock of this machine is ahead of the authority’s.',
}

test('joining with a clock ahead is refused before the token is used', async (context) => {
  const fabric = await startFabric(context)
  const line = await fabric.joinLine('camera-1')
  const folder = join(fabric.folder, 'camera-1')
  // A day: the authority's certificate has ended. Ten minutes: it has not, but no session would hold.
  for (const aheadMs of [DAY_MS + 60_000, 600_000]) {
    const clock = createJumpClock(aheadMs)
    await assert.rejects(joinFolder({ folder, line, clock }), (error: Error) => {
      assert.ok('code' in error && 'details' in error)
      const { aheadSeconds } = error.details as { aheadSeconds: number }
      assert.ok(Math.abs(aheadSeconds - aheadMs / 1000) <= 5)
      return error.code === AHEAD.code && error.message === AHEAD.message
    })
  }
  assert.ok(!isRefusal(await joinFolder({ folder, line, clock: fabric.clock })))
})

test('a joined node whose clock was put ahead does not start', async (context) => {
  const fabric = await startFabric(context)
  const clock = createJumpClock()
  let node = await fabric.addNode('camera-1', { clock })
  // Its certificate has not ended by its own clock, then it has.
  for (const aheadMs of [3_600_000, DAY_MS + 60_000]) {
    await node.running.stop()
    clock.setWallOffset(aheadMs)
    await assert.rejects(node.restart(), AHEAD)
    clock.setWallOffset(0)
    node = await node.restart()
  }
})

test('a running node whose clock was put ahead says so', async (context) => {
  const events: string[] = []
  const log = {
    event: (name: string, fields?: object): void =>
      void events.push(`${name} ${JSON.stringify(fields)}`),
  }
  const fabric = await startFabric(context)
  const clock = createJumpClock()
  const node = await fabric.addNode('camera-1', { clock, log })
  clock.setWallOffset(DAY_MS)
  await fabric.stopAuthority()
  await fabric.startAuthority()
  await eventually(() => events.includes('clock.not-compared {"code":"KOS_NODE_CLOCK"}'))
  assert.equal(node.running.link.isConnected, false)
})

test('an operator’s command with a clock ahead says so', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  const clock = createJumpClock(DAY_MS + 60_000)
  for (const args of [['devices'], ['exec', 'camera-1', 'calc', '1+2']]) {
    const ran = await fabric.kosctl(args, { clock })
    assert.equal(ran.code, 1)
    assert.match(ran.err, /KOS_NODE_CLOCK/)
  }
  const doctor = await fabric.kosctl(['doctor'], { clock })
  assert.match(doctor.out, /failed .* clock .* 864\d\d s ahead of the authority/)
})
