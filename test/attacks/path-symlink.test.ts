/**
 * Attack: lead a path out of the shared folder by symbolic links, also by exchanging a folder for a
 * link while a read is under way.
 */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { builtin, runCommand } from '../kit/commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

function prepare(context: TestContext): { readonly top: string; readonly share: string } {
  const top = temporaryFolder(context)
  const share = join(top, 'share')
  mkdirSync(join(share, 'folder/sub'), { recursive: true })
  mkdirSync(join(top, 'outside/sub'), { recursive: true })
  writeFileSync(join(share, 'folder/sub/file'), 'INSIDE')
  writeFileSync(join(top, 'outside/sub/file'), 'OUTSIDE')
  return { top, share }
}

test('a link as last, middle or first component is not followed', async (context) => {
  const { top, share } = prepare(context)
  symlinkSync(join(top, 'outside'), join(share, 'absolute'))
  symlinkSync('../outside/sub/file', join(share, 'relative'))
  symlinkSync('/proc/self/root', join(share, 'root'))
  symlinkSync('folder', join(share, 'harmless'))
  const roots = [{ name: 'share', directory: share }]
  for (const path of ['absolute/sub/file', 'relative', `root${top}/outside/sub/file`, 'harmless']) {
    for (const command of [builtin('files.read', roots), builtin('files.list', roots)]) {
      const { rule } = await runCommand(command, { path: `share/${path}` })
      assert.equal(rule, 'files/symlink', path)
    }
  }
})

test('magic links of /proc are not followed even where /proc is shared', async () => {
  const read = builtin('files.read', [{ name: 'proc', directory: '/proc/self' }])
  for (const path of ['root/etc/passwd', 'cwd/package.json', 'exe', 'fd/0']) {
    const { rule } = await runCommand(read, { path: `proc/${path}` })
    assert.match(String(rule), /^files\/(?:symlink|missing|permission)$/, path)
  }
})

test('a folder exchanged for a link during the walk leads nowhere else', async (context) => {
  const { top, share } = prepare(context)
  const read = builtin('files.read', [{ name: 'share', directory: share }])
  const [folder, aside, link] = [join(share, 'folder'), join(share, 'aside'), join(share, 'link')]
  symlinkSync(join(top, 'outside'), link)
  const contents = new Map<unknown, number>()
  let going = true
  const readers = Array.from({ length: 4 }, async () => {
    while (going) {
      const result = await runCommand(read, { path: 'share/folder/sub/file' })
      const seen = result['content'] ?? result['rule']
      contents.set(seen, (contents.get(seen) ?? 0) + 1)
    }
  })
  for (let round = 0; round < 400; round++) {
    renameSync(folder, aside)
    renameSync(link, folder)
    await new Promise(setImmediate)
    renameSync(folder, link)
    renameSync(aside, folder)
    await new Promise(setImmediate)
  }
  going = false
  await Promise.all(readers)
  assert.equal(contents.has('OUTSIDE'), false)
  assert.ok(
    [...contents.keys()].every((seen) =>
      /^INSIDE$|^files\/(?:symlink|missing)$/.test(String(seen)),
    ),
  )
  assert.ok(contents.size > 0)
  const after = await runCommand(read, { path: 'share/folder/sub/file' })
  assert.equal(after['content'], 'INSIDE')
})
