/** Attack: the value of an argument is an option of the program. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '../kit/commands.ts'
import { commandFile, objectSchema, recordingRunner, userCommand } from '../kit/user-commands.ts'

const INJECTED = ['-', '--', '-rf', '--help', '--checkpoint-action=exec=id', '-e']

test('such a value is refused before anything runs, wherever it stands', async () => {
  const runner = recordingRunner()
  const file = commandFile({
    arguments: objectSchema(
      {
        word: { type: 'string' },
        list: { type: 'array', items: { type: 'string' } },
        number: { type: 'number' },
      },
      ['word'],
    ),
    run: {
      program: '/usr/bin/printf',
      arguments: ['--', '{word}', ['-n', '{number}'], '{list}'],
    },
  })
  const command = userCommand(file, runner)
  for (const value of INJECTED) {
    for (const args of [{ word: value }, { word: 'x', list: ['y', value] }]) {
      const { code, rule } = await runCommand(command, args)
      assert.equal(code, 'KOS_CATALOG_ARGUMENTS', value)
      assert.match(String(rule), /looks like an option$/)
    }
  }
  assert.equal(
    (await runCommand(command, { word: 'x', number: -1 }))['code'],
    'KOS_CATALOG_ARGUMENTS',
  )
  assert.equal(runner.runs.length, 0)
})

test('a file allows it by name only', async () => {
  const runner = recordingRunner()
  const run = { program: '/usr/bin/printf', arguments: ['{word}'], allowHyphen: ['word'] }
  await runCommand(userCommand(commandFile({ run }), runner), { word: '-n' })
  assert.deepEqual(runner.runs[0]?.arguments, ['-n'])
})
