/** `kosctl sessions`: what is open, by whom, and its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionView } from '../../../../src/apps/authority/index.ts'
import { connected, startFabric } from '../../../kit/fabric.ts'

test('sessions and tokens are listed and revoked', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const { uri } = node.running.member.membership.principal
  const list = async (): Promise<readonly SessionView[]> => {
    const { code, out } = await fabric.kosctl(['sessions', '--json'])
    assert.equal(code, 0)
    return JSON.parse(out) as readonly SessionView[]
  }
  const all = await list()
  const session = all.find(({ principal }) => principal === uri)
  const token = all.find(({ kind }) => kind === 'api')
  assert.ok(session && token)
  assert.deepEqual([session.kind, session.source], ['session', '127.0.0.1'])
  assert.match(token.principal, /\/user\/olga$/)
  assert.ok(token.expiresAt > token.createdAt && token.lastUsedAt !== undefined)

  const table = await fabric.kosctl(['sessions', 'list'])
  assert.match(table.out, /^HANDLE +KIND +PRINCIPAL +SOURCE +CREATED +EXPIRES +LAST USE\n/)
  assert.match(table.out, new RegExp(`${session.handle} +session +${uri} .* open`))

  const gone = await fabric.kosctl(['sessions', 'revoke', session.handle])
  assert.deepEqual([gone.code, gone.out], [0, 'revoked\n'])
  assert.ok(!(await list()).some(({ handle }) => handle === session.handle))
  await connected(node)
  // Its own token: the answer comes, and the next command asks for another one.
  const own = await fabric.kosctl(['sessions', 'revoke', token.handle, '--json'])
  assert.deepEqual(JSON.parse(own.out), { revoked: token.handle })
  const left = await list()
  assert.ok(left.length > 0 && !left.some(({ handle }) => handle === token.handle))

  const unknown = await fabric.kosctl(['sessions', 'revoke', '-nobody'])
  assert.equal(unknown.code, 3)
  assert.match(unknown.err, /KOS_AUTHORITY_NOT_FOUND/)
})

test('who has no right to look is refused', async (context) => {
  const fabric = await startFabric(context)
  const { anna = '' } = await fabric.addUsers({ anna: [] })
  const ran = await fabric.kosctl(['sessions'], { config: anna })
  assert.equal(ran.code, 3)
  assert.match(ran.err, /KOS_AUTHORITY_GUARD/)
})
