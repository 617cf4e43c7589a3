/** Lost sessions that wait for another connection: bounded, and dropped with their peer. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { IncomingCall } from '../../../../src/network/session/incoming-call.ts'
import { createResumption } from '../../../../src/network/session/index.ts'
import { resumePair, type ResumePair } from '../../../kit/resume-pair.ts'
import { testPeer } from '../../../kit/session-pair.ts'

function seenBy(ends: ResumePair): IncomingCall[] {
  const seen: IncomingCall[] = []
  ends.pair.listener.onCall = (call) => void seen.push(call)
  return seen
}

describe('what waits', () => {
  test('is bounded: the oldest goes first', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    for (let index = 0; index < 5; index += 1) {
      ends.pair.dialler.call(String(index))
      ends.pair.pump()
      ends.cut('listener')
      if (index < 4) ends.connect({ resumption: { listener: ends.stores.listener } })
      else break
    }
    // The dialler of later connections does not wait, so the listener keeps the first only.
    assert.equal(ends.stores.listener.size, 1)
    assert.ok(seen.length > 0)
  })

  test('of one peer and in all', () => {
    const { clock, stores } = resumePair()
    const park = (store: typeof stores.listener, id: string, name: string): void =>
      store.park({
        sessionId: id,
        role: 'listener',
        peer: testPeer(name).facts,
        own: [],
        peers: { calls: [], lastStream: 0, unbegun: [] },
        resumeMs: 1000,
      })
    for (const id of ['a', 'b', 'c', 'd', 'e']) park(stores.listener, id, 'one')
    assert.equal(stores.listener.size, 4)
    assert.equal(stores.listener.claim('a', testPeer('one').facts), undefined)
    assert.ok(stores.listener.claim('e', testPeer('one').facts))
    const small = createResumption({ clock }, { maxSessions: 2 })
    for (const [id, name] of [
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'three'],
    ] as const) {
      park(small, id, name)
    }
    assert.equal(small.size, 2)
    assert.equal(small.claim('a', testPeer('one').facts), undefined)
  })

  test('is dropped with its peer, and at the end', () => {
    const ends = resumePair()
    const seen = seenBy(ends)
    const call = ends.pair.dialler.call('a')
    ends.pair.pump()
    ends.cut()
    const uri = testPeer('dialler').principal.uri
    assert.equal(
      ends.stores.listener.drop(({ principal }) => principal.uri !== uri),
      0,
    )
    assert.equal(
      ends.stores.listener.drop(({ principal }) => principal.uri === uri),
      1,
    )
    assert.equal(seen[0]?.signal.reason, 'KOS_SESSION_CLOSED')
    ends.stores.dialler.close()
    assert.equal(call.result?.status === 'failed' && call.result.rule, 'resume: peer')
  })
})
