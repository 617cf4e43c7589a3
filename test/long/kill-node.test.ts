/**
 * Scenario: a node is killed at fifty random moments while it is called. It comes back each time, its
 * log verifies, and nothing it handed to the authority is missing from it.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { forwardedIndexes, leafHashes, verifyNodeLog } from '../kit/log-files.ts'
import { openPeerClient } from '../kit/peer-client.ts'
import { Place } from '../kit/processes.ts'
import { createTestRandom } from '../kit/random.ts'

const KILLS = 50
const CHECK_EVERY = 10
const LONGEST_MS = 400
const SEED = 20_261_128

test(`fifty kills of a node lose nothing (seed ${SEED})`, async (context) => {
  const place = new Place(context)
  const random = createTestRandom(String(SEED))
  await place.startAuthority()
  let node = await place.join('camera-1')
  const [device] = await place.devices()
  assert.ok(device)
  // The operator's own copy of the directory holds the node's address from now on.
  await place.done('exec', 'camera-1', 'calc', '1')
  let answered = 0
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const work = callUntilItBreaks(place)
    await new Promise((resolve) => setTimeout(resolve, random.fraction() * LONGEST_MS))
    await node.kill()
    answered += await work
    node = await place.startNode('camera-1')
    if (kill % CHECK_EVERY === 0) await check(place, device.id)
  }
  assert.ok(answered > 0, 'calls were answered')
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  await place.connected('camera-1')
  await check(place, device.id)
  await place.verifyAudit()
  const after = await place.devices()
  assert.deepEqual(
    after.map(({ id, generation }) => [id, generation]),
    [[device.id, device.generation]],
  )
})

/** Calls one after the other; each answer must be the right one. */
async function callUntilItBreaks(place: Place): Promise<number> {
  let answered = 0
  try {
    const client = await openPeerClient(place.config, 'camera-1')
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
  const indexes = forwardedIndexes(join(place.stateOf('authority'), 'authority.sqlite'), deviceId)
  assert.deepEqual(
    indexes,
    indexes.map((_, index) => index),
  )
  assert.ok(indexes.length <= leafHashes(join(folder, 'node.sqlite')).length)
}
