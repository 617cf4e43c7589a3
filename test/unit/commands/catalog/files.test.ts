/** `files.read`, `files.fetch` and `files.list` on a real folder. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { Command } from '../../../../src/commands/catalog/index.ts'
import { builtin, commandContext, runCommand } from '../../../kit/commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

interface Shared {
  readonly folder: string
  readonly read: Command
  readonly list: Command
}

/** A shared folder with a few files. */
function shared(context: TestContext): Shared {
  const folder = join(temporaryFolder(context), 'share')
  mkdirSync(join(folder, 'sub/deep'), { recursive: true })
  writeFileSync(join(folder, 'note.txt'), 'Grüße, 😀!\n')
  writeFileSync(join(folder, 'sub/data.bin'), Buffer.from([0xff, 0x00, 0x80]))
  const roots = [{ name: 'share', directory: folder }]
  return { folder, read: builtin('files.read', roots), list: builtin('files.list', roots) }
}

const TEXT = Buffer.from('Grüße, 😀!\n')

describe('files.read', () => {
  test('reads a text by either form of its path', async (context) => {
    const { folder, read } = shared(context)
    const expected = {
      path: join(folder, 'note.txt'),
      sizeBytes: TEXT.length,
      offset: 0,
      length: TEXT.length,
      complete: true,
      encoding: 'utf8',
      content: TEXT.toString(),
    }
    assert.deepEqual(await runCommand(read, { path: 'share/note.txt' }), expected)
    assert.deepEqual(await runCommand(read, { path: join(folder, 'note.txt') }), expected)
  })

  test('reads in parts of any size without cutting a character', async (context) => {
    const { read } = shared(context)
    for (let length = 4; length <= TEXT.length; length++) {
      let text = ''
      let offset = 0
      for (let complete = false; !complete;) {
        const part = await runCommand(read, { path: 'share/note.txt', offset, length })
        assert.equal(part['code'], undefined)
        text += String(part['content'])
        offset += Number(part['length'])
        complete = part['complete'] === true
      }
      assert.equal(text, TEXT.toString())
    }
  })

  test('reads bytes as base64 or raw', async (context) => {
    const { read } = shared(context)
    const base64 = await runCommand(read, { path: 'share/sub/data.bin', encoding: 'base64' })
    assert.equal(base64['content'], '/wCA')
    const raw = await runCommand(read, { path: 'share/sub/data.bin', encoding: 'bytes', offset: 1 })
    assert.deepEqual(raw['content'], Buffer.from([0x00, 0x80]))
    assert.equal(raw['complete'], true)
  })

  test('refuses bytes as text, also where a part begins inside a character', async (context) => {
    const { read } = shared(context)
    const refused = { code: 'KOS_CATALOG_FILE_ENCODING', rule: 'files/encoding' }
    const binary = await runCommand(read, { path: 'share/sub/data.bin' })
    const inside = await runCommand(read, { path: 'share/note.txt', offset: 3 })
    for (const { code, rule } of [binary, inside]) assert.deepEqual({ code, rule }, refused)
  })

  test('a character cut by the end of the file is an error, not left out', async (context) => {
    const { folder, read } = shared(context)
    writeFileSync(join(folder, 'cut'), TEXT.subarray(0, 3))
    assert.equal((await runCommand(read, { path: 'share/cut' }))['rule'], 'files/encoding')
    writeFileSync(join(folder, 'tail'), Buffer.from([0x80, 0x80, 0x80, 0x80, 0x41]))
    const tail = await runCommand(read, { path: 'share/tail', length: 4 })
    assert.equal(tail['rule'], 'files/encoding')
  })

  test('an offset beyond the end reads nothing', async (context) => {
    const { read } = shared(context)
    const part = await runCommand(read, { path: 'share/note.txt', offset: 1000 })
    assert.deepEqual([part['content'], part['length'], part['complete']], ['', 0, true])
  })

  test('one read is bounded by its encoding', async (context) => {
    const { folder, read } = shared(context)
    writeFileSync(join(folder, 'big'), 'x'.repeat(300_000))
    for (const [encoding, most] of Object.entries({
      utf8: 16_384,
      base64: 12_288,
      bytes: 262_144,
    })) {
      const part = await runCommand(read, { path: 'share/big', encoding })
      assert.deepEqual([part['length'], part['complete']], [most, false])
      const more = await runCommand(read, { path: 'share/big', encoding, length: most + 1 })
      assert.match(String(more['rule']), /^files\/length$|^arguments\.length: too_big$/)
    }
  })
})

