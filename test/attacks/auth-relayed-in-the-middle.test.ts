/**
 * A machine in the middle ends TLS on both sides, with leaves the fleet trusts, and carries HELLO and
 * AUTH of two honest peers across. Both TLS sessions have their own exporter.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { handshakePair, pumpHandshake, testExporter, testPeer } from '../kit/session-pair.ts'

test('AUTH does not verify over another TLS session', () => {
  const ends = pumpHandshake(
    handshakePair({ handshake: { listener: { exporter: testExporter('the other session') } } }),
  )
  for (const end of [ends.dialler, ends.listener]) {
    assert.ok(end && isRefusal(end))
    assert.deepEqual([end.code, end.rule], ['KOS_SESSION_AUTH', 'binding'])
  }
})

test('nor when the middle shows another leaf than the peer used', () => {
  const middle = testPeer('middle')
  const ends = pumpHandshake(
    handshakePair({ handshake: { dialler: { localLeafHash: middle.leafHash } } }),
  )
  assert.ok(ends.listener && isRefusal(ends.listener))
  assert.equal(ends.listener.rule, 'binding')
})

test('and no peer gets READY', () => {
  const pair = handshakePair({
    handshake: { listener: { exporter: testExporter('the other session') } },
  })
  const hello = pair.dialler.start()
  const auth = pair.dialler.receive(pair.listener.start()).send
  const { send } = pair.listener.receive(Buffer.concat([hello, auth]))
  assert.equal(send.length, 0)
})
