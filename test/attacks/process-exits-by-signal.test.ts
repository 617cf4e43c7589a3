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

test('every exit code is told from a signal and from a program that did not start', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  // 128 and more is how shells write a signal: 139 would be SIGSEGV.
  for (const code of [0, 1, 2, 126, 127, 128, 129, 137, 139, 143, 255]) {
    const ended = await sandbox.script(`exit ${code}`)
    assert.deepEqual([ended.exitCode, ended.signal], [code, null])
  }
  assert.deepEqual(sandbox.events, [])
})

test('a program that is not there, or none, did not start, whatever another one prints', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  for (const program of ['/usr/bin/no-such-program', '/usr/share']) {
    const refused = await sandbox.run({ program })
    assert.ok('allow' in refused)
    assert.equal(refused.code, 'KOS_SANDBOX_PROGRAM')
  }
  const pretends = await sandbox.script('echo "F/usr/bin/x: No such file" >&2; exit 1')
  assert.deepEqual([pretends.exitCode, pretends.signal], [1, null])
})
