/**
 * A device has a certificate of the fabric, and the HTTP API is on the network: it tries to do what
 * operators do, over the API and over its session.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const TOKEN = { name: 'mine', kind: 'device', profile: 'SEC-2', lifeMs: 60_000 }

test('the certificate of a device opens no route of operators', async (context) => {
  const fabric = await startFabric(context)
  const device = await fabric.addNode('camera-1')
  await fabric.addNode('camera-2')
  const attempts = [
    { method: 'GET', path: '/v1/principals' },
    { method: 'POST', path: '/v1/tokens', body: json(TOKEN) },
    { method: 'DELETE', path: '/v1/principals/camera-2' },
    { method: 'PATCH', path: '/v1/principals/camera-1', body: json({ groups: ['admins'] }) },
    { method: 'PUT', path: '/v1/manifest', body: json({ manifest: '{}' }) },
    { method: 'GET', path: '/v1/audit' },
  ]
  for (const attempt of attempts) {
    const answer = await fabric.request({ ...attempt, as: device.folder })
    assert.deepEqual([answer.status, answer.code], [403, 'KOS_AUTHORITY_GUARD'], attempt.path)
  }
  // No header makes anybody somebody else.
  const headers = {
    'x-forwarded-client-cert': 'URI=spiffe://kos.internal/user/olga',
    'x-client-cert': 'olga',
    'x-http-method-override': 'GET',
    authorization: 'Bearer admin',
  }
  const claimed = await fabric.request({
    method: 'POST',
    path: '/v1/tokens',
    body: json(TOKEN),
    as: device.folder,
    headers,
  })
  assert.equal(claimed.status, 403)
  // All of it is recorded under the name of the device.
  const { uri } = device.running.member.membership.principal
  for (const { method, path } of attempts) {
    const route = `${method} ${path.replace(/camera-\d/, ':name')}`
    await eventually(async () => {
      const { out } = await fabric.kosctl(['audit', 'tail', '--count', '200', '--json'])
      const line = out.split('\n').find((text) => text.includes(`"action":"${route}"`))
      return line?.includes(uri) === true
    }, route)
  }
})

test('a session of a device reaches no command but those of members', async (context) => {
  const fabric = await startFabric(context)
  const rogue = await startRogue(context, fabric, { name: 'rogue' })
  for (const command of ['fabric.push.notice', 'token.create', 'system.status', 'fabric.admin.x']) {
    const result = await rogue.authority.session.call(command, { kinds: ['locks'] })
    assert.equal(result.status, 'refused', command)
  }
  // What it says of itself is taken for itself only, and as an address only.
  const report = await rogue.authority.session.call('fabric.node.report', {
    addresses: ['not an address'],
  })
  assert.equal(report.status, 'refused')
})
