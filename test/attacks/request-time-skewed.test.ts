/** Requests signed for later, or kept for later: a date more than 30 s away is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, unixMs } from '../../src/foundation/base/index.ts'
import { signRawRequest, startFabric } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor, sendWith } from '../kit/signed.ts'

test('dates in the future and in the past are refused, each with its rule', async (context) => {
  const fabric = await startFabric(context)
  const token = await fabric.token(fabric.operator)
  const { port } = fabric.authority.api
  const at = (offsetMs: number): Readonly<Record<string, string>> => {
    const wallMs = (): ReturnType<Clock['wallMs']> => unixMs(fabric.clock.wallMs() + offsetMs)
    return signRawRequest(LISTING, { token, port, clock: { ...fabric.clock, wallMs } })
  }
  for (const offsetMs of [31_500, 3_600_000]) {
    assertRefused(await sendWith(fabric, LISTING, at(offsetMs)), `${offsetMs}`)
  }
  for (const offsetMs of [-31_500, -3_600_000]) {
    assertRefused(await sendWith(fabric, LISTING, at(offsetMs)), `${offsetMs}`)
  }
  await recordedActor(fabric, 'signature/future')
  await recordedActor(fabric, 'signature/old')
  assert.equal((await sendWith(fabric, LISTING, at(20_000))).status, 200)
  assert.equal((await sendWith(fabric, LISTING, at(-20_000))).status, 200)
  // One that was held back.
  const held = at(0)
  fabric.clock.advance(31_500)
  assertRefused(await sendWith(fabric, LISTING, held), 'held back')
})

test('a client whose clock is wrong signs by the time of the authority', async (context) => {
  const fabric = await startFabric(context)
  const clock: Clock = {
    wallMs: () => unixMs(fabric.clock.wallMs() - 300_000),
    monotonicMs: () => fabric.clock.monotonicMs(),
    after: (delayMs, run) => fabric.clock.after(delayMs, run),
  }
  const ran = await fabric.kosctl(['devices', '--json'], { clock })
  assert.equal(ran.code, 0, ran.err)
})
