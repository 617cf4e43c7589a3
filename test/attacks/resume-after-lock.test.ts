/**
 * The connection of a device is lost while a call runs, then the device is locked: what was kept for a
 * RESUME is dropped, and a new connection that would bring it back is refused.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { eventually, startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'
import { startTcpProxy } from '../kit/tcp-proxy.ts'

test('a connection that was lost before the lock cannot be resumed after it', async (context) => {
  const fabric = await startFabric(context)
  let started = 0
  const aborted: string[] = []
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
  const proxy = await startTcpProxy(context, {
    host: '127.0.0.1',
    to: peer.address,
    holdAfterBytes: Number.MAX_SAFE_INTEGER,
  })
  const thief = await startRogue(context, fabric, { name: 'thief', resumes: true })
  const peerUri = peer.member.membership.principal.uri
  const open = await thief.runtime.dial({ host: '127.0.0.1', port: proxy.port }, peerUri)
  assert.ok(!isRefusal(open))
  const call = open.session.call('slow', {}, { deadlineMs: 60_000 })
  await eventually(() => started === 1, 'a running call')
  proxy.refuse(true)
  proxy.release()
  await open.session.closed
  assert.deepEqual(aborted, [], 'the call waits for another connection')

  assert.equal((await fabric.kosctl(['lock', 'thief', '--reason', 'stolen'])).code, 0)
  const camera = await fabric.addNode('camera-1')
  const list = camera.running.member.fabric.locks.current
  assert.ok(list)
  peer.member.fabric.apply('locks', list.signed)
  assert.ok(peer.runtime.recheckSessions() >= 1, 'what was parked is dropped')
  await eventually(() => aborted.length === 1, 'the handler is told')
  assert.ok(isRefusal(await thief.runtime.dial(peer.address, peerUri)))
  fabric.clock.advance(61_000)
  assert.equal((await call).status, 'failed')
  assert.equal(started, 1)
})
