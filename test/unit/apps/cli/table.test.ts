/** What holds for every command of both programs, whoever added it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KOSCTL, main } from '../../../../src/apps/cli/main.ts'
import { KOSD, main as kosdMain } from '../../../../src/apps/cli/kosd.ts'
import { captureTerminal, testWorld } from '../../../kit/fabric.ts'

for (const { head, commands } of [KOSCTL, KOSD]) {
  describe(head.program, () => {
    for (const command of commands.filter(({ isHidden }) => !isHidden)) {
      test(`${command.path.join(' ')} has --json, and help with examples`, async () => {
        assert.equal(command.options['json']?.type, 'boolean', 'prints JSON')
        const word = new RegExp(`\\b${head.program} ${command.path.join(' ')}\\b`)
        assert.ok(command.examples.length > 0, 'has an example')
        assert.ok(
          command.examples.some((example) => word.test(example)),
          'of itself',
        )
        const terminal = captureTerminal()
        const run = head.program === 'kosd' ? kosdMain : main
        assert.equal(await run([...command.path, '--help'], terminal, testWorld({})), 0)
        assert.match(terminal.printed.out, word)
        assert.match(terminal.printed.out, /^examples:$/m)
      })
    }

    test('no command is there twice, and each summary is one short line', () => {
      const paths = commands.map(({ path }) => path.join(' '))
      assert.deepEqual([...new Set(paths)], paths)
      for (const { summary } of commands) assert.match(summary, /^[^\n]{1,100}(?<!\.)$/)
    })
  })
}

test('hidden commands are not listed, and take every word as it is', async () => {
  const terminal = captureTerminal()
  await main(['--help'], terminal)
  assert.doesNotMatch(terminal.printed.out, /__complete/)
  const answered = captureTerminal()
  await main(['__complete', 'devices', '--help'], answered, testWorld({ config: '/nowhere' }))
  assert.deepEqual(answered.printed, { out: '', err: '' })
})

test('with --json, errors are JSON too', async () => {
  const terminal = captureTerminal()
  const world = testWorld({ config: '/nowhere/at/all' })
  assert.equal(await main(['token', 'create', '--json'], terminal, world), 2)
  const { error, code, details } = JSON.parse(terminal.printed.err) as Record<string, unknown>
  assert.equal(typeof error, 'string')
  assert.equal(code, 'KOS_CLI_USAGE')
  assert.deepEqual(details, { reason: '--name is missing' })
  const unknown = captureTerminal()
  assert.equal(await main(['no', 'such', '--json'], unknown, world), 2)
  assert.equal((JSON.parse(unknown.printed.err) as { code: string }).code, 'KOS_CLI_USAGE')
})
