/** One reading of time per turn, and none that outlives its turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sessionPair } from '../../../kit/session-pair.ts'

test('a call after idle time gets its whole deadline', () => {
  const pair = sessionPair()
  const seen: (() => void)[] = []
  pair.listener.onCall = (call) => {
    seen.push(() => pair.listener.machine.respond(call, { status: 'ok', value: 1 }))
  }
  const first = pair.dialler.call('a')
  pair.pump()
  seen.pop()?.()
  pair.pump()
  assert.equal(first.result?.status, 'ok')
  pair.clock.advance(20_000)
  const second = pair.dialler.call('b')
  pair.pump()
  pair.clock.advance(20)
  pair.dialler.machine.tick()
  pair.listener.machine.tick()
  const isOpen = second.result === undefined
  assert.ok(isOpen)
  seen.pop()?.()
  pair.pump()
  assert.equal(second.result?.status, 'ok')
})
