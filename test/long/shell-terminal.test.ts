/** `kosctl shell` as somebody types it: a process of its own on a pseudo-terminal. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFabric, type TestFabric } from '../kit/fabric.ts'
import { noTerminal, sitDown, type Typist } from '../kit/terminal.ts'
import { commandFile } from '../kit/user-commands.ts'

const [TAB, ENTER, UP, CTRL_C, CTRL_D] = ['\t', '\r', '\u001b[A', '\u0003', '\u0004']

/** Types the begin of a word and Tab, and waits for its end. */
async function complete(typist: Typist, word: string, rest: RegExp): Promise<void> {
  typist.type(word)
  await typist.sees(new RegExp(word))
  typist.type(TAB)
  await typist.sees(rest)
}

/** Whether a program with this argument runs on this machine. */
function runs(argument: string): boolean {
  return readdirSync('/proc').some((name) => {
    try {
      return (
        /^[0-9]+$/.test(name) &&
        readFileSync(`/proc/${name}/cmdline`, 'utf8').endsWith(`/sleep\0${argument}\0`)
      )
    } catch {
      return false
    }
  })
}

/** Looks at it seldom: every look reads a file per process. */
async function untilRuns(argument: string, wanted: boolean): Promise<void> {
  for (let turn = 0; runs(argument) !== wanted; turn++) {
    assert.ok(turn < 300, `the program ${wanted ? 'runs' : 'is stopped'}`)
    await sleep(100)
  }
}

describe('kosctl shell on a terminal', { skip: noTerminal }, () => {
  const ends: (() => Promise<void>)[] = []
  after(() => Promise.all(ends.map((end) => end())))
  let fabric: TestFabric
  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    const { folder, running } = await fabric.addNode('camera-1')
    mkdirSync(join(folder, 'commands'), { recursive: true, mode: 0o700 })
    const wait = { name: 'wait.for', run: { program: '/usr/bin/sleep', arguments: ['{word}'] } }
    writeFileSync(join(folder, 'commands/wait.for.json'), JSON.stringify(commandFile(wait)), {
      mode: 0o600,
    })
    running.reloadCommands()
    // The directory that the operator keeps knows the node from its first call on.
    assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])).code, 0)
  })

  test('prompt, completion, history, and the end of input', async (context) => {
    const typist = sitDown(context, ['shell'], { KOS_CONFIG: fabric.operator })
    await typist.sees(/kos> /)
    // Key by key: in text that comes all at once, a tab is part of the text.
    await complete(typist, 'conn', /ect/)
    await complete(typist, ' cam', /era-1/)
    typist.type(ENTER)
    await typist.sees(/connected to camera-1\r\n/)
    await typist.sees(/kos camera-1> /)
    typist.type(`calc 6*7${ENTER}`)
    await typist.sees(/\n42\r\n/)
    typist.type(`calc 1+2${ENTER}`)
    await typist.sees(/\n3\r\n/)
    typist.type(`${UP}${UP}${ENTER}`)
    await typist.sees(/\n42\r\n/)
    typist.type(CTRL_D)
    assert.equal(await typist.ended, 0)
  })

  test('the history of the shell before is there', async (context) => {
    const typist = sitDown(context, ['shell'], { KOS_CONFIG: fabric.operator })
    await typist.sees(/kos> /)
    typist.type(`conn${UP}${ENTER}`)
    await typist.sees(/connected to camera-1\r\n/)
    typist.type(`exit${ENTER}`)
    assert.equal(await typist.ended, 0)
  })

  test('Ctrl-C cancels what runs on the peer, drops a line, and ends nothing else', async (context) => {
    const typist = sitDown(context, ['shell'], { KOS_CONFIG: fabric.operator })
    await typist.sees(/kos> /)
    const seconds = `${9 + process.pid / 1e8}`
    typist.type(`@camera-1 wait.for ${seconds}${ENTER}`)
    await untilRuns(seconds, true)
    typist.type(CTRL_C)
    await typist.sees(/cancel/i)
    await untilRuns(seconds, false)
    await typist.sees(/kos> /)
    typist.type(`@camera-1 calc 8*8${CTRL_C}`)
    await typist.sees(/8\*8[^]*kos> /)
    typist.type(`@camera-1 calc 5*5${ENTER}`)
    await typist.sees(/\n25\r\n/)
    typist.type(CTRL_D)
    assert.equal(await typist.ended, 0)
  })
})
