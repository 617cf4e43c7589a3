/** Attack: a program floods its standard error, beside an honest standard output. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, printed, TEST_LIMITS } from '../kit/sandbox.ts'

test('standard error has a limit of its own', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const ended = await sandbox.script('echo fine; exec yes >&2', {
    limits: { ...TEST_LIMITS, maxOutputBytes: 4096 },
  })
  assert.deepEqual([ended.reason, ended.truncated], ['output', true])
  assert.equal(printed(ended).out, 'fine\n')
  assert.equal(ended.stderr.length, 4096)
})
