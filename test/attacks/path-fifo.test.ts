/**
 * Attack: a FIFO or a device in the shared folder blocks the daemon for ever, or is triggered by being
 * opened.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { builtin, runCommand } from '../kit/commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('a FIFO is refused at once, and no writer ever sees a reader', async (context) => {
  const share = temporaryFolder(context)
  const fifo = join(share, 'fifo')
  execFileSync('mkfifo', [fifo])
  const read = builtin('files.read', [{ name: 'share', directory: share }])
  assert.equal((await runCommand(read, { path: 'share/fifo' }))['rule'], 'files/not-regular')
  // Without a reader, a writer that does not block is told so.
  assert.throws(() => openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK), { code: 'ENXIO' })
})

test('a FIFO with a writer loses none of its content', async (context) => {
  const share = temporaryFolder(context)
  const fifo = join(share, 'fifo')
  execFileSync('mkfifo', [fifo])
  const both = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  context.after(() => closeSync(both))
  writeSync(both, 'for somebody else')
  const read = builtin('files.read', [{ name: 'share', directory: share }])
  assert.equal((await runCommand(read, { path: 'share/fifo' }))['rule'], 'files/not-regular')
  const buffer = Buffer.alloc(100)
  assert.equal(buffer.toString('utf8', 0, readSync(both, buffer)), 'for somebody else')
})

test('devices and terminals are refused', async () => {
  const read = builtin('files.read', [{ name: 'dev', directory: '/dev' }])
  for (const name of ['null', 'zero', 'random', 'tty']) {
    const { rule } = await runCommand(read, { path: `dev/${name}` })
    assert.match(String(rule), /^files\/(?:not-regular|missing)$/, name)
  }
})
