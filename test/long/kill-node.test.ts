/**
 * Scenario: a node is killed at fifty random moments while it is called and renamed, and 25 others
 * while they join. Each comes back, its log verifies and continues what was durable before, nothing it
 * handed to the authority is missing from it, and no device is there twice.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openMember } from '../../src/apps/node/index.ts'
import { systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { forwardedIndexes, leafHashes, queryFile, verifyNodeLog } from '../kit/log-files.ts'
import { openPeerClient } from '../kit/peer-client.ts'
import { Place } from '../kit/processes.ts'
import { createTestRandom } from '../kit/random.ts'

const KILLS = 50
const RENAME_EVERY = 10
const LONGEST_MS = 400
const JOINS = 25
/** A join is over by then, unless the machine is busy with other things. */
const LONGEST_JOIN_MS = 900
/** Between two devices: all of them share one address, and the gates take five connections a second. */
const PAUSE_MS = 800
const SEED = 20_261_128

test(`fifty kills of a node lose nothing (seed ${SEED})`, async (context) => {
  const place = new Place(context)
  const random = createTestRandom(String(SEED))
  await place.startAuthority()
  let node = await place.join('camera-1')
  const [device] = await place.devices()
  assert.ok(device)
  const file = join(place.stateOf('camera-1'), 'node.sqlite')
  // The operator's own copy of the directory holds the node's address from now on.
  await place.done('exec', 'camera-1', 'calc', '1')
  let name = 'camera-1'
  let answered = 0
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const work = callUntilItBreaks(place, device.id)
    await sleep(random.fraction() * LONGEST_MS)
    const durable = leafHashes(file)
    await node.kill()
    answered += await work
    if (kill % RENAME_EVERY === 0) {
      await place.done('devices', 'rename', name, `renamed-${kill}`)
      name = `renamed-${kill}`
    }
    node = await place.startNode('camera-1')
    assert.deepEqual(leafHashes(file).slice(0, durable.length), durable, 'what was durable stays')
    await check(place, device.id)
  }
  assert.ok(answered > 0, 'calls were answered')
  assert.equal(await place.done('exec', name, 'calc', '1+2'), '3\n')
  await place.eventually('all of its log has been forwarded', () => {
    const indexes = forwardedIndexes(authorityFile(place), device.id)
    return indexes.length >= leafHashes(file).length
  })
  await check(place, device.id)
  await checkAuthority(place)
  const after = await place.devices()
  assert.deepEqual(
    after.map((one) => [one.id, one.name, one.generation]),
    [[device.id, name, device.generation]],
  )
})

function authorityFile(place: Place): string {
  return join(place.stateOf('authority'), 'authority.sqlite')
}

/** Calls one after the other; each answer must be the right one. */
async function callUntilItBreaks(place: Place, peer: string): Promise<number> {
  let answered = 0
  try {
    const client = await openPeerClient(place.config, peer)
    try {
      for (;;) {
        const result = await client.call('calc', { expression: `${answered}+1` })
        if (result.status !== 'ok') return answered
        assert.deepEqual({ ...(result.value as object) }, { value: answered + 1 })
        answered += 1
      }
    } finally {
      await client.close()
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return answered
  }
}

/** What the authority took in is a gap-free part of what the node holds, and the node's log is sound. */
async function check(place: Place, deviceId: string): Promise<void> {
  const folder = place.stateOf('camera-1')
  const verification = await verifyNodeLog(folder)
  assert.deepEqual([verification.ok, verification.firstBad], [true, undefined])
  const indexes = forwardedIndexes(authorityFile(place), deviceId)
  assert.deepEqual(
    indexes,
    indexes.map((_, index) => index),
  )
  assert.ok(indexes.length <= leafHashes(join(folder, 'node.sqlite')).length)
}

/** Its log verifies, and no member ever contradicted what it had forwarded before. */
async function checkAuthority(place: Place): Promise<void> {
  await place.verifyAudit()
  const alarms = (await place.audit()).filter(({ code }) => code?.startsWith('KOS_AUDIT_'))
  assert.deepEqual(alarms, [])
}

test(`${JOINS} kills in joining make no device twice (seed ${SEED})`, async (context) => {
  const place = new Place(context)
  const random = createTestRandom(`join ${SEED}`)
  await place.startAuthority()
  const names = Array.from({ length: JOINS }, (_, index) => `camera-${index}`)
  let joinedBefore = 0
  for (const name of names) {
    const line = await place.joinLine(name)
    const killed = place.launchNode(name, { line })
    await sleep(random.fraction() * LONGEST_JOIN_MS)
    await killed.kill()
    if (killed.out.includes('joined')) joinedBefore += 1
    // The same line, however far it had come.
    const node = await place.startNode(name, { line })
    await node.stop()
    assert.equal((await verifyNodeLog(place.stateOf(name))).ok, true)
    await sleep(PAUSE_MS)
  }
  context.diagnostic(`${joinedBefore} of ${JOINS} had joined when they were killed`)

  const devices = await place.devices()
  assert.deepEqual(devices.map(({ name }) => name).toSorted(), names.toSorted())
  const sql = "SELECT principal_id, der FROM certificate WHERE principal_id LIKE 'kdev-%'"
  const issued = queryFile(authorityFile(place), sql)
  assert.equal(issued.length, JOINS, 'one certificate each')
  for (const { id, name } of devices) {
    const { der } = issued.find((row) => row['principal_id'] === id) ?? {}
    assert.deepEqual(Buffer.from(der as Uint8Array), leafOf(place.stateOf(name)))
  }
  await checkAuthority(place)
})

/** The certificate that a node keeps. */
function leafOf(folder: string): Buffer {
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  assert.ok(member)
  member.close()
  return Buffer.from(member.membership.leaf)
}
