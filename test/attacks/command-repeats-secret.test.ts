/** Attack: the program of a command is made to say the secret that it was handed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, Secret, utf8 } from '../../src/foundation/base/index.ts'
import { runCommand } from '../kit/commands.ts'
import { commandFile, objectSchema, recordingRunner, userCommand } from '../kit/user-commands.ts'

const SECRET = 'correct "horse"'
const secrets = {
  has: (name: string) => name === 'weather',
  open: (name: string) => (name === 'weather' ? Secret.copy(utf8(SECRET)) : undefined),
}
const environment = { API_KEY: { secret: 'weather' } }

test('neither result, nor standard error, nor stream has it', async () => {
  const run = { program: '/usr/bin/env', environment, stderr: 'result' }
  const json = { ...run, output: 'json' }
  const result = objectSchema({ text: { type: 'string' }, stderr: { type: 'string' } })
  const said: readonly (readonly [file: object, stdout: string, stderr: string])[] = [
    [{ run }, `API_KEY=${SECRET}\n`, ''],
    [{ run }, 'ok', `usage: ${SECRET}`],
    [{ run: json, result }, JSON.stringify({ text: `a ${SECRET} b` }), ''],
    [{ run: json, result }, '{"text":"corr\\u0065ct \\"horse\\""}', ''],
  ]
  for (const [changes, stdout, stderr] of said) {
    for (const exitCode of [0, 3]) {
      const runner = recordingRunner(() => ({
        exitCode,
        stdout: Buffer.from(stdout),
        stderr: Buffer.from(stderr),
      }))
      const file = commandFile({
        ...changes,
        examples: [{ purpose: 'Say.', arguments: { word: 'x' } }],
      })
      const value = await runCommand(userCommand(file, runner, { secrets }), { word: 'x' })
      assert.equal(runner.runs[0]?.environment['API_KEY'], SECRET)
      assert.ok(!JSON.stringify(value).includes('horse'))
      assert.ok(isRefusal(value))
    }
  }
})
