/**
 * A locked device tries again, everywhere and at once: by a new session with the authority and with a
 * peer, and by RESUME of the call that the lock cut off. Nothing of it is taken up.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { parseHostPort } from '../../src/apps/node/index.ts'
import { eventually, startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'

test('a locked device finds every door closed, and its lost call is not resumed', async (context) => {
  const fabric = await startFabric(context)
  const aborted: string[] = []
  let started = 0
  const peer = await startRogue(context, fabric, {
    name: 'peer',
    resumes: true,
    onCall: ({ command, callId, signal }) => {
      if (command.startsWith('fabric.')) return { status: 'ok', value: {} }
      started += 1
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.push(callId)
          resolve({ status: 'failed', code: 'KOS_TEST_STOPPED' })
        })
      })
    },
  })
  // Its calls wait for another connection when theirs is lost, and it dials again by itself.
  const thief = await startRogue(context, fabric, { name: 'thief', resumes: true })
  const peerUri = peer.member.membership.principal.uri
  const open = await thief.runtime.dial(peer.address, peerUri)
  assert.ok(!isRefusal(open))
  const call = open.session.call('slow', {}, { deadlineMs: 60_000 })
  await eventually(() => started === 1, 'a running call')

  assert.equal((await fabric.kosctl(['lock', 'thief', '--reason', 'stolen'])).code, 0)
  await thief.authority.session.closed
  const camera = await fabric.addNode('camera-1')
  const list = camera.running.member.fabric.locks.current
  assert.ok(list)
  assert.equal(peer.member.fabric.apply('locks', list.signed), 'newer')
  // The live session ends; nothing of it is parked for a RESUME.
  assert.equal(peer.runtime.recheckSessions(), 1)
  assert.equal((await call).status, 'failed')
  await eventually(() => aborted.length === 1, 'the handler is told')
  assert.equal(peer.runtime.recheckSessions(), 0)

  const at = parseHostPort(thief.member.membership.session)
  const authority = thief.member.fabric.directory.byName('authority')
  assert.ok(at && authority)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    assert.ok(isRefusal(await thief.runtime.dial(peer.address, peerUri)))
    assert.ok(isRefusal(await thief.runtime.dial(at, authority.uri)))
  }
  // The other way round: nobody calls it either.
  const { address, member } = thief
  assert.ok(isRefusal(await peer.runtime.dial(address, member.membership.principal.uri)))
  assert.equal(started, 1)
})
