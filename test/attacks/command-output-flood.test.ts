/** Attack: a program writes without end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '../kit/commands.ts'
import { commandFile, sandbox, userCommand } from '../kit/user-commands.ts'

test('it is killed at its bound, and nothing of it is told', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  const command = userCommand(
    commandFile({
      limits: { maxResultBytes: 1000 },
      examples: [{ purpose: 'x', arguments: { word: 'x' } }],
      run: { program: '/usr/bin/yes', arguments: ['{word}'] },
    }),
    programs,
  )
  const result = await runCommand(command, { word: 's3cret' })
  assert.deepEqual([result['code'], result['rule']], ['KOS_CATALOG_PROGRAM', 'program/output'])
  assert.ok(!JSON.stringify(result).includes('s3cret'))
})
