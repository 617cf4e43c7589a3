/** The body is changed under its digest, or the digest with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentDigest } from '../../src/foundation/codec/index.ts'
import { startFabric } from '../kit/fabric.ts'
import { assertRefused, recordedActor, sendWith, signatureOf } from '../kit/signed.ts'

const bodyFor = (name: string): Buffer =>
  Buffer.from(JSON.stringify({ name, kind: 'device', profile: 'SEC-2', lifeMs: 60_000 }))
const CREATE = { method: 'POST', path: '/v1/tokens' }

test('another body is refused, whatever its digest says', async (context) => {
  const fabric = await startFabric(context)
  const honest = { ...CREATE, body: bodyFor('camera-1') }
  const changed = { ...CREATE, body: bodyFor('backdoor') }
  const headers = await signatureOf(fabric, honest)
  assertRefused(await sendWith(fabric, changed, headers), 'body alone')
  const redone = { ...headers, 'content-digest': contentDigest(changed.body) }
  assertRefused(await sendWith(fabric, changed, redone), 'body and digest')
  const { 'content-digest': digest = '', ...bare } = headers
  assertRefused(await sendWith(fabric, changed, bare), 'no digest')
  const twice = { ...headers, 'content-digest': [digest, contentDigest(changed.body)] }
  assertRefused(await sendWith(fabric, changed, twice), 'two digests')
  assertRefused(await sendWith(fabric, { ...CREATE, method: 'POST' }, headers), 'no body')
  for (const rule of ['digest', 'mac', 'missing', 'duplicated', 'components']) {
    await recordedActor(fabric, `signature/${rule}`)
  }
  // None of it used up the nonce of the honest request.
  assert.equal((await sendWith(fabric, honest, headers)).status, 201)
  const { out } = await fabric.kosctl(['token', 'list', '--json'])
  assert.doesNotMatch(out, /backdoor/)
})
