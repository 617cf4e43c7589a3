/** Attack: climb out of the shared folder with "..", in every spelling. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { authenticatedPeer, callOf, createTestExecutor } from '../kit/calls.ts'
import { builtin } from '../kit/commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('path-dot-dot', async (context) => {
  const top = temporaryFolder(context)
  const share = join(top, 'share')
  mkdirSync(join(share, 'sub'), { recursive: true })
  writeFileSync(join(top, 'secret'), 'OUTSIDE')
  writeFileSync(join(share, 'inside'), 'inside')
  const roots = [{ name: 'share', directory: share }]
  const commands = [builtin('files.read', roots), builtin('files.list', roots)]
  const { outcome } = createTestExecutor(commands)
  const peer = authenticatedPeer()

  const climbing: readonly (readonly [path: string, rule: RegExp])[] = [
    ['share/../secret', /^files\/dot-dot$/],
    ['share/sub/../../secret', /^files\/dot-dot$/],
    ['share/sub/../inside', /^files\/dot-dot$/],
    [`${share}/../secret`, /^files\/dot-dot$/],
    ['../secret', /^files\/dot-dot$/],
    ['share/..', /^files\/dot-dot$/],
    ['share/./..//secret', /^files\/dot-dot$/],
    [`${top}/secret`, /^files\/root$/],
    ['/etc/shadow', /^files\/root$/],
    // These are ordinary names and lead nowhere.
    ['share/%2e%2e/secret', /^files\/missing$/],
    ['share/..%2fsecret', /^files\/missing$/],
    ['share\\..\\secret', /^files\/root$/],
    ['share/.../secret', /^files\/missing$/],
    ['share/\u2025/secret', /^files\/missing$/],
    ['share/..\u200b/secret', /^files\/missing$/],
  ]
  for (const [path, rule] of climbing) {
    for (const command of ['files.read', 'files.list']) {
      const answer = await outcome(peer, callOf(command, { path }))
      assert.notEqual(answer.status, 'ok', path)
      assert.match('rule' in answer ? (answer.rule ?? '') : '', rule, path)
      assert.doesNotMatch(JSON.stringify(answer), /OUTSIDE|secret/)
    }
  }
  const inside = await outcome(peer, callOf('files.read', { path: 'share/inside' }))
  assert.equal(inside.status, 'ok')
})
