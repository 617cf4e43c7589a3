/** Attack: a caller names a program that the node does not allow, by path or by a similar name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_PROGRAMS } from '../../src/commands/catalog/index.ts'
import { processCommand, runCommand } from '../kit/commands.ts'

test('a program that is not in the list is refused before anything starts', async () => {
  const command = processCommand(DEFAULT_PROGRAMS, () => assert.fail('nothing may start'))
  for (const program of ['sh', 'rm', 'constructor', 'date-']) {
    const refused = await runCommand(command, { program })
    assert.deepEqual(
      [refused['code'], refused['rule']],
      ['KOS_CATALOG_PROGRAM_REFUSED', 'process/program'],
      program,
    )
  }
  for (const program of ['/usr/bin/uname', '../uname', 'Uname', 'uname ', 'uname\0', '']) {
    const refused = await runCommand(command, { program })
    assert.equal(refused['code'], 'KOS_CATALOG_ARGUMENTS', program)
  }
})

test('arguments that the list does not allow are refused', async () => {
  const command = processCommand(DEFAULT_PROGRAMS, () => assert.fail('nothing may start'))
  for (const [program, ...rest] of [
    ['date', '-s', '2000-01-01'],
    ['date', '--set=2000-01-01'],
    ['date', '-f', '/etc/shadow'],
    ['df', '/etc'],
    ['uname', '-a', '-a'],
    ['uptime', ''],
  ]) {
    const refused = await runCommand(command, { program, arguments: rest })
    assert.equal(refused['rule'], 'process/arguments', `${program} ${rest.join(' ')}`)
  }
  const input = await runCommand(command, { program: 'date', input: 'x' })
  assert.equal(input['rule'], 'process/input')
})
