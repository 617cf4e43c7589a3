/** Attack: another user of the machine changes a command file, or what it runs, to be run by the daemon. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { commandFile, pointersOf } from '../kit/user-commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('a node takes no command that others could have written', async (context) => {
  const fabric = await startFabric(context)
  const { folder, running } = await fabric.addNode('camera-1')
  const path = join(folder, 'commands', 'say.word.json')
  const call = async (): Promise<number> =>
    (await fabric.kosctl(['exec', 'camera-1', 'say.word', '--args', '{"word":"x"}'])).code
  for (const mode of [0o620, 0o602, 0o666]) {
    writeFileSync(path, JSON.stringify(commandFile()))
    chmodSync(path, mode)
    running.reloadCommands()
    assert.equal(await call(), 3, mode.toString(8))
  }
  chmodSync(path, 0o600)
  running.reloadCommands()
  assert.equal(await call(), 0)

  chmodSync(join(folder, 'commands'), 0o770)
  writeFileSync(path, JSON.stringify(commandFile({ run: { program: '/usr/bin/id' } })))
  running.reloadCommands()
  const said = await fabric.kosctl(['exec', 'camera-1', 'say.word', '--args', '{"word":"still"}'])
  assert.equal(said.out, 'still\n')
})

test('no program is taken that others can write, replace or move away', (context) => {
  const folder = temporaryFolder(context)
  const inner = join(folder, 'inner')
  mkdirSync(inner)
  const program = join(inner, 'tool')
  writeFileSync(program, '#!/usr/bin/true\n')
  chmodSync(program, 0o755)
  const file = commandFile({ run: { program } })
  assert.deepEqual(pointersOf(file), [])
  for (const [path, bad, good] of [
    [program, 0o775, 0o755],
    [inner, 0o757, 0o755],
    [folder, 0o770, 0o700],
  ] as const) {
    chmodSync(path, bad)
    assert.deepEqual(pointersOf(file), ['/run/program'], path)
    chmodSync(path, good)
  }
})
