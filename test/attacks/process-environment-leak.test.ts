/** Attack: a program finds secrets in what it inherits as variables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, printed } from '../kit/sandbox.ts'

test('a program has its own variables and none of the daemon', async (context) => {
  process.env['KOS_TEST_SECRET'] = 'canary'
  context.after(() => delete process.env['KOS_TEST_SECRET'])
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const environment = { PATH: '/usr/bin', GREETING: 'hello world; $(id) `id`' }
  const ended = await sandbox.run({ program: '/usr/bin/env', environment })
  assert.ok(!('allow' in ended))
  const lines = printed(ended).out.trimEnd().split('\n').toSorted()
  // The folder it starts in is what bubblewrap says by itself.
  assert.deepEqual(lines, ['GREETING=hello world; $(id) `id`', 'PATH=/usr/bin'])
  const all = printed(await sandbox.script('cat /proc/[0-9]*/environ | tr "\\0" "\\n"')).out
  assert.doesNotMatch(all, /canary|KOS_/)
})
