/** Attack: a program ignores every signal it can. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, processesWith, until } from '../kit/sandbox.ts'

test('a cancelled program that ignores signals is killed', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const controller = new AbortController()
  const running = sandbox.script('trap "" TERM INT HUP QUIT; echo; while :; do sleep 86396; done', {
    signal: controller.signal,
    onStdout: async () => controller.abort(),
  })
  const ended = await running
  assert.deepEqual([ended.reason, ended.signal, ended.exitCode], ['cancelled', 'SIGKILL', null])
  await until('its child is gone', () => processesWith('86396').length === 0)
})

test('one that was cancelled before it began never ends well', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const ended = await sandbox.script('sleep 86395', { signal: AbortSignal.abort() })
  assert.deepEqual([ended.reason, ended.signal], ['cancelled', 'SIGKILL'])
})
