/** Attack: a path that programs may read is replaced by a link to a secret after it was checked. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { openSandbox, printed } from '../kit/sandbox.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('a path with a link anywhere in it is not shown', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  if (sandbox.runner.missing.includes('bind-by-descriptor')) {
    return context.skip('this bubblewrap binds by path only, and `missing` says so')
  }
  const folder = temporaryFolder(context)
  chmodSync(folder, 0o755)
  const [shown, secret] = [join(folder, 'shown'), join(folder, 'secret')]
  for (const place of [shown, secret]) mkdirSync(join(place, 'inner'), { recursive: true })
  writeFileSync(join(shown, 'inner', 'file'), 'public')
  writeFileSync(join(secret, 'inner', 'file'), 'canary')
  const inner = join(shown, 'inner')
  const read = { readOnlyPaths: [inner], arguments: ['-c', `cat ${inner}/file`] }
  const before = await sandbox.run({ program: '/usr/bin/sh', ...read })
  assert.ok(!isRefusal(before))
  assert.equal(printed(before).out, 'public')

  renameSync(shown, `${shown}-moved`)
  symlinkSync(secret, shown)
  const after = await sandbox.run({ program: '/usr/bin/sh', ...read })
  assert.ok(isRefusal(after))
  assert.equal(after.code, 'KOS_SANDBOX_PROGRAM')
  assert.match(String(sandbox.events.at(-1)?.[1].reason), /Too many levels of symbolic links/)
})
