/** `kosctl shell`: scripted lines, a terminal in this process, history, completion. */
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { KOSCTL } from '../../../../src/apps/cli/main.ts'
import { completeLine } from '../../../../src/apps/cli/shell-completion.ts'
import { openHistory } from '../../../../src/apps/cli/shell-history.ts'
import { splitWords } from '../../../../src/apps/cli/shell-words.ts'
import { captureTerminal, eventually, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

test('words are split as quotation says, and nothing is expanded', () => {
  for (const [line, words] of [
    ['', []],
    ['  calc  1+2 ', ['calc', '1+2']],
    [`a 'b c' "d \\"e\\\\" f\\ g`, ['a', 'b c', 'd "e\\', 'f g']],
    [`a''b "" $HOME *`, ['ab', '', '$HOME', '*']],
  ] as const) {
    assert.deepEqual(splitWords(line), words, line)
  }
  for (const line of ["a 'b", 'a "b', 'a\\']) {
    assert.throws(() => splitWords(line), { code: 'KOS_CLI_USAGE' }, line)
  }
})

test('history is bounded, private, and keeps no join line', (context) => {
  const folder = temporaryFolder(context)
  const history = openHistory(folder)
  for (let line = 0; line < 600; line++) history.add(`calc ${line}`)
  history.add('calc 599')
  history.add('node --join kos://127.0.0.1:7400#pin.token.secret')
  const path = join(folder, 'shell-history')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.ok(!readFileSync(path, 'utf8').includes('kos://'))
  const again = openHistory(folder)
  assert.deepEqual([again.lines.length, again.lines[0]], [500, 'calc 599'])
  writeFileSync(path, 'calc 1\n\u001b[2J\ncalc 2\n')
  assert.deepEqual(openHistory(folder).lines, ['calc 2', 'calc 1'])
})

test('completion: commands, peers, and what a peer offers', () => {
  const at = (line: string, isConnected = false): readonly string[] =>
    completeLine(line, {
      commands: KOSCTL.commands,
      peerNames: () => ['camera-1', 'door-7'],
      isConnected,
    })[0]
  assert.deepEqual(at('@c'), ['@camera-1'])
  assert.deepEqual(at('@camera-1 ca'), ['calc'])
  assert.deepEqual(at('connect d'), ['door-7'])
  assert.deepEqual(at('dev'), ['devices', 'device'])
  assert.deepEqual(at('devices show c'), ['camera-1'])
  assert.deepEqual([at('calc'), at('calc', true)], [[], ['calc']])
  assert.ok(at('').includes('connect'))
})

describe('a shell', () => {
  const ends: (() => Promise<void>)[] = []
  after(() => Promise.all(ends.map((end) => end())))
  let fabric: TestFabric
  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    await fabric.addNode('camera-1')
  })

  const script = (
    lines: readonly string[],
    ...args: readonly string[]
  ): ReturnType<TestFabric['kosctl']> => {
    const input = new PassThrough()
    input.end(lines.join('\n'))
    const streams = { input, output: new PassThrough(), isTerminal: false }
    return fabric.kosctl(['shell', ...args], { streams })
  }

  test('runs lines in turn over one session; the first failure is its exit code', async () => {
    const ran = await script([
      '# a comment',
      '@camera-1 calc 1+2',
      'connect camera-1',
      "echo 'a  b'",
      'calc 1/0',
      'files.read /etc/shadow',
      'peers',
      'exit',
      'calc 9',
    ])
    assert.equal(ran.code, 1)
    assert.match(ran.out, /^3\nconnected to camera-1\na {2}b\n {2}NAME +KIND +ADDRESS\n/)
    assert.match(ran.out, /^\* camera-1 +device +127\.0\.0\.1:\d+$/m)
    assert.doesNotMatch(ran.out, /^9$/m)
    assert.match(ran.err, /^failed +calc on camera-1\n[^]*^refused +files.read on camera-1$/m)
  })

  test('says what is wrong, and goes on', async () => {
    const ran = await script(['calc 1', 'connect', '@ calc', 'shell', "x 'y", 'devices', 'help'])
    assert.equal(ran.code, 2)
    assert.equal(ran.err.match(/KOS_CLI_USAGE/g)?.length, 5)
    assert.match(ran.out, /^camera-1 +kdev-[^]*@PEER COMMAND/m)
    assert.equal((await script(['connect nobody'])).code, 1)
    assert.equal((await script([])).code, 0)
  })

  test('--json prints every line as JSON', async () => {
    const ran = await script(['@camera-1 calc 1+2'], '--json')
    const { value } = JSON.parse(ran.out) as { value: { result: unknown } }
    assert.ok(value)
  })

  test('on a terminal: prompt, history, end of input', async () => {
    const input = new PassThrough()
    const output = new PassThrough()
    const shown: string[] = []
    output.setEncoding('utf8').on('data', (text: string) => shown.push(text))
    const terminal = captureTerminal({ interactive: true })
    const streams = { input, output, isTerminal: true }
    const ended = fabric.kosctl(['shell'], { streams, terminal })
    await eventually(() => shown.join('').includes('kos> '))
    input.write('connect camera-1\r')
    await eventually(() => shown.join('').includes('kos camera-1> '))
    input.write('calc 6*7\r')
    await eventually(() => terminal.printed.out.includes('42\n'))
    input.write('\u0004')
    assert.equal((await ended).code, 0)
    const kept = readFileSync(join(fabric.operator, 'shell-history'), 'utf8')
    assert.equal(kept, 'connect camera-1\ncalc 6*7\n')
  })
})
