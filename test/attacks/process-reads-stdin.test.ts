/** Attack: a program waits for input that never comes, or does not read what comes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, printed } from '../kit/sandbox.ts'

test('standard input is empty and ends at once where there is none', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const ended = await sandbox.script('cat; echo "end $?"')
  assert.equal(printed(ended).out, 'end 0\n')
})

test('input arrives whole and ends; one that nobody reads is dropped', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const input = Buffer.alloc(300_000, 'abc')
  const counted = await sandbox.script('wc -c', { input })
  assert.equal(printed(counted).out, '300000\n')
  const ignored = await sandbox.script('exec 0<&-; echo done', { input })
  assert.deepEqual([ignored.exitCode, printed(ignored).out], [0, 'done\n'])
})
