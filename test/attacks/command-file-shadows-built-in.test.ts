/** Attack: a command file takes the name of a built-in command, or of one between nodes and authority. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FABRIC } from '../../src/apps/node/index.ts'
import { startFabric } from '../kit/fabric.ts'
import { commandFile } from '../kit/user-commands.ts'

test('every such file is refused, and the built-in commands are what they were', async (context) => {
  const fabric = await startFabric(context)
  const { folder, running } = await fabric.addNode('camera-1')
  const names = [
    'calc',
    'echo',
    'files.read',
    'commands.list',
    'system.info',
    FABRIC.notice,
    'fabric.own',
  ]
  for (const name of names) {
    const path = join(folder, 'commands', `${name}.json`)
    writeFileSync(path, JSON.stringify(commandFile({ name })), { mode: 0o600 })
  }
  running.reloadCommands()
  const list = await fabric.kosctl(['commands', 'list', 'camera-1', '--json'])
  const { commands, refused } = JSON.parse(list.out) as {
    readonly commands: readonly { readonly origin: string }[]
    readonly refused: readonly { readonly file: string; readonly reason: string }[]
  }
  assert.ok(commands.every(({ origin }) => origin === 'built-in'))
  assert.deepEqual(
    refused.map(({ file }) => file),
    names.map((name) => `${name}.json`).toSorted(),
  )
  assert.ok(refused.every(({ reason }) => reason.startsWith('/name ')))
  const calc = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.equal(calc.out, '3\n')
})
