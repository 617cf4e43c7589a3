/** A token is used after its hour: refused for a while as ended, later as unknown. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { API_TOKEN_LIFE_MS } from '../../src/network/session/index.ts'
import { signRawRequest, startFabric } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor, sendWith } from '../kit/signed.ts'

test('a token that ended signs nothing; its owner gets another before', async (context) => {
  const fabric = await startFabric(context)
  const former = await fabric.token(fabric.operator)
  const { port } = fabric.authority.api
  const sign = (): Readonly<Record<string, string>> =>
    signRawRequest(LISTING, { token: former, port, clock: fabric.clock })
  fabric.clock.advance(API_TOKEN_LIFE_MS - 5 * 60_000)
  assert.equal((await sendWith(fabric, LISTING, sign())).status, 200)
  // Near its end the client has asked for another one by itself.
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
  const next = await fabric.token(fabric.operator)
  assert.notDeepEqual(next.handle, former.handle)
  fabric.clock.advance(5 * 60_000)
  assertRefused(await sendWith(fabric, LISTING, sign()), 'after its end')
  await recordedActor(fabric, 'signature/token-expired')
  // A restart forgets neither.
  await fabric.stopAuthority()
  await fabric.startAuthority()
  assertRefused(await sendWith(fabric, LISTING, sign()), 'after a restart')
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})
