/** Attack: an argument of a caller is taken for an option, or read by a shell. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAllowedPrograms } from '../../src/commands/catalog/index.ts'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { processCommand, runCommand } from '../kit/commands.ts'
import { openSandbox, printed } from '../kit/sandbox.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const HOSTILE = ['$(id)', '`id`', '; id', '| id', '> /tmp/x', '* ?', '"\'', 'a\nb', '${PATH}', '--']

test('no shell reads an argument', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const arguments_ = ['%s\\n', ...HOSTILE]
  const ended = await sandbox.run({ program: '/usr/bin/printf', arguments: arguments_ })
  assert.ok(!isRefusal(ended))
  assert.equal(printed(ended).out, HOSTILE.map((text) => `${text}\n`).join(''))
  const nul = await sandbox.run({ program: '/usr/bin/printf', arguments: ['a\0b'] })
  assert.ok(isRefusal(nul))
  assert.equal(nul.rule, 'sandbox/nul')
})

test('what a pattern admits is never an option', async (context) => {
  const file = join(temporaryFolder(context), 'programs.json')
  const place = { pattern: '^[-a-z=/]{1,40}$' }
  writeFileSync(file, JSON.stringify({ cat: { path: '/usr/bin/cat', arguments: [place] } }), {
    mode: 0o600,
  })
  const programs = readAllowedPrograms(file, { userId: process.getuid?.() ?? 0, secretFolders: [] })
  const command = processCommand(programs)
  for (const hostile of ['-n', '--files=/etc', '-']) {
    const refused = await runCommand(command, { program: 'cat', arguments: [hostile] })
    assert.deepEqual(
      [refused['code'], refused['rule']],
      ['KOS_CATALOG_PROGRAM_REFUSED', 'process/arguments'],
      hostile,
    )
  }
  const fine = await runCommand(command, { program: 'cat', arguments: ['a-b'] })
  assert.equal(fine['exitCode'], 0)
})
