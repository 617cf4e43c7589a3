/** Somebody with a certificate of their own has stolen the handle and secret of an operator's token. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signRawRequest, startFabric } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor } from '../kit/signed.ts'

test('the token of another is refused, recorded and dead from then on', async (context) => {
  const fabric = await startFabric(context)
  const thief = await fabric.addNode('camera-1')
  const stolen = await fabric.token(fabric.operator)
  const { port } = fabric.authority.api
  const headers = signRawRequest(LISTING, { token: stolen, port, clock: fabric.clock })
  const attempt = { ...LISTING, as: thief.folder, signedBy: 'none', headers }
  assertRefused(await fabric.request(attempt), 'by another key')
  const actor = await recordedActor(fabric, 'signature/token-other-key')
  assert.equal(actor, thief.running.member.membership.principal.uri)
  // Without any certificate it opens nothing either.
  const bare = await fabric.request({ ...LISTING, headers })
  assert.deepEqual([bare.status, bare.rule], [403, 'guard/viewer/certificate-missing'])
  // Who owns it is refused with it too, and asks for another one without being asked.
  const again = signRawRequest(LISTING, { token: stolen, port, clock: fabric.clock })
  const owner = { ...LISTING, as: fabric.operator, signedBy: 'none', headers: again }
  assertRefused(await fabric.request(owner), 'by its owner')
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})

test('whose handle is known, and no secret, loses nothing', async (context) => {
  const fabric = await startFabric(context)
  const thief = await fabric.addNode('camera-1')
  const { handle } = await fabric.token(fabric.operator)
  const own = await fabric.token(thief.folder)
  const { port } = fabric.authority.api
  const forged = signRawRequest(LISTING, { token: { ...own, handle }, port, clock: fabric.clock })
  assertRefused(
    await fabric.request({ ...LISTING, as: thief.folder, signedBy: 'none', headers: forged }),
    'a handle alone',
  )
  await recordedActor(fabric, 'signature/mac')
  assert.equal((await fabric.request({ ...LISTING, as: fabric.operator })).status, 200)
})

test('a token cannot be asked for with a stolen proof', async (context) => {
  const fabric = await startFabric(context)
  const thief = await fabric.addNode('camera-1')
  for (const body of [Buffer.from('x'), Buffer.alloc(0)]) {
    const answer = await fabric.request({
      method: 'POST',
      path: '/v1/session',
      as: thief.folder,
      signedBy: 'none',
      body,
    })
    assert.deepEqual([answer.status, answer.code, answer.rule], [403, 'KOS_SESSION_TOKEN', 'token'])
  }
  await recordedActor(fabric, 'token/identity-signature')
})
