/** A signed request is sent again, by whoever can: at once, over another connection, after a restart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { assertRefused, recordedActor, sendWith, signatureOf } from '../kit/signed.ts'

const body = Buffer.from(
  JSON.stringify({ name: 'camera-1', kind: 'device', profile: 'SEC-2', lifeMs: 60_000 }),
)
const CREATE = { method: 'POST', path: '/v1/tokens', body }

test('a request is taken once, and no restart makes it new', async (context) => {
  const fabric = await startFabric(context)
  const headers = await signatureOf(fabric, CREATE)
  assert.equal((await sendWith(fabric, CREATE, headers)).status, 201)
  assertRefused(await sendWith(fabric, CREATE, headers), 'again')
  await fabric.stopAuthority()
  await fabric.startAuthority()
  assertRefused(await sendWith(fabric, CREATE, headers), 'after a restart')
  assert.match(await recordedActor(fabric, 'signature/replayed'), /\/user\/olga$/)
  // The nonce is what was used up, not the token.
  assert.equal((await sendWith(fabric, CREATE, await signatureOf(fabric, CREATE))).status, 409)
})

test('of many at once exactly one is taken', async (context) => {
  const fabric = await startFabric(context)
  const headers = await signatureOf(fabric, CREATE)
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => sendWith(fabric, CREATE, headers)),
  )
  const taken = answers.filter(({ status }) => status === 201)
  assert.equal(taken.length, 1)
  for (const answer of answers) if (answer.status !== 201) assertRefused(answer, 'parallel')
})
