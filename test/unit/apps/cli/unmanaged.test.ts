/** `kosd node` that never joined: SEC-0, which may raise alerts and nothing else. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog, systemRandom } from '../../../../src/foundation/base/index.ts'
import { main as kosdMain } from '../../../../src/apps/cli/kosd.ts'
import { startUnmanaged } from '../../../../src/apps/node/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import {
  type CapturedTerminal,
  captureTerminal,
  eventually,
  startFabric,
  testWorld,
} from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

interface Started {
  readonly terminal: CapturedTerminal
  readonly stop: () => Promise<number>
}

function start(context: TestContext, argv: readonly string[]): Started {
  const abort = new AbortController()
  const terminal = captureTerminal()
  const ended = kosdMain(['node', ...argv], terminal, testWorld({ signal: abort.signal }))
  const stop = (): Promise<number> => {
    abort.abort()
    return ended
  }
  context.after(stop)
  return { terminal, stop }
}

test('without joining it says what it is, listens nowhere, and names the command that joins', async (context) => {
  const folder = join(temporaryFolder(context), 'node')
  const { terminal, stop } = start(context, ['--state', folder])
  await eventually(() => terminal.printed.out.includes('join with'))
  const { out } = terminal.printed
  assert.match(out, /^profile {4}kOS-SEC-0: unmanaged/m)
  assert.match(out, /^listens {4}nowhere/m)
  assert.match(out, /^alerts {5}none: --authority and --pin$/m)
  assert.match(out, /^join with {2}kosctl token create --name NAME \| kosd node --join -$/m)
  const file = join(folder, 'status.json')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const status = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  assert.deepEqual([status['profile'], status['alertsSent']], ['SEC-0', 0])
  assert.equal(await stop(), 0)
  assert.equal(existsSync(file), false)
})

test('it asks to join by an alert, and says what the operator should know', async (context) => {
  const fabric = await startFabric(context)
  const { api, pin } = fabric.authority
  const folder = join(temporaryFolder(context), 'node')
  const options = ['--authority', `${api.host}:${api.port}`, '--pin', pin]
  const { terminal, stop } = start(
    context,
    ['--state', folder, '--alert', 'smoke in the cellar'].concat(options),
  )
  await eventually(() => terminal.printed.out.includes('join with'))
  const list = async (): Promise<{ kind: string; text: string; trust: string }[]> => {
    const ran = await fabric.kosctl(['alerts', '--json'])
    return (JSON.parse(ran.out) as { alerts: { kind: string; text: string; trust: string }[] })
      .alerts
  }
  await eventually(async () => (await list()).length === 2)
  const [ask, alert] = await list()
  assert.match(ask?.text ?? '', /asks to join$/)
  assert.deepEqual(
    [ask?.kind, alert?.kind, alert?.text, alert?.trust],
    ['join-request', 'alert', 'smoke in the cellar', 'unauthenticated'],
  )
  assert.equal(await stop(), 0)
})

test('it tells nobody but the pinned authority', async (context) => {
  const fabric = await startFabric(context)
  const { api } = fabric.authority
  const running = startUnmanaged(
    { clock: fabric.clock, random: systemRandom, log: silentLog },
    {
      folder: temporaryFolder(context),
      device: 'cellar',
      authority: { ...api, pin: Buffer.alloc(32, 1).toString('base64url') },
      texts: [],
    },
  )
  await eventually(() => running.status.lastProblem !== undefined)
  assert.equal(running.status.lastProblem, 'KOS_NODE_AUTHORITY_UNTRUSTED')
  assert.equal(running.status.alertsWaiting, 1)
  await running.stop()
  const shown = await fabric.kosctl(['alerts', '--json'])
  assert.deepEqual((JSON.parse(shown.out) as { alerts: unknown[] }).alerts, [])
})

test('attempts stay within the budget of an hour, however long nobody answers', async (context) => {
  const clock = createTestClock()
  let attempts = 0
  const log = { ...silentLog, event: () => void attempts++ }
  const running = startUnmanaged(
    { clock, random: systemRandom, log },
    {
      folder: temporaryFolder(context),
      device: 'cellar',
      authority: { host: '127.0.0.1', port: 1, pin: Buffer.alloc(32).toString('base64url') },
      texts: [],
    },
  )
  for (let minute = 0; minute < 60; minute++) {
    const before = attempts
    // One attempt waits for its refused connection.
    await eventually(() => clock.pendingTimers > 0)
    clock.advance(60_000)
    await eventually(() => clock.pendingTimers > 0)
    assert.ok(attempts - before <= 12)
  }
  assert.ok(attempts > 1 && attempts <= 22, String(attempts))
  await running.stop()
  assert.equal(clock.pendingTimers, 0)
})

test('options that do not belong together are refused', async (context) => {
  const folder = temporaryFolder(context)
  const cases = [
    ['--authority', '192.0.2.1:7400'],
    ['--pin', 'x'],
    ['--alert', 'x'],
    ['--authority', '192.0.2.1:7400', '--pin', 'x'],
  ]
  for (const options of cases) {
    const { stop } = start(context, ['--state', folder, ...options])
    assert.equal(await stop(), 2, options.join(' '))
  }
})
