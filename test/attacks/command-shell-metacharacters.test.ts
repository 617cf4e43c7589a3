/** Attack: an argument carries what a shell would run, split or expand. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../kit/commands.ts'
import { commandFile, sandbox, userCommand } from '../kit/user-commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('every value arrives as the one word that it is', async (context) => {
  const mark = join(temporaryFolder(context), 'mark')
  const programs = await sandbox(context)
  if (!programs) return
  // One line per word that printf gets.
  const run = { program: '/usr/bin/printf', arguments: ['[%s]', '{word}', 'end'] }
  const command = userCommand(
    commandFile({ run, examples: [{ purpose: 'x', arguments: { word: 'x' } }] }),
    programs,
  )
  for (const word of [
    `; touch ${mark}`,
    `$(touch ${mark})`,
    `\`touch ${mark}\``,
    '| cat /etc/passwd',
    '&& id',
    '> /tmp/out',
    '* ? [a-z] ~ $HOME ${PATH}',
    'a b\tc\nd',
    `"quoted" 'words' \\`,
    '%s%n%x',
    '',
    '{word}',
  ]) {
    const result = await runCommand(command, { word })
    assert.equal(result['text'], `[${word}][end]`)
  }
  assert.ok(!existsSync(mark))
})
