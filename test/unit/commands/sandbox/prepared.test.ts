/** Sandboxes that are made ahead: each for one run, nothing of a run in the next, and none left over. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Broker, type BrokerEnd } from '../../../../src/commands/sandbox/broker.ts'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'
import {
  openSandbox,
  printed,
  processesWith,
  TEST_LIMITS,
  type TestSandbox,
  until,
} from '../../../kit/sandbox.ts'

/** The processes that the broker started: one bubblewrap for each sandbox. */
function sandboxes({ runner }: TestSandbox): readonly number[] {
  const pid = runner.brokerPid
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((text) => text !== '')
      .map(Number)
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('a run makes the sandbox of the next one, which is used once', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  assert.deepEqual(sandboxes(sandbox), [], 'a node that runs nothing has none')
  const used = new Set<number>()
  for (let count = 0; count < 5; count++) {
    assert.equal((await sandbox.script('true')).exitCode, 0)
    await until('one waits', () => sandboxes(sandbox).length === 1)
    const [next = 0] = sandboxes(sandbox)
    assert.ok(!used.has(next), 'the one that waited is gone')
    used.add(next)
  }
})

test('nothing of a run is there in the next one', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const look = 'ls -A /tmp /dev/shm 2>/dev/null; env; umask; pwd; ls /proc | grep -c "^[0-9]"; cat'
  const leave =
    'umask 0; echo secret > /tmp/left; (sleep 86394 &) ; export LEFT=1; cd /; cat >/dev/null'
  const first = printed(await sandbox.script(look, { environment: { PATH: '/usr/bin' } }))
  for (let count = 0; count < 3; count++) {
    await sandbox.script(leave, {
      environment: { PATH: '/usr/bin', LEFT: '2' },
      input: Buffer.from('left'),
    })
    assert.deepEqual(
      printed(await sandbox.script(look, { environment: { PATH: '/usr/bin' } })),
      first,
    )
  }
})

test('a prepared sandbox has the limits and the scratch space of the run that gets it', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const show =
    'ulimit -p; ulimit -n; ulimit -f; ulimit -t; ulimit -v; ulimit -c; ulimit -l; df -k /tmp | tail -n 1 | tr -s " " | cut -d " " -f 2'
  for (const change of [{}, { maxProcesses: 5, maxOpenFiles: 20 }, { maxFileBytes: 1 << 21 }, {}]) {
    const limits = { ...TEST_LIMITS, ...change }
    const { out } = printed(await sandbox.script(show, { limits }))
    assert.deepEqual(out.trim().split('\n').map(Number), [
      limits.maxProcesses + 1,
      limits.maxOpenFiles,
      limits.maxFileBytes / 512,
      limits.cpuSeconds,
      limits.maxMemoryBytes / 1024,
      0,
      0,
      limits.maxFileBytes / 1024,
    ])
    await until('one waits at most', () => sandboxes(sandbox).length === 1)
  }
})

test('what may be read besides /usr is never shown ahead', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const ended = await sandbox.script('true', { readOnlyPaths: ['/etc/hostname'] })
  assert.equal(ended.exitCode, 0)
  await until('none is left', () => sandboxes(sandbox).length === 0)
})

test('one that was killed is not given to a run', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  await sandbox.script('true')
  await until('one waits', () => sandboxes(sandbox).length === 1)
  const [prepared = 0] = sandboxes(sandbox)
  process.kill(prepared, 'SIGKILL')
  assert.equal((await sandbox.script('true')).exitCode, 0, 'known to be gone or not')
  assert.ok(!sandboxes(sandbox).includes(prepared))
})

test('what bubblewrap leaves when it is killed while it builds a sandbox ends with it', async (context) => {
  const broker = new Broker()
  context.after(() => broker.close())
  const folder = temporaryFolder(context)
  const marker = `86395.${process.pid}`
  for (const told of ['', '"child-pid": %d']) {
    const program = join(folder, `bubblewrap-${told.length}`)
    const halfway = `#!/usr/bin/perl
      my $inside = fork // die;
      exec '/usr/bin/sleep', '${marker}' if !$inside;
      open my $status, '>&=', $ARGV[1] or die;
      syswrite $status, sprintf '{ ${told} }', $inside;
      kill 'KILL', $$;`
    writeFileSync(program, halfway, { mode: 0o755 })
    const { promise, resolve } = Promise.withResolvers<BrokerEnd | undefined>()
    broker.make({ identity: undefined, before: [program], paths: [], after: [] }, resolve)
    const end = await promise
    assert.equal(end?.isBubblewrapKilled, true)
    assert.equal(end.isBegun, false)
    assert.deepEqual(processesWith(marker), [])
  }
})

test('it ends with its broker and with its runner', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const { runner } = sandbox
  await sandbox.script('true')
  await until('one waits', () => sandboxes(sandbox).length === 1)
  const [first = 0] = sandboxes(sandbox)
  process.kill(Number(runner.brokerPid), 'SIGKILL')
  await until('it ends with the broker', () => !isAlive(first))
  await until('the runner knows', () => runner.brokerPid === undefined)
  assert.equal((await sandbox.script('true')).exitCode, 0)
  await until('one waits again', () => sandboxes(sandbox).length === 1)
  const [second = 0] = sandboxes(sandbox)
  await runner.close()
  await until('it ends with the runner', () => !isAlive(second))
})

test('a waiting sandbox takes no place from runs', async (context) => {
  const sandbox = await openSandbox(context, { maxRuns: 2 })
  if (!sandbox) return
  const most = process.getuid?.() === 0 ? 2 : 1
  await sandbox.script('true')
  const controller = new AbortController()
  const nap = (): Promise<unknown> =>
    sandbox.run({ program: '/usr/bin/sleep', arguments: ['86393'], signal: controller.signal })
  const naps = Array.from({ length: most }, nap)
  const more = await sandbox.run({})
  assert.ok(isRefusal(more))
  assert.equal(more.code, 'KOS_SANDBOX_BUSY')
  controller.abort()
  await Promise.all(naps)
  assert.equal((await sandbox.script('true')).exitCode, 0)
})
