/** The folder of command files: what comes, changes, goes bad and goes. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { Command } from '../../../../src/commands/catalog/index.ts'
import {
  type CommandChange,
  createUserCommands,
  MAX_USER_COMMANDS,
  type UserCommands,
} from '../../../../src/apps/node/user-commands.ts'
import { inspectCommandFiles } from '../../../../src/apps/node/index.ts'
import { silentLog } from '../../../../src/foundation/base/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'
import { commandFile, objectSchema, recordingRunner, USER_ID } from '../../../kit/user-commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

interface Folder {
  readonly path: string
  readonly user: UserCommands
  readonly clock: TestClock
  /** Sets of commands in the order in which they were put in force. */
  readonly applied: (readonly Command[])[]
  readonly changes: CommandChange[]
  write(name: string, file: unknown): void
}

function folderOf(context: TestContext): Folder {
  const path = join(temporaryFolder(context), 'commands')
  mkdirSync(path, { mode: 0o700 })
  const applied: (readonly Command[])[] = []
  const changes: CommandChange[] = []
  const { quota } = profileOf('SEC-2')
  assert.ok(quota)
  const clock = createTestClock()
  const user = createUserCommands(
    {
      clock,
      log: silentLog,
      command: {
        programs: recordingRunner(),
        quota,
        nodeProgram: '/usr/bin/node',
        userId: USER_ID,
      },
      apply: (commands) => void applied.push(commands),
      record: (change) => void changes.push(change),
    },
    { folder: path, reserved: new Set(['calc']), secretFolders: [] },
  )
  const write = (name: string, file: unknown): void => {
    const text = typeof file === 'string' ? file : JSON.stringify(file)
    // Another inode each time, as an editor and `kosctl commands add` do it.
    writeFileSync(join(path, 'next'), text, { mode: 0o600 })
    renameSync(join(path, 'next'), join(path, name))
  }
  return { path, user, clock, applied, changes, write }
}

const named = (name: string): Readonly<Record<string, unknown>> => commandFile({ name })
const last = ({ applied }: Folder): readonly string[] | undefined =>
  applied.at(-1)?.map(({ name }) => name)
const kinds = ({ changes }: Folder): readonly string[] =>
  changes.map(({ change, file }) => `${change} ${file}`)

test('files come, change and go as one set', (context) => {
  const folder = folderOf(context)
  folder.write('a.json', named('a'))
  folder.write('b.json', named('b'))
  writeFileSync(join(folder.path, '.hidden.json'), '{')
  writeFileSync(join(folder.path, 'notes.txt'), '{')
  folder.user.reload()
  assert.deepEqual(last(folder), ['a', 'b'])
  const [a] = folder.applied[0] ?? []
  folder.user.reload()
  assert.equal(folder.applied.length, 1, 'nothing changed')

  folder.write('b.json', { ...named('b'), summary: 'Another' })
  folder.user.reload()
  assert.equal(folder.applied[1]?.[1]?.summary, 'Another')
  assert.equal(folder.applied[1][0], a, 'what did not change stays the same')

  rmSync(join(folder.path, 'a.json'))
  folder.user.reload()
  assert.deepEqual(last(folder), ['b'])
  assert.deepEqual([...folder.user.names()], ['b'])
  assert.deepEqual(kinds(folder), [
    'added a.json',
    'added b.json',
    'replaced b.json',
    'removed a.json',
  ])
  assert.match(folder.changes[0]?.digest ?? '', /^[0-9a-f]{64}$/)
})

test('a bad file changes nothing, and is told once', (context) => {
  const folder = folderOf(context)
  folder.write('a.json', named('a'))
  folder.user.reload()
  folder.write('a.json', '{')
  folder.write('b.json', named('b'))
  folder.user.reload()
  folder.user.reload()
  assert.deepEqual(last(folder), ['a', 'b'], 'the other file counts, and the old command stays')
  assert.deepEqual(folder.user.refused(), [
    { file: 'a.json', reason: '/ is not strict JSON: malformed' },
  ])
  assert.deepEqual(kinds(folder), ['added a.json', 'added b.json', 'refused a.json'])

  folder.write('a.json', { ...named('a'), summary: 'Corrected' })
  folder.user.reload()
  assert.deepEqual(folder.user.refused(), [])
  assert.equal(folder.applied.at(-1)?.[0]?.summary, 'Corrected')

  folder.write('a.json', '{')
  rmSync(join(folder.path, 'a.json'))
  folder.user.reload()
  assert.deepEqual(last(folder), ['b'])
})