describe('what is no regular file below the folder is refused', () => {
  const rule = async (command: Command, path: string): Promise<unknown> =>
    (await runCommand(command, { path }))['rule']

  test('folders, FIFOs, sockets, devices', async (context) => {
    const { folder, read } = shared(context)
    execFileSync('mkfifo', [join(folder, 'fifo')])
    const server = createServer().listen(join(folder, 'socket'))
    context.after(() => server.close())
    for (const name of ['sub', 'fifo', 'socket']) {
      assert.equal(await rule(read, `share/${name}`), 'files/not-regular')
    }
    const devices = builtin('files.read', [{ name: 'dev', directory: '/dev' }])
    assert.equal(await rule(devices, 'dev/null'), 'files/not-regular')
  })

  test('symbolic links at any place, and the folder itself as one', async (context) => {
    const { folder, read } = shared(context)
    symlinkSync('note.txt', join(folder, 'link'))
    symlinkSync('sub', join(folder, 'linked'))
    symlinkSync('/nowhere', join(folder, 'dangling'))
    for (const path of ['link', 'linked/data.bin', 'dangling', 'dangling/x']) {
      assert.equal(await rule(read, `share/${path}`), 'files/symlink')
    }
    const elsewhere = `${folder}-link`
    symlinkSync(folder, elsewhere)
    const linkedRoot = builtin('files.read', [{ name: 'share', directory: elsewhere }])
    assert.equal(await rule(linkedRoot, 'share/note.txt'), 'files/symlink')
  })

  test('files with several names', async (context) => {
    const { folder, read } = shared(context)
    linkSync(join(folder, 'note.txt'), join(folder, 'second.txt'))
    assert.equal(await rule(read, 'share/second.txt'), 'files/hard-link')
    assert.equal(await rule(read, 'share/note.txt'), 'files/hard-link')
  })

  test('what does not exist, and what lies below a file', async (context) => {
    const { read, list } = shared(context)
    for (const path of [
      'share/none',
      'share/none/x',
      'share/note.txt/x',
      `share/${'n'.repeat(256)}`,
    ]) {
      assert.deepEqual(await rule(read, path), 'files/missing')
      assert.deepEqual(await rule(list, path), 'files/missing')
    }
  })

  test('everything outside', async (context) => {
    const { read, list } = shared(context)
    for (const command of [read, list]) {
      assert.equal(await rule(command, '/etc/shadow'), 'files/root')
      assert.equal(await rule(command, '/'), 'files/root')
      assert.equal(await rule(command, 'share/../x'), 'files/dot-dot')
    }
    assert.equal(await rule(builtin('files.read'), 'share/note.txt'), 'files/root')
  })

  test('what the user of the daemon may not read', async (context) => {
    const { folder, read } = shared(context)
    writeFileSync(join(folder, 'private'), 'x', { mode: 0o000 })
    // Root may read everything, so it steps back for a moment.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    try {
      assert.equal(await rule(read, 'share/private'), 'files/permission')
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })
})

