/** A machine in the middle sends a peer its own HELLO and AUTH back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_BYTES, FRAME } from '../../src/network/session/frames.ts'
import { decodeHello, encodeHello } from '../../src/network/session/hello.ts'
import { handshakePair, rawFrame, testPeer } from '../kit/session-pair.ts'

const alice = testPeer('alice')
/** Somebody who is trusted, and whose leaf and identity are those of the victim itself. */
const twins = { dialler: alice, listener: alice }

test('the own HELLO is recognised by its role', () => {
  const { dialler } = handshakePair(twins)
  const { end } = dialler.receive(dialler.start())
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule], ['KOS_SESSION_ROLE', 'hello: role'])
})

test('with the role turned round, by its nonce', () => {
  const { dialler } = handshakePair(twins)
  const hello = decodeHello(dialler.start().subarray(HEADER_BYTES))
  const turned = encodeHello({ ...hello, role: 'listener' })
  const { end } = dialler.receive(rawFrame(FRAME.HELLO, 0, turned))
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule], ['KOS_SESSION_ROLE', 'hello: nonce'])
})

test('the own AUTH does not verify: it is signed for the other role', () => {
  const { dialler, listener } = handshakePair(twins)
  dialler.start()
  const auth = dialler.receive(listener.start()).send
  const { end } = dialler.receive(auth)
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule], ['KOS_SESSION_AUTH', 'binding'])
})
