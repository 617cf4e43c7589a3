/**
 * Somebody prepares the place of the agent’s socket: a folder that others may write to, a folder above
 * it that they may rename, a link, a file that is no socket, a socket of another user. An agent does not
 * start there, and a client does not ask there.
 */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { placeRefusal } from '../../src/apps/cli/agent-place.ts'
import { startTestAgent } from '../kit/agent.ts'
import { startFabric, type TestFabric } from '../kit/fabric.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const ANOTHER_USER = 65_534
const isRoot = process.getuid?.() === 0

describe('the place of the agent’s socket', () => {
  const ends: (() => Promise<void>)[] = []
  after(async () => {
    for (const end of ends.toReversed()) await end()
  })
  let fabric: TestFabric
  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    await fabric.addNode('camera-1')
  })

  for (const mode of [0o777, 0o1777, 0o720, 0o750, 0o701]) {
    test(`a folder of mode ${mode.toString(8)} is refused by agent and client`, async (context) => {
      const folder = join(temporaryFolder(context), 'shared')
      mkdirSync(folder)
      chmodSync(folder, mode)
      const socket = join(folder, 'socket')
      const started = await fabric.kosctl(['agent'], { agent: socket })
      assert.equal(started.code, 1)
      assert.match(started.err, /KOS_CLI_AGENT_PLACE\)\n.*\n {2}rule {2}folder/)
      writeFileSync(socket, '')
      const called = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'], { agent: socket })
      assert.deepEqual([called.code, called.out], [0, '3\n'])
      assert.match(called.err, /^warning {2}the agent at .* is not used: .* \(folder\)$/m)
      assert.equal((await fabric.kosctl(['agent', 'stop'], { agent: socket })).code, 1)
    })
  }

  test('a folder above that others may write to is refused', (context) => {
    const above = temporaryFolder(context)
    const folder = join(above, 'own')
    mkdirSync(folder, { mode: 0o700 })
    assert.equal(placeRefusal(join(folder, 'socket')), undefined)
    chmodSync(above, 0o777)
    assert.equal(placeRefusal(join(folder, 'socket'))?.rule, 'above')
    // As in /tmp: nobody may rename what belongs to others.
    chmodSync(above, 0o1777)
    assert.equal(placeRefusal(join(folder, 'socket')), undefined)
  })

  test('links and files are no sockets', (context) => {
    const above = temporaryFolder(context)
    const folder = join(above, 'own')
    mkdirSync(folder, { mode: 0o700 })
    symlinkSync(folder, join(above, 'link'))
    assert.equal(placeRefusal(join(above, 'link', 'socket'))?.rule, 'folder')
    writeFileSync(join(folder, 'socket'), '')
    assert.equal(placeRefusal(join(folder, 'socket'))?.rule, 'socket')
    assert.equal(placeRefusal(join(above, 'nowhere', 'socket'))?.rule, 'folder')
  })

  test(
    'a socket or folder of another user is not used',
    {
      skip: isRoot ? false : 'only root can give a socket away',
    },
    async (context) => {
      const agent = await startTestAgent(context, fabric)
      chownSync(agent.socket, ANOTHER_USER, ANOTHER_USER)
      const called = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
      assert.deepEqual([called.code, called.out], [0, '3\n'])
      assert.match(called.err, /not safe \(socket\)/)
      const folder = join(temporaryFolder(context), 'theirs')
      mkdirSync(folder, { mode: 0o700 })
      chownSync(folder, ANOTHER_USER, ANOTHER_USER)
      assert.equal(placeRefusal(join(folder, 'socket'))?.rule, 'folder')
      const moved = join(folder, 'moved')
      renameSync(agent.socket, moved)
      assert.equal(placeRefusal(moved)?.rule, 'folder')
      await agent.stop()
    },
  )
})
