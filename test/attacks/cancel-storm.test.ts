/** Calls are opened and cancelled by the hundred: every handler is told, once, and nothing is left. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallRequest } from '../../src/foundation/pipeline/index.ts'
import type { SessionCallOutcome } from '../../src/network/session/index.ts'
import { authenticatedPeer, createTestExecutor } from '../kit/calls.ts'
import { testCommand } from '../kit/commands.ts'
import { startTlsSessions, until } from '../kit/tls-sessions.ts'

const OPENS = { opens: { perSecond: 1e6, burst: 1e6 }, resets: { perSecond: 1e6, burst: 1e6 } }

/** Handlers that run until they are told to stop. */
function waiting(): {
  readonly told: Map<string, number>
  running: number
  readonly onCall: (call: CallRequest) => Promise<SessionCallOutcome>
} {
  const state = {
    told: new Map<string, number>(),
    running: 0,
    onCall: (call: CallRequest): Promise<SessionCallOutcome> => {
      state.running += 1
      const { promise, resolve } = Promise.withResolvers<SessionCallOutcome>()
      call.signal.addEventListener('abort', () => {
        state.running -= 1
        state.told.set(call.callId, (state.told.get(call.callId) ?? 0) + 1)
        resolve({ status: 'failed', code: 'KOS_SESSION_CANCELLED' })
      })
      void call.emit?.(new Uint8Array(100_000))
      return promise
    },
  }
  return state
}

for (const streams of [false, true]) {
  test(`of ${streams ? 'streams' : 'calls'}: every handler is told once`, async (context) => {
    const handlers = waiting()
    const onCall = { listener: handlers.onCall }
    const sessions = await startTlsSessions(context, { onCall, limits: OPENS })
    const { dialler, listener } = await sessions.connect()
    const results: Promise<string>[] = []
    for (let round = 0; round < 10; round += 1) {
      const controllers = Array.from({ length: 50 }, () => new AbortController())
      for (const { signal } of controllers) {
        const onData = streams ? { onData: (): void => undefined } : {}
        const call = dialler.call('wait', null, { signal, deadlineMs: 60_000, ...onData })
        results.push(call.then((result) => (result.status === 'ok' ? 'ok' : result.code)))
      }
      await until('handlers run', () => handlers.running === 50)
      for (const controller of controllers) controller.abort()
      // The own limiter spreads RESETs, so that a storm is no flood to the peer: time lets them out.
      await until('handlers are told', () => {
        sessions.clock.advance(200)
        return handlers.running === 0
      })
      await until('nothing is left', () => {
        sessions.clock.advance(20)
        return dialler.stats?.callsOpen === 0 && listener.stats?.callsOpen === 0
      })
    }
    const codes = new Set(await Promise.all(results))
    assert.deepEqual([...codes], ['KOS_SESSION_CANCELLED'])
    assert.deepEqual([handlers.told.size, new Set(handlers.told.values()).size], [500, 1])
    const stats = listener.stats
    assert.deepEqual([stats?.streamBytesWaiting, stats?.bytesWaiting], [0, 0])
    assert.ok((stats?.streamBytesKept ?? 0) <= 1024 * 1024)
  })
}

test('cancelled before, while and after a command runs: its signal is aborted, its place is free', async (context) => {
  const aborted: string[] = []
  const command = testCommand(
    ({ signal, callId }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.push(callId)
          resolve({})
        })
      }),
  )
  const { executor, clock } = createTestExecutor([command])
  const peer = authenticatedPeer()
  const onCall = { listener: (call: CallRequest) => executor.execute(peer, call) }
  const sessions = await startTlsSessions(context, { onCall, limits: OPENS })
  const { dialler } = await sessions.connect()
  const early = AbortSignal.abort()
  const never = await dialler.call('test.run', { value: 1 }, { signal: early })
  assert.equal(never.status === 'failed' && never.code, 'KOS_SESSION_CANCELLED')
  assert.equal(executor.runningCalls, 0)
  const controllers = Array.from({ length: 40 }, () => new AbortController())
  const calls = controllers.map(({ signal }) => dialler.call('test.run', { value: 1 }, { signal }))
  await until('commands run', () => executor.runningCalls > 0)
  await until('all do', () => executor.runningCalls === 40)
  for (const controller of controllers) {
    controller.abort()
    controller.abort()
  }
  await Promise.all(calls)
  await until('every place is free', () => executor.runningCalls === 0)
  assert.equal(new Set(aborted).size, 40)
  assert.equal(aborted.length, 40)
  assert.ok(clock)
})
