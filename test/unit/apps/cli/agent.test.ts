/** `kosctl agent`: calls through it, what it does when things change beside it, and how it ends. */
import assert from 'node:assert/strict'
import { existsSync, renameSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { openMember } from '../../../../src/apps/node/index.ts'
import { systemRandom } from '../../../../src/foundation/base/index.ts'
import { startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { startTestAgent } from '../../../kit/agent.ts'

interface Status {
  readonly principal: string
  readonly peers: readonly string[]
  readonly calls: number
}

describe('kosctl agent', () => {
  const ends: (() => Promise<void>)[] = []
  after(async () => {
    for (const end of ends.toReversed()) await end()
  })
  let fabric: TestFabric

  const exec = (...words: readonly string[]): ReturnType<TestFabric['kosctl']> =>
    fabric.kosctl(['exec', ...words])
  const statusOf = async (): Promise<Status> => {
    const { out, err } = await fabric.kosctl(['agent', 'status', '--json'])
    assert.equal(err, '')
    return JSON.parse(out) as Status
  }

  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    await fabric.addNode('camera-1')
  })

  test('without one, status and stop say so', async () => {
    for (const what of ['status', 'stop']) {
      const { code, out, err } = await fabric.kosctl(['agent', what])
      assert.deepEqual([code, out], [4, ''])
      assert.match(err, /^No agent runs/)
    }
    const json = await fabric.kosctl(['agent', 'status', '--json'])
    assert.deepEqual(JSON.parse(json.out), { running: false })
  })

  test('calls go through it, over one session', async (context) => {
    const agent = await startTestAgent(context, fabric)
    assert.equal(statSync(agent.socket).mode & 0o777, 0o600)
    assert.equal(statSync(join(agent.socket, '..')).mode & 0o777, 0o700)
    assert.deepEqual(await exec('camera-1', 'calc', '1+2'), { code: 0, out: '3\n', err: '' })
    assert.equal((await exec('camera-1', 'echo', 'again')).out, 'again\n')
    const status = await statusOf()
    assert.deepEqual([status.peers, status.calls], [['camera-1'], 2])
    assert.match(status.principal, /\/user\/olga$/)
    const shown = await fabric.kosctl(['agent', 'status'])
    assert.match(shown.out, /^sessions +camera-1\ncalls +2$/m)
    assert.equal(await agent.stop(), 0)
    assert.ok(!existsSync(agent.socket))
  })

  test('a "no" and an error mean the same as without it', async (context) => {
    const agent = await startTestAgent(context, fabric)
    const cases = [
      ['camera-1', 'files.read', '/etc/shadow'],
      ['camera-1', 'calc', '1/0'],
      ['nobody', 'calc', '1'],
      ['camera-1', 'no.such', '--json'],
    ]
    const through = []
    for (const words of cases) through.push(await exec(...words))
    assert.equal((await statusOf()).calls, cases.length)
    await agent.stop()
    for (const [index, words] of cases.entries()) {
      assert.deepEqual(through[index], await exec(...words), words.join(' '))
    }
  })

  test('bytes and nested values come through as they are', async (context) => {
    const args = ['camera-1', 'echo', '--args', '{"value":{"a":[1,2.5,null,{"b":"c"}]}}', '--json']
    const plain = await exec(...args)
    const agent = await startTestAgent(context, fabric)
    assert.deepEqual(await exec(...args), plain)
    assert.equal((await statusOf()).calls, 1)
    await agent.stop()
  })

  test('what a peer can do is asked through it as well', async (context) => {
    const asked = [
      ['commands', 'list', 'camera-1', '--json'],
      ['commands', 'show', 'camera-1', 'calc'],
      ['commands', 'show', 'camera-1', 'no.such'],
      ['commands', 'list', 'nobody'],
    ]
    const plain = []
    for (const words of asked) plain.push(await fabric.kosctl(words))
    assert.deepEqual(
      plain.map(({ code }) => code),
      [0, 0, 1, 1],
    )
    const agent = await startTestAgent(context, fabric)
    for (const [index, words] of asked.entries()) {
      assert.deepEqual(await fabric.kosctl(words), plain[index], words.join(' '))
    }
    assert.equal((await statusOf()).calls, asked.length)
    await agent.stop()
  })

  test('another identity, and KOS_AGENT set to nothing, go without it', async (context) => {
    const { folder } = await fabric.addNode('camera-2')
    const agent = await startTestAgent(context, fabric)
    assert.equal((await exec('camera-1', 'calc', '1', '--identity', folder)).code, 3)
    assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '1'], { agent: '' })).code, 0)
    assert.equal((await statusOf()).calls, 0)
    await agent.stop()
  })

  test('a peer that another command removed is cut off from it, too', async (context) => {
    const agent = await startTestAgent(context, fabric)
    assert.equal((await exec('camera-2', 'calc', '1')).code, 0)
    assert.equal((await fabric.kosctl(['devices', 'remove', 'camera-2'])).code, 0)
    const gone = await exec('camera-2', 'calc', '1')
    assert.match(gone.err, /KOS_CLI_UNKNOWN_PEER/)
    assert.deepEqual((await statusOf()).peers, [])
    await agent.stop()
  })

  test('only one runs; what a killed one left behind is replaced', async (context) => {
    const agent = await startTestAgent(context, fabric)
    const second = await fabric.kosctl(['agent'])
    assert.equal(second.code, 1)
    assert.match(second.err, /KOS_CLI_AGENT\)\n {2}rule {2}running/)
    assert.equal(await agent.stop(), 0)
    // A socket that nobody listens on.
    const dead = createServer().listen(agent.socket)
    await once(dead, 'listening')
    const aside = join(agent.socket, '..', 'aside')
    renameSync(agent.socket, aside)
    dead.close()
    await once(dead, 'close')
    renameSync(aside, agent.socket)
    assert.equal((await exec('camera-1', 'calc', '1')).out, '1\n')
    assert.equal((await fabric.kosctl(['agent', 'status'])).code, 4)
    const again = await startTestAgent(context, fabric)
    assert.equal((await statusOf()).calls, 0)
    await again.stop()
  })

  test('it ends when a client asks, and when nobody asked for long', async (context) => {
    const first = await startTestAgent(context, fabric)
    assert.deepEqual(await fabric.kosctl(['agent', 'stop']), { code: 0, out: 'stopped\n', err: '' })
    assert.equal(await first.ended, 0)
    const idle = await startTestAgent(context, fabric, { args: ['--idle', '10m'] })
    fabric.clock.advance(9 * 60_000)
    assert.equal((await statusOf()).calls, 0)
    fabric.clock.advance(9 * 60_000)
    assert.equal((await statusOf()).calls, 0)
    fabric.clock.advance(11 * 60_000)
    assert.equal(await idle.ended, 0)
  })

  test('what it is told wrong is named', async () => {
    const bad = await fabric.kosctl(['agent', '--idle', 'long'])
    assert.equal(bad.code, 2)
    assert.equal((await fabric.kosctl(['agent'], { agent: '' })).code, 2)
    const long = await fabric.kosctl(['agent'], { agent: `/tmp/${'a'.repeat(120)}/socket` })
    assert.match(long.err, /rule {2}path/)
  })

  test('it renews the credential, and goes on with the new one', async (context) => {
    const agent = await startTestAgent(context, fabric)
    const generation = (): number => {
      const { clock, operator } = fabric
      const member = openMember({ clock, random: systemRandom }, { folder: operator })
      member?.close()
      return member?.membership.generation ?? 0
    }
    const before = generation()
    fabric.clock.advance(17 * 86_400_000)
    // The nodes' certificates live a day: what counts here is the operator's own.
    await exec('camera-1', 'calc', '1')
    assert.equal(generation(), before + 1)
    await exec('camera-1', 'calc', '1')
    assert.equal((await statusOf()).calls, 2)
    assert.equal(generation(), before + 1)
    await agent.stop()
  })
})
