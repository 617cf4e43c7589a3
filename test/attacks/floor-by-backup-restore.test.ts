/** The authority's state is put back to before a raise, so that a stolen old certificate counts again. */
import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { eventually, startFabric, tlsOf } from '../kit/fabric.ts'
import { dialAs, memberOf, raiseNode, testAppraiser } from '../kit/raised.ts'

test('whoever proves a higher floor brings the registry up; the old certificate dies again', async (context) => {
  const fabric = await startFabric(context, { authority: { evidence: testAppraiser } })
  const node = await fabric.addNode('camera-1')
  const peer = await fabric.addNode('camera-2')
  const stolen = tlsOf(node.folder)
  await fabric.stopAuthority()
  const backup = join(fabric.folder, 'backup')
  const thief = join(fabric.folder, 'thief')
  cpSync(fabric.stateFolder, backup, { recursive: true })
  cpSync(node.folder, thief, { recursive: true })
  await fabric.startAuthority()
  const { member, refusal } = await raiseNode(context, fabric, node)
  assert.equal(refusal, undefined)
  const { uri } = member.membership.principal
  await eventually(() => peer.running.member.fabric.directory.byUri(uri)?.profile === 'SEC-3')
  await fabric.stopAuthority()
  rmSync(fabric.stateFolder, { recursive: true })
  cpSync(backup, fabric.stateFolder, { recursive: true })
  await fabric.startAuthority()
  // Peers hold newer signed objects and remember: they refuse, whatever the authority says now.
  const old = dialAs(context, memberOf(context, fabric, thief))
  const to = peer.running.member.membership.principal.uri
  assert.ok(isRefusal(await old.dial(peer.running.address, to)))
  // The raised device proves what it is by the certificate that this authority issued.
  const client = await member.connectAuthority(5000)
  await client.request('GET', '/v1/objects')
  client.close()
  const shown = await fabric.kosctl(['devices', 'show', 'camera-1'])
  assert.match(shown.out, /kOS-SEC-3/)
  const refused = await fabric.request({
    method: 'GET',
    path: '/v1/objects',
    identity: stolen,
    signedBy: fabric.operator,
  })
  assert.equal(refused.status, 403)
  const audit = await fabric.kosctl(['audit', 'tail', '--json'])
  assert.match(audit.out, /floor\/registry-behind/)
})
