/**
 * Scenario: a process stops dead, as one that swaps or is debugged does. Its kernel goes on to answer
 * for it, so only missing PONGs give it away. The other end cleans up, and all is well when it wakes.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal, systemRandom } from '../../src/foundation/base/index.ts'
import { PROFILES } from '../../src/foundation/profiles/index.ts'
import { parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { startNode } from '../../src/apps/node/index.ts'
import { eventually, joinFolder, startFabric } from '../kit/fabric.ts'
import { createJumpClock, type JumpClock } from '../kit/jump-clock.ts'
import { Place } from '../kit/processes.ts'

const { pingIntervalMs, deadPeerMs } = PROFILES['SEC-2']

/** Lets a silent peer be found out: a ping, then its patience. Wall clocks of both ends stay equal. */
function passDeadPeer(clock: JumpClock): void {
  clock.setWallOffset(-pingIntervalMs)
  clock.advance(pingIntervalMs)
  clock.setWallOffset(-pingIntervalMs - deadPeerMs)
  clock.advance(deadPeerMs)
}

test('a node vanishes from its authority, and comes back', async (context) => {
  const fabric = await startFabric(context)
  const place = new Place(context)
  const listed = async (): Promise<boolean> => {
    const { out } = await fabric.kosctl(['devices', 'show', 'camera-1', '--json'])
    const device = JSON.parse(out) as { connected: boolean; addresses: readonly string[] }
    // A session is there a moment before the addresses that the node tells over it.
    return device.connected && device.addresses.length > 0
  }
  const token = await fabric.kosctl(['token', 'create', '--name', 'camera-1'])
  const node = await place.startNode('camera-1', { line: token.out })
  await place.eventually('the node is connected', listed)

  node.pause()
  assert.equal(await listed(), true)
  passDeadPeer(fabric.clock)
  await place.eventually('the authority gives it up', async () => !(await listed()))

  node.resume()
  await place.eventually('the node is back', listed)
  assert.match(node.err, /authority\.lost/)
  const ran = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual([ran.code, ran.out], [0, '3\n'], ran.err)
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '1000'])
  assert.match(audit.out, /session\.closed/)
})

test('an authority vanishes from its node, which finds it again', async (context) => {
  const place = new Place(context)
  const authority = await place.startAuthority()
  const line = parseJoinLine(await place.joinLine('camera-1'))
  assert.ok(!isRefusal(line))
  const folder = place.stateOf('camera-1')
  const clock = createJumpClock()
  assert.ok(!isRefusal(await joinFolder({ folder, line, clock })))
  const events: string[] = []
  const log = { event: (name: string): void => void events.push(name) }
  const node = await startNode(
    { clock, random: systemRandom, log },
    {
      folder,
      listen: { host: place.host, port: 0 },
      isPortFixed: true,
      advertise: undefined,
      shareFolder: join(folder, 'share'),
    },
  )
  try {
    await eventually(() => node.link.isConnected)

    authority.pause()
    passDeadPeer(clock)
    await eventually(() => !node.link.isConnected)
    assert.equal(node.sessions.size, 0)
    // The kernel of the stopped process takes connections, but nobody answers: each try times out.
    await eventually(() => events.includes('authority.unreachable'))

    authority.resume()
    await eventually(() => node.link.isConnected)
    await place.eventually('the authority knows it', async () =>
      (await place.devices()).some(({ name, connected }) => name === 'camera-1' && connected),
    )
    await place.verifyAudit()
  } finally {
    await node.stop()
  }
})
