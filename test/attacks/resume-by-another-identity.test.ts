/** Somebody learned the id of a lost session and wants its calls: a genuine peer, but not the one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_SESSION } from '../../src/network/session/resume-codec.ts'
import { nameOf, resumeAdversary, resumePair } from '../kit/resume-pair.ts'
import { testPeer } from '../kit/session-pair.ts'

const END = { sessionId: NO_SESSION, stream: 0, offset: 0 }

for (const [title, dialler] of [
  ['another principal', testPeer('mallory')],
  [
    'the same principal with another identity key',
    {
      ...testPeer('mallory'),
      principal: testPeer('dialler').principal,
      own: { ...testPeer('mallory').own, principal: testPeer('dialler').principal },
      facts: {
        ...testPeer('dialler').facts,
        identityKeyHash: testPeer('mallory').facts.identityKeyHash,
        tlsKeyHash: testPeer('mallory').facts.tlsKeyHash,
      },
    },
  ],
] as const) {
  for (const state of ['lost', 'alive'] as const) {
    test(`${title} gets nothing of a session that is ${state}, and takes nothing away`, () => {
      const ends = resumePair()
      const call = ends.pair.dialler.call('a')
      ends.pair.pump()
      const [running] = ends.pair.listener.calls
      assert.ok(running)
      if (state === 'lost') ends.cut()
      const enemy = resumeAdversary(ends, { dialler })
      const name = nameOf(running)
      enemy.resume([0, { ...name, stream: 0, offset: 0 }], [1, { ...name, offset: 0 }], [0, END])
      assert.deepEqual(enemy.shown(), ['1 failed KOS_SESSION_LOST resume: session', '22 0'])
      assert.equal(running.signal.aborted, false)
      // The rightful peer goes on.
      if (state === 'lost') ends.connect().pump()
      running.home.respond(running, { status: 'ok', value: 'secret' })
      ends.pair.pump()
      assert.deepEqual(call.result, { status: 'ok', value: 'secret', origin: 'peer' })
      assert.deepEqual(enemy.shown(), [])
    })
  }
}
