/** Attack: a module reaches for files, processes, the network, the daemon's environment or its code. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../kit/commands.ts'
import { moduleCommand, sandbox } from '../kit/user-commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

/** What each attempt comes to: `got` when it worked. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  'read a file': `(await import('node:fs')).readFileSync(value); return 'got'`,
  'list a folder': `(await import('node:fs')).readdirSync('/'); return 'got'`,
  'write a file': `(await import('node:fs')).writeFileSync('/tmp/x', 'x'); return 'got'`,
  'start a program': `(await import('node:child_process')).execFileSync('/usr/bin/id'); return 'got'`,
  'start a thread': `new (await import('node:worker_threads')).Worker('1', { eval: true }); return 'got'`,
  'import another file': `await import('file://' + value); return 'got'`,
  'make code of a text': `return eval('"got"')`,
  'make a function of a text': `return new Function('return "got"')()`,
  'see the environment': `return Object.keys(process.env).includes('KOS_TEST_SECRET') ? 'got' : 'nothing'`,
}

test('each attempt fails, and no word of it is told', async (context) => {
  const folder = temporaryFolder(context)
  const secret = join(folder, 'secret.mjs')
  writeFileSync(secret, '"s3cret"', { mode: 0o600 })
  process.env['KOS_TEST_SECRET'] = 's3cret'
  context.after(() => delete process.env['KOS_TEST_SECRET'])
  const programs = await sandbox(context)
  if (!programs) return
  for (const [title, body] of Object.entries(ATTEMPTS)) {
    const text = `export async function run({ value }) {
      const attempt = async () => { ${body} }
      return { value: await attempt().catch((error) => 'failed ' + error.constructor.name) }
    }`
    const command = moduleCommand(text, { folder, programs })
    const { value } = await runCommand(command, { value: secret })
    assert.match(String(value), /^(?:failed \w*Error|nothing)$/, title)
  }
})

test('nothing is reached over the network, not even on this machine', async (context) => {
  const folder = temporaryFolder(context)
  let reached = 0
  const server = createServer((socket) => {
    reached++
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const text = `import { connect } from 'node:net'
    export const run = ({ value }) => new Promise((resolve) => {
      const answer = (value) => resolve({ value })
      try {
        connect(Number(value), '127.0.0.1', () => answer('got')).on('error', () => answer('failed'))
      } catch { answer('failed') }
    })`
  const programs = await sandbox(context)
  if (!programs) return
  const command = moduleCommand(text, { folder, programs })
  const { value } = await runCommand(command, { value: String(address.port) })
  assert.equal(value, 'failed')
  assert.equal(reached, 0)
})
