/** Attack: a caller asks for a stream and does not read, so that the node keeps what a program prints. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openSandbox, TEST_LIMITS, until } from '../kit/sandbox.ts'

const MIB = 1024 * 1024
/** Of 64 KiB each. */
const PIECES = 1024
/** What is read ahead of a reader: the window of the runner, a pipe, and what comes until the kill. */
const MOST_AHEAD = MIB

const url = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** A daemon of its own: the test runner itself holds on to what it follows. It prints its growth. */
const DAEMON = `
import { createProgramRunner, DEFAULT_PROBE_OPTIONS, systemProbeHost } from '${url('src/commands/sandbox/index.ts')}'
import { silentLog, systemClock } from '${url('src/foundation/base/index.ts')}'
import { TEST_LIMITS } from '${url('test/kit/sandbox.ts')}'
const runner = createProgramRunner(
  { host: systemProbeHost, clock: systemClock, log: silentLog },
  { probe: DEFAULT_PROBE_OPTIONS, maxRuns: 1 },
)
const pieces = ${PIECES}
const usedBytes = async () => {
  // The memory of buffers is freed in the background.
  for (let count = 0; count < 3; count++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}
let [taken, most, before] = [0, 0, 0]
const ended = await runner.run({
  program: '/usr/bin/perl',
  arguments: ['-e', '$| = 1; my $piece = "x" x 65536; print $piece for 1 .. ' + pieces],
  environment: {},
  input: new Uint8Array(),
  readOnlyPaths: [],
  limits: { ...TEST_LIMITS, maxOutputBytes: pieces * 65536 },
  signal: new AbortController().signal,
  onStdout: async (bytes) => {
    before ||= await usedBytes()
    taken += bytes.length
    await new Promise((resolve) => setImmediate(resolve))
    if (taken % 8388608 < bytes.length) most = Math.max(most, (await usedBytes()) - before)
  },
})
process.stdout.write(JSON.stringify({ exitCode: ended.exitCode, taken, most }))
await runner.close()
`

test('a program whose reader is slow waits at its pipe, and nothing is lost', async (context) => {
  if (!(await openSandbox(context))) return
  const args = ['--expose-gc', '--input-type=module-typescript', '-e', DAEMON]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const { exitCode, taken, most } = JSON.parse(stdout) as Record<string, number>
  assert.deepEqual([exitCode, taken], [0, PIECES * 65_536])
  // The window, twice: on its way to the daemon and in it, and what the engine has not freed yet.
  assert.ok(Number(most) < 8 * MIB, `memory grew by ${most} bytes`)
})

test('while the reader takes nothing, the program is stopped and the rest of the node is not', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  let written = 0
  const { promise: stalled, resolve: read } = Promise.withResolvers<void>()
  const controller = new AbortController()
  const running = sandbox.script('while :; do printf %065536d 1; done', {
    signal: controller.signal,
    limits: { ...TEST_LIMITS, maxOutputBytes: 64 * MIB },
    onStdout: async (bytes) => {
      written += bytes.length
      await stalled
    },
  })
  await until('the first piece came', () => written > 0)
  // Other programs run while this one waits.
  for (let count = 0; count < 5; count++) assert.equal((await sandbox.script('true')).exitCode, 0)
  controller.abort()
  read()
  const ended = await running
  assert.equal(ended.reason, 'cancelled')
  // Everything that was read or lay in the pipe has come by now.
  assert.ok(written <= MOST_AHEAD, `${written} bytes`)
})

test('a reader that fails ends the program, and its error is told', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const running = sandbox.script('while :; do echo; done', {
    onStdout: () => Promise.reject(new Error('gone')),
  })
  await assert.rejects(running, /gone/)
  assert.equal((await sandbox.script('true')).exitCode, 0)
})
