/** Attack: a command file shows its program the keys of the node, or the programs of everybody. */
import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { commandFile } from '../kit/user-commands.ts'

test('state is not shown by any path, and what is not named is not there', async (context) => {
  const fabric = await startFabric(context)
  const { folder, running } = await fabric.addNode('camera-1')
  const refusedFor = async (reads: readonly string[]): Promise<string> => {
    const run = { program: '/usr/bin/printf', arguments: ['%s', '{word}'], reads }
    writeFileSync(join(folder, 'commands', 'say.word.json'), JSON.stringify(commandFile({ run })), {
      mode: 0o600,
    })
    running.reloadCommands()
    const { out } = await fabric.kosctl(['commands', 'list', 'camera-1', '--json'])
    const { refused } = JSON.parse(out) as {
      readonly refused: readonly { readonly reason: string }[]
    }
    return refused[0]?.reason ?? 'accepted'
  }
  symlinkSync(folder, join(fabric.folder, 'link'))
  for (const path of [folder, join(folder, 'node.sqlite'), fabric.folder, '/', '/proc', '/dev']) {
    assert.match(await refusedFor([path]), /^\/run\/reads\/0 /, path)
  }
  assert.match(
    await refusedFor([join(fabric.folder, 'link')]),
    /^\/run\/reads\/0 is not its real path/,
  )
  assert.equal(await refusedFor(['/usr/share']), 'accepted')
})
