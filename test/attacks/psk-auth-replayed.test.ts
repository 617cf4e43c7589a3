/** HELLO and AUTH of a sensor, recorded on one connection, are played again on another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pskPair } from '../kit/psk-pair.ts'

function recorded(): { readonly hello: Uint8Array; readonly auth: Uint8Array } {
  const { dialler, listener } = pskPair({ seed: 'recorded' })
  const hello = dialler.start()
  return { hello, auth: dialler.receive(listener.start()).send }
}

test('another TLS session and another HELLO of the listener: the binding differs', () => {
  const { hello, auth } = recorded()
  const { listener } = pskPair({ seed: 'another' })
  listener.start()
  listener.receive(hello)
  const { end, send } = listener.receive(auth)
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule, send.length], ['KOS_SESSION_AUTH', 'binding', 0])
})

test('the same bytes on their own connection are good once: a second AUTH is no frame of READY', () => {
  const { dialler, listener } = pskPair()
  const hello = dialler.start()
  const auth = dialler.receive(listener.start()).send
  listener.receive(hello)
  assert.equal(listener.receive(auth).end, undefined)
  const { end } = listener.receive(auth)
  assert.ok(end && 'allow' in end)
  assert.equal(end.code, 'KOS_SESSION_PROTOCOL')
})
