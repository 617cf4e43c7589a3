/** An AUTH that was good on one connection is played again on another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestClock } from '../kit/clock.ts'
import { createTestRandom } from '../kit/random.ts'
import { handshakePair, testAuthenticator, testExporter, testPeer } from '../kit/session-pair.ts'
import { HandshakeMachine } from '../../src/network/session/handshake-machine.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import { PROFILES } from '../../src/foundation/profiles/index.ts'

const [alice, bob] = [testPeer('alice'), testPeer('bob')]

/** A listener of its own TLS session and its own randomness. */
function listener(seed: string): HandshakeMachine {
  return new HandshakeMachine(
    {
      clock: createTestClock(),
      random: createTestRandom(seed),
      authenticator: testAuthenticator(bob, [alice]),
    },
    {
      role: 'listener',
      transport: PROFILES['SEC-2'],
      peerLeafDer: alice.leafDer,
      localLeafHash: bob.leafHash,
      exporter: testExporter(),
      state: { updateCounter: 0 },
      limits: SESSION_LIMITS,
    },
  )
}

/** HELLO and AUTH of a real dialler, recorded on the way to a real listener. */
function recorded(): { readonly hello: Uint8Array; readonly auth: Uint8Array } {
  const { dialler, listener: real } = handshakePair({ dialler: alice, listener: bob })
  const hello = dialler.start()
  return { hello, auth: dialler.receive(real.start()).send }
}

test('on a connection with another HELLO of the listener', () => {
  const { hello, auth } = recorded()
  const victim = listener('another')
  victim.start()
  victim.receive(hello)
  const { end, send } = victim.receive(auth)
  assert.ok(end && 'allow' in end)
  assert.deepEqual([end.code, end.rule], ['KOS_SESSION_AUTH', 'binding'])
  assert.equal(send.length, 0)
})

test('against another HELLO of its own', () => {
  const { auth } = recorded()
  // The same listener as in the recording, to the byte; only the dialler's HELLO is fresh.
  const { listener: victim } = handshakePair({ dialler: alice, listener: bob })
  const fresh = new HandshakeMachine(
    {
      clock: createTestClock(),
      random: createTestRandom('fresh'),
      authenticator: testAuthenticator(alice, [bob]),
    },
    {
      role: 'dialler',
      transport: PROFILES['SEC-2'],
      peerLeafDer: bob.leafDer,
      localLeafHash: alice.leafHash,
      exporter: testExporter(),
      state: { updateCounter: 0 },
      limits: SESSION_LIMITS,
    },
  )
  victim.start()
  victim.receive(fresh.start())
  const { end } = victim.receive(auth)
  assert.ok(end && 'allow' in end && end.rule === 'binding')
})
