/** Attack: a secret is left in the clear in a configuration, for every backup and reader of the folder. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { createConfigFolder } from '../kit/config.ts'

for (const role of ['node', 'authority'] as const) {
  test(`kosd ${role} does not start, and names the command that seals it`, async (context) => {
    const { folder, path, write, config, read, start } = createConfigFolder(context, role)
    write('listen: 127.0.0.1:0\nsecrets:\n  weather: correct-horse # key\n')
    const { code, out, err } = await start()
    assert.deepEqual([code, out], [1, ''])
    const lines = err.split('\n')
    assert.match(lines[0] ?? '', /^error .* in the clear, .* \(KOS_CLI_CONFIG_PLAIN\)$/)
    assert.equal(lines[1], `  at  ${path}:3:3`)
    const command = `config encrypt --state ${folder}`
    assert.equal(lines[3], `  seal  kosctl ${command}`)
    assert.ok(!err.includes('correct-horse'))
    assert.deepEqual(readdirSync(folder), ['config.yaml'], 'nothing was started')
    assert.equal((await config(command.split(' ').slice(1))).code, 0)
    assert.match(
      read(),
      /^listen: 127\.0\.0\.1:0\nsecrets:\n {2}weather: kos-sealed:v1:\S+ # key\n$/,
    )
    assert.equal((await config(['check'])).code, 0)
  })
}

test('what looks sealed and is not, and numbers, are no way around it', async (context) => {
  const { write, start } = createConfigFolder(context)
  for (const value of [
    '"kos-sealed:v1:"',
    'kos-sealed:correct-horse',
    '1234567890',
    '[a]',
    '{ a: b }',
  ]) {
    write(`secrets:\n  weather: ${value}\n`)
    const { code, err } = await start()
    assert.equal(code, 1)
    assert.match(err, /KOS_CLI_CONFIG\)\n {2}at {2}.*config\.yaml:2:\d+\n {2}problem {2}"weather" /)
  }
  write('secrets:\n  weather:\n')
  assert.match((await start()).err, /"weather" must be a text/)
})
