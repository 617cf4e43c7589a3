/**
 * An operator may enrol devices. A join token must not become a way to more rights: no users, no
 * roles, no authority, no other owner.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { joinFolder, startFabric } from '../kit/fabric.ts'

const GOOD = { name: 'camera-1', kind: 'device', profile: 'SEC-2', lifeMs: 60_000 }

test('a token makes a device or an agent of its creator, without roles', async (context) => {
  const fabric = await startFabric(context)
  const { otto = '' } = await fabric.addUsers({ otto: ['operator'] })
  const create = async (body: unknown): Promise<number> => {
    const request = { method: 'POST', path: '/v1/tokens', as: otto }
    const answer = await fabric.request({ ...request, body: Buffer.from(JSON.stringify(body)) })
    return answer.status
  }
  const attempts: readonly unknown[] = [
    { ...GOOD, kind: 'user' },
    { ...GOOD, kind: 'authority' },
    { ...GOOD, kind: 'service' },
    { ...GOOD, roles: ['admin'] },
    { ...GOOD, owner: 'spiffe://kos.internal/user/olga' },
    { ...GOOD, groups: ['admins, owners'] },
    { ...GOOD, lifeMs: 86_400_000 },
    { ...GOOD, name: 'authority' },
    { ...GOOD, name: 'olga' },
    { ...GOOD, name: 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa' },
    { ...GOOD, __proto__: { roles: ['admin'] }, constructor: { name: 'x' } },
    [GOOD],
    null,
  ]
  for (const attempt of attempts) {
    const status = await create(attempt)
    assert.ok(status >= 400 && status < 500, `${status}: ${JSON.stringify(attempt)}`)
  }

  const made = await fabric.kosctl(['token', 'create', '--name', 'agent-1', '--kind', 'agent'], {
    config: otto,
  })
  assert.equal(made.code, 0)
  const listed = await fabric.kosctl(['token', 'list', '--json'])
  assert.match(listed.out, /"owner": "spiffe:\/\/kos.internal\/user\/otto"/)
  assert.ok(!listed.out.includes(made.out.trim().split('.').at(-1) ?? ''))
})

test('a member that joined has no role, whatever it says when it renews', async (context) => {
  const fabric = await startFabric(context)
  const line = await fabric.joinLine('agent-1', '--kind', 'agent')
  const folder = join(fabric.folder, 'agent-1')
  assert.ok(!isRefusal(await joinFolder({ folder, line, clock: fabric.clock })))
  const shown = await fabric.kosctl(['devices', 'show', 'agent-1', '--json'])
  const { roles, kind } = JSON.parse(shown.out) as { roles: string[]; kind: string }
  assert.deepEqual([roles, kind], [[], 'agent'])
  const answer = await fabric.request({ method: 'GET', path: '/v1/principals', as: folder })
  assert.equal(answer.status, 403)
  // Nor can an operator patch roles in.
  const patch = await fabric.request({
    method: 'PATCH',
    path: '/v1/principals/agent-1',
    as: fabric.operator,
    body: Buffer.from(JSON.stringify({ roles: ['admin'] })),
  })
  assert.equal(patch.status, 400)
})
