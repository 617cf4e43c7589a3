/** Attack: a program that never ends keeps its place for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestClock } from '../kit/clock.ts'
import { openSandbox, processesWith, until } from '../kit/sandbox.ts'

test('a program that never ends is killed at its wall time', async (context) => {
  const clock = createTestClock()
  const sandbox = await openSandbox(context, { clock })
  if (!sandbox) return
  const { promise: started, resolve } = Promise.withResolvers<void>()
  let out = ''
  const running = sandbox.script('echo started; while :; do sleep 86399; done', {
    onStdout: async (bytes) => {
      out += Buffer.from(bytes).toString()
      resolve()
    },
  })
  await started
  clock.advance(60_000)
  const ended = await running
  assert.deepEqual([ended.reason, ended.exitCode, ended.signal], ['wall-time', null, 'SIGKILL'])
  assert.equal(out, 'started\n')
  await until('its child is gone', () => processesWith('86399').length === 0)
  assert.equal(clock.pendingTimers, 0)
})

test('one that only computes ends by its processor time', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const { limits } = sandboxLimits
  const ended = await sandbox.script('while :; do :; done', { limits })
  assert.deepEqual([ended.reason, ended.signal], ['exit', 'SIGXCPU'])
})

const sandboxLimits = {
  limits: {
    wallMs: 60_000,
    cpuSeconds: 1,
    maxOutputBytes: 1024,
    maxMemoryBytes: 256 * 1024 * 1024,
    maxProcesses: 4,
    maxFileBytes: 4096,
    maxOpenFiles: 32,
  },
}
