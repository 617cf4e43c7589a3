/** Attack: a program writes where another run, or the host, would find it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, printed, TEST_LIMITS } from '../kit/sandbox.ts'

test('only /tmp can be written, it is small, and nobody finds it again', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  for (const path of ['/x', '/usr/x', '/usr/bin/x', '/dev/x', '/proc/x', '/bin/x', '/var/tmp/x']) {
    const ended = await sandbox.script(`: > ${path}`)
    assert.notEqual(ended.exitCode, 0, path)
  }
  const own = await sandbox.script('echo mine > /tmp/x && cat /tmp/x && pwd')
  assert.equal(printed(own).out, 'mine\n/tmp\n')
  const later = await sandbox.script('ls -A /tmp')
  assert.equal(printed(later).out, '')
})

test('/tmp as a whole has a size', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const limits = { ...TEST_LIMITS, maxFileBytes: 65_536 }
  const script = 'for n in 1 2 3 4; do head -c 40000 /dev/zero > /tmp/$n || exit 3; done'
  const several = await sandbox.script(script, { limits })
  assert.equal(several.exitCode, 3)
  const single = await sandbox.script('exec head -c 1000000 /dev/zero > /tmp/big', { limits })
  assert.notDeepEqual([single.exitCode, single.signal], [0, null])
})
