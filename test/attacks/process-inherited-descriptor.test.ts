/** Attack: a program uses a descriptor that the daemon inherited or opened. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { openSandbox } from '../kit/sandbox.ts'
import { temporaryFolder } from '../kit/temporary.ts'

/** A daemon in small: it lists what its program holds, and reads it where it can. */
const DAEMON = `
import { createProgramRunner, DEFAULT_PROBE_OPTIONS, systemProbeHost } from '${moduleUrl('src/commands/sandbox/index.ts')}'
import { silentLog, systemClock } from '${moduleUrl('src/foundation/base/index.ts')}'
import { TEST_LIMITS } from '${moduleUrl('test/kit/sandbox.ts')}'
const runner = createProgramRunner(
  { host: systemProbeHost, clock: systemClock, log: silentLog },
  { probe: DEFAULT_PROBE_OPTIONS, maxRuns: 1 },
)
const ended = await runner.run({
  program: '/usr/bin/sh',
  arguments: ['-c', 'for fd in /proc/self/fd/*; do echo "\${fd##*/}"; done; cat <&9'],
  environment: {},
  input: new Uint8Array(),
  readOnlyPaths: [],
  limits: TEST_LIMITS,
  signal: new AbortController().signal,
})
process.stdout.write(ended.stdout)
await runner.close()
`

function moduleUrl(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

test('a program holds its three streams and nothing else', async (context) => {
  if (!(await openSandbox(context))) return
  const file = join(temporaryFolder(context), 'secret')
  writeFileSync(file, 'canary')
  const open = openSync(file, 'r')
  // The daemon inherits the file as descriptors 3 to 9, as careless service managers do.
  const stdio = ['ignore', 'pipe', 'inherit', ...Array<number>(7).fill(open)] as const
  const daemon = spawn(process.execPath, ['--input-type=module-typescript', '-e', DAEMON], {
    stdio: [...stdio],
  })
  closeSync(open)
  let out = ''
  daemon.stdout?.on('data', (chunk: Buffer) => (out += String(chunk)))
  await once(daemon, 'close')
  // The shell itself opens one more to list the folder.
  assert.match(out, /^0\n1\n2\n(?:3\n)?$/)
})
