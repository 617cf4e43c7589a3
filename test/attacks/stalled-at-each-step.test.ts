/** A peer stops in the middle of the handshake and holds the connection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HandshakePair, handshakePair } from '../kit/session-pair.ts'

const STEPS: readonly (readonly [string, (pair: HandshakePair) => void])[] = [
  ['hello', () => undefined],
  ['hello', ({ dialler, listener }) => void listener.receive(dialler.start().subarray(0, 20))],
  ['auth', ({ dialler, listener }) => void listener.receive(dialler.start())],
  [
    'auth',
    ({ dialler, listener }) => {
      const hello = dialler.start()
      listener.receive(hello)
      const auth = dialler.receive(handshakePair().listener.start()).send
      listener.receive(auth.subarray(0, 50))
    },
  ],
  [
    'ready',
    (pair) => {
      const hello = pair.dialler.start()
      const auth = pair.dialler.receive(handshakePair().listener.start()).send
      pair.listener.receive(Buffer.concat([hello, auth]))
    },
  ],
]

for (const [index, [state, act]] of STEPS.entries()) {
  test(`step ${index}: waiting for ${state.toUpperCase()} ends after 3 s`, () => {
    const pair = handshakePair()
    pair.listener.start()
    act(pair)
    pair.clock.advance(2999)
    assert.equal(pair.listener.tick(pair.clock.monotonicMs()).end, undefined)
    pair.clock.advance(1)
    const { end, send } = pair.listener.tick(pair.clock.monotonicMs())
    assert.ok(end && 'allow' in end)
    assert.deepEqual([end.code, end.rule], ['KOS_SESSION_TIMEOUT', `handshake: ${state}`])
    assert.equal(send.length, 0)
  })
}

test('a byte now and then does not prolong it', () => {
  const pair = handshakePair()
  pair.listener.start()
  const hello = pair.dialler.start()
  for (let at = 0; at < 29; at += 1) {
    pair.clock.advance(100)
    assert.equal(pair.listener.receive(hello.subarray(at, at + 1)).end, undefined)
    assert.equal(pair.listener.tick(pair.clock.monotonicMs()).end, undefined)
  }
  pair.clock.advance(100)
  assert.ok(pair.listener.tick(pair.clock.monotonicMs()).end)
})