test('a module that changed is read again', (context) => {
  const folder = folderOf(context)
  const result = objectSchema({ text: { type: 'string' } })
  const module = (text: string): void => folder.write('m.mjs', text)
  module('export const run = () => 1')
  folder.write('m.json', commandFile({ name: 'm', result, run: { module: './m.mjs' } }))
  folder.user.reload()
  module('export const run = () => 2')
  folder.user.reload()
  rmSync(join(folder.path, 'm.mjs'))
  folder.user.reload()
  assert.deepEqual(kinds(folder), ['added m.json', 'replaced m.json', 'refused m.json'])
  assert.deepEqual(last(folder), ['m'])
})

describe('refused with its reason', () => {
  const REFUSED: readonly (readonly [file: string, content: unknown, reason: RegExp])[] = [
    ['other.json', named('a'), /^\/name is not that of the file/],
    ['a b.json', named('a'), /^is not named after a command/],
    ['calc.json', named('calc'), /^\/name is the name of a built-in/],
    ['a.json', { ...named('a'), run: { program: 'x' }, effects: 7 }, /^\/\w+ .* \(and \d more\)$/],
    ['a.json', ' '.repeat(70_000), /^is larger than 65536 bytes/],
  ]
  for (const [file, content, reason] of REFUSED) {
    test(`${file}: ${String(reason)}`, (context) => {
      const folder = folderOf(context)
      folder.write(file, content)
      folder.user.reload()
      assert.deepEqual(folder.applied, [])
      assert.match(folder.user.refused()[0]?.reason ?? '', reason)
    })
  }

  test('a link, a folder, and a file that others can write', (context) => {
    const folder = folderOf(context)
    folder.write('target', named('a'))
    symlinkSync('target', join(folder.path, 'a.json'))
    mkdirSync(join(folder.path, 'b.json'))
    folder.write('c.json', named('c'))
    chmodSync(join(folder.path, 'c.json'), 0o666)
    folder.user.reload()
    assert.deepEqual(
      folder.user.refused().map(({ reason }) => reason),
      [
        'is not a regular file',
        'is not a regular file',
        'can be written by its group or by others',
      ],
    )
  })

  test('a folder that others can write, that is gone, or that holds too many, leaves all as it was', (context) => {
    const folder = folderOf(context)
    folder.write('a.json', named('a'))
    folder.user.reload()
    folder.write('a.json', { ...named('a'), summary: 'Planted' })
    chmodSync(folder.path, 0o770)
    folder.user.reload()
    assert.match(folder.user.refused()[0]?.reason ?? '', /^the folder can be written/)
    chmodSync(folder.path, 0o700)
    for (let index = 0; index < MAX_USER_COMMANDS; index++) {
      writeFileSync(join(folder.path, `x${index}.json`), '{')
    }
    folder.user.reload()
    assert.match(folder.user.refused()[0]?.reason ?? '', /^the folder holds more than 256/)
    rmSync(folder.path, { recursive: true })
    folder.user.reload()
    assert.match(folder.user.refused()[0]?.reason ?? '', /^the folder does not exist/)
    assert.equal(folder.applied.length, 1)
  })
})

test('the folder can be looked at without a node', (context) => {
  const folder = folderOf(context)
  folder.write('a.json', named('a'))
  folder.write('b.json', '{')
  const options = { reserved: new Set<string>(), stateFolders: [] }
  assert.deepEqual(inspectCommandFiles(folder.path, options), {
    accepted: 1,
    refused: [{ file: 'b.json', reason: '/ is not strict JSON: malformed' }],
  })
  assert.equal(inspectCommandFiles(join(folder.path, 'none'), options), undefined)
})

test('changes are found without the kernel’s help, too', (context) => {
  const folder = folderOf(context)
  rmSync(folder.path, { recursive: true })
  folder.user.start()
  context.after(() => folder.user.stop())
  assert.match(folder.user.refused()[0]?.reason ?? '', /does not exist/)
  mkdirSync(folder.path, { mode: 0o700 })
  folder.write('a.json', named('a'))
  folder.clock.advance(30_000)
  assert.deepEqual(last(folder), ['a'])
  folder.user.stop()
  assert.equal(folder.clock.pendingTimers, 0)
})
