/** Both ends of a pre-shared key can make the same MAC: a peer gets its own AUTH back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME, HEADER_BYTES } from '../../src/network/session/frames.ts'
import { decodeHello, encodeHello } from '../../src/network/session/hello.ts'
import { pskPair } from '../kit/psk-pair.ts'
import { rawFrame } from '../kit/session-pair.ts'

test('the own AUTH is made for the other role', () => {
  const { dialler, listener } = pskPair()
  dialler.start()
  const auth = dialler.receive(listener.start()).send
  const { end } = dialler.receive(auth)
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule], ['KOS_SESSION_AUTH', 'binding'])
})

test('the listener does not take its own either', () => {
  const { dialler, listener } = pskPair()
  listener.start()
  const auth = listener.receive(dialler.start()).send
  const { end, send } = listener.receive(auth)
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule, send.length], ['KOS_SESSION_AUTH', 'binding', 0])
})

test('the own HELLO with the role turned round is known by its nonce', () => {
  const { dialler } = pskPair()
  const hello = decodeHello(dialler.start().subarray(HEADER_BYTES))
  const turned = encodeHello({ ...hello, role: 'listener' })
  const { end } = dialler.receive(rawFrame(FRAME.HELLO, 0, turned))
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule], ['KOS_SESSION_ROLE', 'hello: nonce'])
})