describe('files.list', () => {
  test('without a path shows the shared folders that exist', async (context) => {
    const { folder } = shared(context)
    const list = builtin('files.list', [
      { name: 'share', directory: folder },
      { name: 'absent', directory: `${folder}-absent` },
    ])
    const { entries, path } = await runCommand(list, {})
    assert.equal(path, '/')
    assert.deepEqual(
      (entries as { name: string; kind: string }[]).map(({ name, kind }) => [name, kind]),
      [['share', 'directory']],
    )
  })

  test('shows names in order with kind, size and time, and follows no link', async (context) => {
    const { folder, list } = shared(context)
    symlinkSync('/etc/passwd', join(folder, 'passwd'))
    execFileSync('mkfifo', [join(folder, 'fifo')])
    utimesSync(join(folder, 'note.txt'), 1, 1_700_000_000)
    const result = await runCommand(list, { path: 'share' })
    const entries = result['entries'] as Record<string, unknown>[]
    assert.deepEqual(
      entries.map(({ name, kind }) => [name, kind]),
      [
        ['fifo', 'other'],
        ['note.txt', 'file'],
        ['passwd', 'symlink'],
        ['sub', 'directory'],
      ],
    )
    assert.deepEqual(entries[1], {
      name: 'note.txt',
      kind: 'file',
      sizeBytes: TEXT.length,
      modifiedAtMs: 1_700_000_000_000,
    })
    assert.equal(entries[2]?.['sizeBytes'], 0)
  })

  test('a file is no folder', async (context) => {
    const { list } = shared(context)
    const { rule } = await runCommand(list, { path: 'share/note.txt' })
    assert.equal(rule, 'files/not-a-folder')
  })

  test('is bounded and says so', async (context) => {
    const { folder, list } = shared(context)
    for (let index = 0; index < 405; index++) writeFileSync(join(folder, `sub/f${index}`), '')
    const result = await runCommand(list, { path: 'share/sub' })
    assert.equal((result['entries'] as unknown[]).length, 400)
    assert.equal(result['truncated'], true)
  })

  test('names that no argument could name are counted only', async (context) => {
    const { folder, list } = shared(context)
    writeFileSync(join(folder, 'sub/deep/\u001b[31mred'), '')
    writeFileSync(Buffer.concat([Buffer.from(join(folder, 'sub/deep/')), Buffer.of(0xff)]), '')
    writeFileSync(join(folder, 'sub/deep/grün'), '')
    const result = await runCommand(list, { path: 'share/sub/deep' })
    assert.equal(result['unnamable'], 2)
    assert.deepEqual(
      (result['entries'] as { name: string }[]).map(({ name }) => name),
      ['grün'],
    )
  })

  test('ends when its signal is aborted', async (context) => {
    const { list } = shared(context)
    const aborted = commandContext(AbortSignal.abort())
    await assert.rejects(runCommand(list, { path: 'share' }, aborted), { name: 'AbortError' })
  })
})

test('no descriptor stays open', async (context) => {
  const { folder, read, list } = shared(context)
  symlinkSync('sub', join(folder, 'linked'))
  const open = (): number => readdirSync('/proc/self/fd').length
  const before = open()
  for (const path of [
    'share/note.txt',
    'share/sub',
    'share/linked/x',
    'share/none/x',
    'share/sub/data.bin',
  ]) {
    await runCommand(read, { path })
    await runCommand(list, { path })
  }
  assert.equal(open(), before)
})

describe('files.fetch', () => {
  const fetching = (
    context: TestContext,
    taken: Uint8Array[],
  ): {
    readonly folder: string
    readonly fetch: (args: object) => ReturnType<typeof runCommand>
  } => {
    const { folder } = shared(context)
    const command = builtin('files.fetch', [{ name: 'share', directory: folder }])
    const emit = async (bytes: Uint8Array): Promise<void> => {
      taken.push(Uint8Array.from(bytes))
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { folder, fetch: (args) => runCommand(command, args, { ...commandContext(), emit }) }
  }

  test('sends a file in pieces, each when the one before was taken', async (context) => {
    const taken: Uint8Array[] = []
    const { folder, fetch } = fetching(context, taken)
    const content = Buffer.from(Uint8Array.from({ length: 700_000 }, (_, index) => index % 253))
    writeFileSync(join(folder, 'big.bin'), content)
    const path = join(folder, 'big.bin')
    const whole = { path, sizeBytes: 700_000, offset: 0, length: 700_000, complete: true }
    assert.deepEqual(await fetch({ path: 'share/big.bin' }), whole)
    assert.ok(taken.length > 2 && Buffer.concat(taken).equals(content))
    taken.length = 0
    const part = await fetch({ path: 'share/big.bin', offset: 100, length: 300_000 })
    assert.deepEqual(part, { ...whole, offset: 100, length: 300_000, complete: false })
    assert.ok(Buffer.concat(taken).equals(content.subarray(100, 300_100)))
    taken.length = 0
    const behind = await fetch({ path: 'share/big.bin', offset: 700_001 })
    assert.deepEqual(behind, { ...whole, offset: 700_001, length: 0 })
    assert.equal(taken.length, 0)
  })

  test('refuses what files.read refuses, and a caller without a stream', async (context) => {
    const { folder, fetch } = fetching(context, [])
    symlinkSync('/etc/passwd', join(folder, 'link'))
    for (const [path, rule] of [
      ['share/../etc/passwd', 'files/dot-dot'],
      ['/etc/passwd', 'files/root'],
      ['share/link', 'files/symlink'],
      ['share/sub', 'files/not-regular'],
      ['share/none', 'files/missing'],
    ] as const) {
      assert.equal((await fetch({ path }))['rule'], rule)
    }
    const command = builtin('files.fetch', [{ name: 'share', directory: folder }])
    const refused = await runCommand(command, { path: 'share/note.txt' })
    assert.equal(refused['rule'], 'files/stream')
  })
})
