/** A token that was revoked is used on, and a revoked session goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toBase64Url } from '../../src/foundation/base/index.ts'
import { connected, signRawRequest, startFabric } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor, sendWith } from '../kit/signed.ts'

interface Listed {
  readonly handle: string
  readonly kind: string
  readonly principal: string
}

test('a revoked token is refused at once, also after a restart', async (context) => {
  const fabric = await startFabric(context)
  const users = await fabric.addUsers({ vera: ['viewer'], otto: ['operator'] })
  const { vera = '', otto = '' } = users
  const token = await fabric.token(vera)
  const { port } = fabric.authority.api
  const use = (): ReturnType<typeof fabric.request> => {
    const headers = signRawRequest(LISTING, { token, port, clock: fabric.clock })
    return fabric.request({ ...LISTING, as: vera, signedBy: 'none', headers })
  }
  assert.equal((await use()).status, 200)
  const handle = toBase64Url(token.handle)
  const end = { method: 'DELETE', path: `/v1/sessions/${handle}` } as const
  // People are admins' business: an operator ends sessions of devices.
  assert.equal((await fabric.request({ ...end, as: otto })).status, 403)
  assert.equal((await use()).status, 200)
  const revoked = await fabric.request({ ...end, as: fabric.operator })
  assert.equal(revoked.status, 200, revoked.text)
  assertRefused(await use(), 'revoked')
  await fabric.stopAuthority()
  await fabric.startAuthority()
  assertRefused(await use(), 'after a restart')
  assert.match(await recordedActor(fabric, 'signature/token-revoked'), /\/user\/vera$/)
})

test('a revoked session is closed', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const { uri } = node.running.member.membership.principal
  const list = async (): Promise<readonly Listed[]> => {
    const { text } = await fabric.request({
      method: 'GET',
      path: '/v1/sessions',
      as: fabric.operator,
    })
    return (JSON.parse(text) as { readonly sessions: readonly Listed[] }).sessions
  }
  const open = (await list()).find(({ kind, principal }) => kind === 'session' && principal === uri)
  assert.ok(open)
  const path = `/v1/sessions/${open.handle}`
  const answer = await fabric.request({ method: 'DELETE', path, as: fabric.operator })
  assert.equal(answer.status, 200, answer.text)
  assert.ok(!(await list()).some(({ handle }) => handle === open.handle))
  const again = await fabric.request({ method: 'DELETE', path, as: fabric.operator })
  assert.equal(again.status, 404)
  // It is a member still, and comes back with a session of its own.
  await connected(node)
  await sendWith(fabric, LISTING, {})
})
