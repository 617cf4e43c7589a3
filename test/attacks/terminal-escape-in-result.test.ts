/**
 * A peer answers with control sequences: they would move the cursor, rename the window, hide lines or
 * reverse text on the operator's terminal. Whatever a peer says is printed harmlessly.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { captureTerminal, eventually, startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'

const CLEAR = '\u001b[2J\u001b[1;1H'
const TITLE = '\u001b]0;pwned\u0007'
const C1 = '\u009b31m'
const BIDI = '\u202e\u2066'
const EVIL = `a${CLEAR}b${TITLE}c${C1}d${BIDI}e\rf\u007f`

/** Whether a text does anything to a terminal but write letters and end lines. */
function isHarmless(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  return !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text)
}

test('a rogue peer’s results and refusals', async (context) => {
  const fabric = await startFabric(context)
  await startRogue(context, fabric, {
    name: 'rogue',
    onCall: ({ command }) => {
      switch (command) {
        case 'text':
          return { status: 'ok', value: { text: EVIL } }
        case 'lines':
          return { status: 'ok', value: { content: `one\n${EVIL}\nthree\n` } }
        case 'single':
          return { status: 'ok', value: { answer: EVIL } }
        case 'deep':
          return { status: 'ok', value: { [EVIL]: [EVIL, { [EVIL]: EVIL }], n: 1n } }
        case 'bytes':
          return { status: 'ok', value: { raw: Buffer.from(EVIL) } }
        case 'refused':
          return { status: 'refused', code: 'KOS_X', rule: EVIL, remedy: EVIL, retryAfterMs: 5 }
        default:
          return { status: 'failed', code: 'KOS_X', rule: EVIL }
      }
    },
  })
  for (const command of ['text', 'lines', 'single', 'deep', 'bytes', 'refused', 'failed']) {
    for (const json of [[], ['--json']]) {
      const ran = await fabric.kosctl(['exec', 'rogue', command, ...json])
      const all = ran.out + ran.err
      assert.ok(isHarmless(all), `${command} ${json.join()}: ${JSON.stringify(all)}`)
      // It is not left out either: the letters between are there.
      if (command !== 'bytes') assert.match(all, /a.*b.*c.*d.*e/s, command)
    }
  }
  const lines = await fabric.kosctl(['exec', 'rogue', 'lines'])
  assert.deepEqual(lines.out.split('\n').length, 4)
  // JSON says the same as before.
  const json = await fabric.kosctl(['exec', 'rogue', 'single', '--json'])
  const { value } = JSON.parse(json.out) as { value: { answer: string } }
  assert.equal(value.answer, EVIL)
})

test('on a terminal with colours the only sequences are our own', async (context) => {
  const fabric = await startFabric(context)
  await startRogue(context, fabric, {
    name: 'rogue',
    onCall: () => ({ status: 'refused', code: 'KOS_X', rule: EVIL }),
  })
  const terminal = captureTerminal({ colour: true })
  const ran = await fabric.kosctl(['exec', 'rogue', 'x'], { terminal })
  // oxlint-disable-next-line no-control-regex -- the colours that kosctl itself writes
  assert.ok(isHarmless(ran.err.replaceAll(/\u001b\[(?:31|39)m/g, '')))
})

test('names of files and what is in them, of an honest node', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  writeFileSync(join(node.folder, 'share', `x${CLEAR}`), EVIL)
  const listed = await fabric.kosctl(['exec', 'camera-1', 'files.list', 'share'])
  assert.equal(listed.code, 0)
  assert.ok(isHarmless(listed.out))
  const echoed = await fabric.kosctl(['exec', 'camera-1', 'echo', EVIL])
  assert.ok(isHarmless(echoed.out + echoed.err))
})

test('what a node forwards into the audit log', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await node.running.audit.append({
    type: 'call',
    actor: EVIL,
    target: EVIL,
    action: EVIL,
    outcome: 'ok',
    rule: EVIL,
    detail: { [CLEAR]: EVIL },
  })
  await node.running.audit.flush()
  await node.running.link.forward()
  const tail = ['audit', 'tail', '--count', '50']
  await eventually(async () => (await fabric.kosctl(tail)).out.includes('pwned'))
  assert.ok(isHarmless((await fabric.kosctl(tail)).out))
  assert.ok(isHarmless((await fabric.kosctl([...tail, '--json'])).out))
  const terminal = captureTerminal({ colour: true })
  const painted = await fabric.kosctl(tail, { terminal })
  // oxlint-disable-next-line no-control-regex -- the colours that kosctl itself writes
  assert.ok(isHarmless(painted.out.replaceAll(/\u001b\[(?:2|22|3[0-9])m/g, '')))
})
