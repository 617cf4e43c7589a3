/**
 * A device that was removed keeps keys and a certificate that has not ended. Its open sessions end at
 * the authority and at peers, and its certificate is refused everywhere from then on.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import {
  createPeerRuntime,
  type Member,
  memberSelf,
  openMember,
  renewMembership,
} from '../../src/apps/node/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import { eventually, joinFolder, startFabric, type TestNode, tlsOf } from '../kit/fabric.ts'

/** Dials a peer as somebody, as a program with that somebody's keys would. */
function dialler(member: Member): ReturnType<typeof createPeerRuntime> {
  return createPeerRuntime(
    {
      clock: member.clock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission({ clock: member.clock, onRefusals: () => undefined }),
      self: memberSelf(member),
    },
    SESSION_LIMITS,
  )
}

const uriOf = (node: TestNode): string => node.running.member.membership.principal.uri

test('a removed device loses its sessions and finds every door closed', async (context) => {
  const fabric = await startFabric(context)
  const removed = await fabric.addNode('camera-1')
  const peer = await fabric.addNode('camera-2')
  const uri = uriOf(removed)
  // It has a session with a peer, one with the authority, and a thief has its keys.
  const presented = tlsOf(removed.folder)
  const runtime = dialler(removed.running.member)
  context.after(() => runtime.close())
  const open = await runtime.dial(peer.running.address, uriOf(peer))
  assert.ok(!isRefusal(open))
  const ofPeer = [...peer.running.sessions].find(
    ({ authenticated }) => authenticated.peer.principal.uri === uri,
  )
  assert.ok(ofPeer)
  const objects = {
    method: 'GET',
    path: '/v1/objects',
    identity: presented,
    signedBy: removed.folder,
  }
  assert.equal((await fabric.request(objects)).status, 200)

  const gone = await fabric.kosctl(['devices', 'remove', 'camera-1'])
  assert.deepEqual([gone.code, gone.out], [0, 'removed  camera-1\n'])

  await open.session.closed
  assert.equal((await ofPeer.session.closed).code, 'KOS_SESSION_CLOSED')
  await eventually(() => !removed.running.link.isConnected)

  // The API, with a certificate that has 24 h to live.
  const refused = await fabric.request(objects)
  assert.deepEqual([refused.status, refused.rule], [403, 'guard/member/certificate'])
  // Renewal, which needs no certificate but the identity key.
  const renewed = await renewMembership(removed.running.member, { addresses: [] })
  assert.ok(isRefusal(renewed))
  assert.equal(renewed.code, 'KOS_ENROLMENT_LOCKED')
  // Sessions: the authority, the peer, and the peer after a restart without the authority.
  const [at = '', port = ''] = removed.running.member.membership.session.split(':')
  const authority = removed.running.member.fabric.directory.byName('authority')
  const dials = [
    () => runtime.dial({ host: at, port: Number(port) }, authority?.uri ?? ''),
    () => runtime.dial(peer.running.address, uriOf(peer)),
  ]
  for (const dial of dials) assert.ok(isRefusal(await dial()))
  // The operator's own calls do not reach it either, though it would answer.
  const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
  assert.match(exec.err, /KOS_CLI_UNKNOWN_PEER/)
  await removed.running.stop()
  await fabric.stopAuthority()
  const folder = peer.folder
  await peer.running.stop()
  const member = openMember({ clock: fabric.clock, random: systemRandom }, { folder })
  assert.ok(member)
  context.after(() => member.close())
  assert.equal(member.fabric.locks.isLocked(uri), true)
  await fabric.startAuthority()
})

test('the name is free again, the keys are not', async (context) => {
  const fabric = await startFabric(context)
  const first = await fabric.addNode('camera-1')
  await fabric.kosctl(['devices', 'remove', 'camera-1'])
  const line = await fabric.joinLine('camera-1')
  await first.running.stop()
  const again = await joinFolder({ folder: first.folder, line, clock: fabric.clock })
  assert.ok(isRefusal(again))
  assert.equal(again.code, 'KOS_ENROLMENT_COPY')
})
