/** A peer tries to negotiate a second time, to change its identity or its terms. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME } from '../../src/network/session/frames.ts'
import { adversary, handshakePair } from '../kit/session-pair.ts'

test('a second HELLO instead of AUTH ends the handshake', () => {
  const { dialler, listener } = handshakePair()
  listener.start()
  const hello = dialler.start()
  assert.equal(listener.receive(hello).end, undefined)
  const { end } = listener.receive(hello)
  assert.ok(end && 'allow' in end && end.rule === 'handshake: unexpected frame 1')
})

test('two HELLOs in one chunk end it too', () => {
  const { dialler, listener } = handshakePair()
  listener.start()
  const hello = dialler.start()
  const { end, send } = listener.receive(Buffer.concat([hello, hello]))
  assert.ok(end && 'allow' in end)
  assert.equal(send.length, 0)
})

for (const [name, type] of [
  ['HELLO', FRAME.HELLO],
  ['AUTH', FRAME.AUTH],
  ['READY', FRAME.READY],
] as const) {
  test(`a ${name} in a session closes it, even sealed, before its SEAL`, () => {
    const enemy = adversary()
    enemy.frame(type, 0, Buffer.of(1))
    const bytes = enemy.sealed()
    enemy.victim.machine.receive(bytes.subarray(0, 10))
    assert.equal(enemy.victim.closed?.rule, 'handshake: again')
  })
}
