/** Attack: a NUL ends a path early for the kernel, after the checks saw a longer, harmless one. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  authenticatedPeer,
  callOf,
  createTestExecutor,
  TEST_GRANT,
  allowAll,
} from '../kit/calls.ts'
import { builtin } from '../kit/commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('path-nul', async (context) => {
  const share = temporaryFolder(context)
  writeFileSync(join(share, 'file'), 'content')
  const roots = [{ name: 'share', directory: share }]
  const asked: unknown[] = []
  const authorise = allowAll((args) => {
    asked.push(args)
    return TEST_GRANT
  })
  const { outcome } = createTestExecutor(
    [builtin('files.read', roots), builtin('files.list', roots)],
    { authorise },
  )
  const peer = authenticatedPeer()
  for (const path of ['share/file\0.txt', '\0', 'share\0/../../etc/shadow', '/etc/shadow\0share']) {
    for (const command of ['files.read', 'files.list']) {
      assert.deepEqual(await outcome(peer, callOf(command, { path })), {
        status: 'refused',
        code: 'KOS_CATALOG_ARGUMENTS',
        rule: 'arguments: control-character',
        remedy: `Give arguments that fit the schema of ${command}.`,
      })
    }
  }
  assert.deepEqual(asked, [], 'no rule of policy sees such a path')
  const answer = await outcome(peer, callOf('files.read', { path: 'share/file' }))
  assert.equal(answer.status, 'ok')
})
