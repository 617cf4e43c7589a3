/** A client certificate alone asks the API for something: without a signature nothing is answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor, sendWith, signatureOf } from '../kit/signed.ts'

test('a request without its signature is refused and recorded', async (context) => {
  const fabric = await startFabric(context)
  const signature = await signatureOf(fabric, LISTING)
  const { 'signature-input': input = '', signature: value = '' } = signature
  for (const headers of [{}, { 'signature-input': input }, { signature: value }]) {
    assertRefused(await sendWith(fabric, LISTING, headers), Object.keys(headers).join())
  }
  assert.match(await recordedActor(fabric, 'signature/missing'), /\/user\/olga$/)
  // A change is not made either.
  const body = Buffer.from(JSON.stringify({ name: 'camera-1', profile: 'SEC-2', lifeMs: 60_000 }))
  const change = { method: 'POST', path: '/v1/tokens', body }
  assertRefused(await sendWith(fabric, change, {}), 'a change')
  const { out } = await fabric.kosctl(['token', 'list', '--json'])
  assert.deepEqual(JSON.parse(out), [])
  assert.equal((await sendWith(fabric, LISTING, signature)).status, 200)
})
