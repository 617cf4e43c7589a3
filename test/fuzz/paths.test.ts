/** Whatever path is asked for, nothing outside the shared folder is ever read or listed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { builtin, runCommand } from '../kit/commands.ts'
import { fuzzAsync } from '../kit/fuzz.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const WORDS =
  'share a b file deep out up loop secret proc etc passwd .. . ... ~ %2e%2e \\ * A fifo ﬁle'
const NAMES = [...WORDS.split(' '), '', '..\u0000', 'a\u0000b']

test('paths', async (context) => {
  const top = realpathSync(temporaryFolder(context))
  const share = join(top, 'share')
  mkdirSync(join(share, 'a/b/deep'), { recursive: true })
  writeFileSync(join(top, 'secret'), 'OUTSIDE')
  for (const path of ['file', 'a/file', 'a/b/file', 'a/b/deep/file']) {
    writeFileSync(join(share, path), `inside ${path}`)
  }
  symlinkSync(top, join(share, 'out'))
  symlinkSync('../../secret', join(share, 'a/secret'))
  symlinkSync('..', join(share, 'a/up'))
  symlinkSync('loop', join(share, 'a/loop'))
  symlinkSync('/proc/self/root', join(share, 'proc'))
  symlinkSync('/etc', join(share, 'etc'))
  execFileSync('mkfifo', [join(share, 'a/fifo')])

  const roots = [{ name: 'share', directory: share }]
  const read = builtin('files.read', roots)
  const list = builtin('files.list', roots)
  const prefix = fc.constantFrom('', '/', './', 'share/', `${share}/`, `${top}/`, '/proc/self/cwd/')
  const any = fc.array(fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 4 })), {
    maxLength: 6,
  })
  // Some that are there, so that a few runs are enough to see both outcomes.
  const names = fc.oneof(
    { weight: 9, arbitrary: any },
    {
      weight: 1,
      arbitrary: fc.constantFrom(['file'], ['a', 'b', 'file'], ['a', 'b'], ['a', 'up']),
    },
  )
  const counts = { read: 0, listed: 0 }

  await fuzzAsync(
    fc.asyncProperty(prefix, names, async (start, components) => {
      const path = `${start}${components.join('/')}`
      const file = await runCommand(read, { path })
      if (file['allow'] === false) assert.match(String(file['code']), /^KOS_CATALOG_/)
      else {
        counts.read++
        const canonical = String(file['path'])
        assert.equal(realpathSync(canonical), canonical)
        assert.equal(file['content'], `inside ${canonical.slice(share.length + 1)}`)
      }
      const folder = await runCommand(list, { path })
      if (folder['allow'] === false) assert.match(String(folder['code']), /^KOS_CATALOG_/)
      else {
        counts.listed++
        const canonical = String(folder['path'])
        assert.equal(realpathSync(canonical), canonical)
        assert.ok(canonical === share || canonical.startsWith(`${share}/`))
      }
    }),
  )
  assert.ok(counts.read > 0 && counts.listed > 0)
})
