/** Attack: a program is brought to write more than its command is meant to tell. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '../kit/commands.ts'
import { commandFile, objectSchema, sandbox, userCommand } from '../kit/user-commands.ts'

test('a result that does not fit its schema stays on the device as a whole', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  const command = userCommand(
    commandFile({
      result: objectSchema({ state: { enum: ['on', 'off'] } }),
      examples: [{ purpose: 'x', arguments: { word: 'x' } }],
      run: { program: '/usr/bin/printf', arguments: ['%s', '{word}'], output: 'json' },
    }),
    programs,
  )
  assert.deepEqual(await runCommand(command, { word: '{"state":"on"}' }), { state: 'on' })
  for (const word of [
    '{"state":"on","secret":"s3cret"}',
    '{"state":"s3cret"}',
    '{"state":"on","state":"s3cret"}',
    '{"__proto__":{"state":"on"}}',
    '["on"]',
    'null',
    's3cret',
  ]) {
    const result = await runCommand(command, { word })
    assert.equal(result['code'], 'KOS_CATALOG_PROGRAM')
    assert.ok(!JSON.stringify(result).includes('s3cret'))
  }
})
