/** Attack: a program ends by a signal and looks as if it had not started, or had ended well. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox } from '../kit/sandbox.ts'

test('the signal that ended a program is reported', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  for (const [name, signal] of [
    ['SEGV', 'SIGSEGV'],
    ['ABRT', 'SIGABRT'],
    ['TERM', 'SIGTERM'],
    ['KILL', 'SIGKILL'],
  ]) {
    const ended = await sandbox.script(`kill -${name} $$`)
    assert.deepEqual([ended.exitCode, ended.signal, ended.reason], [null, signal, 'exit'])
  }
})

test('every exit code is told from a program that did not start', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  for (const code of [0, 1, 2, 126, 127, 128, 255]) {
    const ended = await sandbox.script(`exit ${code}`)
    assert.deepEqual([ended.exitCode, ended.signal], [code, null])
  }
  assert.deepEqual(sandbox.events, [])
})
