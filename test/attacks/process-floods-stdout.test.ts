/** Attack: a program floods its standard output. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, TEST_LIMITS } from '../kit/sandbox.ts'

test('a program is killed at the limit of its output, and no more than that is kept', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const maxOutputBytes = 50_000
  const limits = { ...TEST_LIMITS, maxOutputBytes }
  const ended = await sandbox.script('exec yes', { limits })
  assert.deepEqual([ended.reason, ended.signal, ended.truncated], ['output', 'SIGKILL', true])
  assert.equal(ended.stdout.length, maxOutputBytes)
  let seen = 0
  const streamed = await sandbox.script('exec yes', {
    limits,
    onStdout: async (bytes) => {
      seen += bytes.length
      await Promise.resolve()
    },
  })
  assert.deepEqual([streamed.reason, streamed.truncated], ['output', true])
  assert.deepEqual([streamed.stdout.length, seen], [0, maxOutputBytes])
})

test('output of exactly the limit is whole', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const limits = { ...TEST_LIMITS, maxOutputBytes: 1000 }
  const whole = await sandbox.script('head -c 1000 /dev/zero', { limits })
  assert.deepEqual([whole.reason, whole.truncated, whole.stdout.length], ['exit', false, 1000])
  const more = await sandbox.script('head -c 1001 /dev/zero; sleep 100', { limits })
  assert.deepEqual([more.reason, more.truncated, more.stdout.length], ['output', true, 1000])
})
