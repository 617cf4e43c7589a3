/** Somebody without a key guesses handles, or keys of a handle that was overheard. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, Secret } from '../../src/foundation/base/index.ts'
import { CROWD, startFabric, type TestFabric } from '../kit/fabric.ts'
import { alarms, dialWithKey, eventually, joinSensor } from '../kit/sensor.ts'

const GUESS = Secret.take(new Uint8Array(32).fill(1))

/** How TLS ends for a handle with a guessed key, as the dialler sees it. */
async function guessed(fabric: TestFabric, handle: string): Promise<string> {
  const end = await dialWithKey(fabric, { handle, root: GUESS })
  assert.ok(isRefusal(end))
  return `${end.code} ${end.rule}`
}

test('an unknown handle and a wrong key look alike, end in TLS, and cost a penalty', async (context) => {
  // Three failures do not bite yet; more do.
  const admission = { ...CROWD, penaltyThresholdMs: 12_000, penaltyMaxMs: 20_000 }
  const fabric = await startFabric(context, { authority: { admission } })
  const { membership } = await joinSensor(fabric, 'sensor-1')
  const known = membership.psk?.handle ?? ''
  const ends = [
    await guessed(fabric, known),
    await guessed(fabric, 'ffffffffffffffffffffffff'),
    await guessed(fabric, 'no handle at all'),
  ]
  assert.equal(new Set(ends).size, 1, ends.join('\n'))
  assert.match(ends[0] ?? '', /^KOS_TRANSPORT_HANDSHAKE /)
  // In the end the source is not even heard.
  await eventually(async () => (await guessed(fabric, known)).startsWith('KOS_TRANSPORT_UNREACH'))
})

test('a handle travels in clear: who only knows it raises no alarm', async (context) => {
  const fabric = await startFabric(context, { authority: { admission: CROWD } })
  const { membership } = await joinSensor(fabric, 'sensor-1')
  assert.match(await guessed(fabric, membership.psk?.handle ?? ''), /^KOS_TRANSPORT_HANDSHAKE /)
  assert.deepEqual(await alarms(fabric), [])
})
