/** `kosd authority`, `kosd node` and every command of `kosctl`, in process, from the words a person types. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../../../src/foundation/base/index.ts'
import { main as kosctl } from '../../../../src/apps/cli/main.ts'
import { main as kosd } from '../../../../src/apps/cli/kosd.ts'
import { type CapturedTerminal, captureTerminal, testWorld } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

/** Two folders, and the programs run in them. */
class Desk {
  readonly folder: string
  readonly #context: TestContext

  constructor(context: TestContext) {
    this.#context = context
    this.folder = temporaryFolder(context)
  }

  #world(input: string, signal?: AbortSignal): ReturnType<typeof testWorld> {
    const environment = {
      home: this.folder,
      config: join(this.folder, 'config'),
      state: join(this.folder, 'state'),
      isRoot: false,
      user: 'Olga',
    }
    const readInput = (): string => input
    return testWorld({ clock: systemClock, environment, readInput, ...(signal && { signal }) })
  }

  async kosctl(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    // The gate takes five connections a second from one address.
    await new Promise((resolve) => setTimeout(resolve, 220))
    const terminal = captureTerminal()
    const code = await kosctl(args, terminal, this.#world(''))
    return { code, ...terminal.printed }
  }

  async kosd(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    const terminal = captureTerminal()
    const code = await kosd(args, terminal, this.#world(''))
    return { code, ...terminal.printed }
  }

  /** Starts a daemon and waits until it says that it is there. */
  async daemon(
    args: readonly string[],
    input = '',
  ): Promise<{ stop(): Promise<number>; terminal: CapturedTerminal }> {
    const end = new AbortController()
    const terminal = captureTerminal()
    const running = kosd(args, terminal, this.#world(input, end.signal))
    let hasEnded = false
    void running.finally(() => {
      hasEnded = true
    })
    while (!/^(pin|address) +\S/m.test(terminal.printed.out)) {
      assert.ok(!hasEnded, terminal.printed.err)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const stop = (): Promise<number> => {
      end.abort()
      return running
    }
    this.#context.after(stop)
    return { stop, terminal }
  }
}

const ANY = ['--listen', '127.0.0.1:0']

test('an authority, a node that joins by standard input, and the commands of an operator', async (context) => {
  const desk = new Desk(context)
  const authority = await desk.daemon(['authority', ...ANY, '--session', '127.0.0.1:0'])
  assert.match(authority.terminal.printed.out, /operator +credential written/)
  const token = await desk.kosctl('token', 'create', '--name', 'camera-1', '--ttl', '5m')
  assert.match(token.out, /^kos:\/\/127\.0\.0\.1:/)
  const node = await desk.daemon(['node', '--join', '-', ...ANY], token.out)
  assert.match(node.terminal.printed.out, /joined +spiffe:.*\nnode +camera-1\n/)

  assert.match((await desk.kosctl('token', 'list')).out, /camera-1 +device +SEC-2 +spent/)
  assert.match((await desk.kosctl('token', 'list', '--json')).out, /"state": "spent"/)
  assert.match((await desk.kosctl('devices')).out, /camera-1/)
  assert.match((await desk.kosctl('devices', '--all', '--json')).out, /"kind": "user"/)
  assert.match((await desk.kosctl('devices', 'show', 'camera-1')).out, /profile +kOS-SEC-2/)
  assert.match((await desk.kosctl('devices', 'show', 'camera-1', '--json')).out, /"SEC-2"/)
  const labelled = await desk.kosctl('devices', 'label', 'camera-1', 'site=yard', '--group', 'cams')
  assert.match(labelled.out, /labels +site=yard/)
  assert.match((await desk.kosctl('devices', 'label', 'camera-1', 'site-')).out, /labels +-/)
  assert.equal((await desk.kosctl('devices', 'rename', 'camera-1', 'yard')).code, 0)

  assert.equal((await desk.kosctl('exec', 'yard', 'calc', '2^10')).out, '1024\n')
  const echoed = await desk.kosctl('exec', 'yard', 'echo', '--args', '{"value":"a\\u001b[2Jb"}')
  assert.ok(!echoed.out.includes('\u001b'))
  assert.match((await desk.kosctl('exec', 'yard', 'calc', '1/0')).err, /failed/)
  assert.match((await desk.kosctl('exec', 'yard', 'system.info', '--json')).out, /"status": "ok"/)
  assert.match((await desk.kosctl('exec', 'yard', 'system.status')).out, /sessions/)

  const shown = await desk.kosctl('policy', 'show')
  const file = join(desk.folder, 'fleet.json')
  writeFileSync(file, shown.out)
  const applied = await desk.kosctl('policy', 'apply', file)
  assert.match(applied.out, /in force/, applied.err + shown.err)
  assert.match((await desk.kosctl('audit', 'tail', '--count', '50', '--all')).out, /device/)
  assert.match((await desk.kosctl('audit', 'verify')).out, /verified/)
  assert.match((await desk.kosctl('audit', 'verify', '--json')).out, /"ok": true/)
  const database = join(desk.folder, 'state', 'authority', 'authority.sqlite')
  assert.match((await desk.kosctl('audit', 'verify', '--file', database)).out, /verified/)
  assert.match((await desk.kosctl('doctor')).out, /ok +authority/)
  assert.match((await desk.kosctl('doctor', '--json')).out, /"sandbox"/)

  assert.equal((await desk.kosctl('devices', 'remove', 'yard')).code, 0)
  assert.equal((await desk.kosctl('exec', 'yard', 'calc', '1')).code, 1)
  assert.equal(await node.stop(), 0)
  assert.equal(await authority.stop(), 0)
  assert.equal((await desk.kosctl('devices')).code === 0, false)
  assert.match((await desk.kosctl('doctor')).out, /failed +authority/)
})

test('a token can be revoked once; refusals say why', async (context) => {
  const desk = new Desk(context)
  await desk.daemon(['authority', ...ANY, '--session', '127.0.0.1:0', '--log-level', 'error'])
  const made = await desk.kosctl('token', 'create', '--name', 'camera-1', '--json')
  const { token } = JSON.parse(made.out) as { token: { id: string } }
  assert.equal((await desk.kosctl('token', 'revoke', '--', token.id)).code, 0)
  assert.equal((await desk.kosctl('token', 'revoke', '--', token.id)).code, 3)
  assert.equal((await desk.kosctl('token', 'create', '--name', 'x', '--profile', 'SEC-4')).code, 3)
  assert.equal((await desk.kosctl('devices', 'show', 'nobody')).code, 3)
  assert.equal((await desk.kosctl('devices', 'rename', 'nobody', 'else')).code, 3)
  assert.equal((await desk.kosctl('devices', 'remove', 'nobody')).code, 3)
  const bad = join(desk.folder, 'bad.json')
  writeFileSync(bad, '{"rules":[]}')
  assert.equal((await desk.kosctl('policy', 'apply', bad)).code, 3)
  const line = join(desk.folder, 'line')
  writeFileSync(line, 'kos://nowhere')
  const node = await desk.kosd('node', '--join-file', line, ...ANY)
  assert.deepEqual([node.code, /join-line/.test(node.err)], [2, true])
})

test('help, versions and mistakes of the command line', async (context) => {
  const desk = new Desk(context)
  for (const run of [
    (...args: string[]) => desk.kosctl(...args),
    (...args: string[]) => desk.kosd(...args),
  ]) {
    assert.equal((await run()).code, 2)
    assert.match((await run('--help')).out, /usage: kos/)
    assert.match((await run('--version')).out, /^kos\w+ \d/)
    assert.equal((await run('nonsense')).code, 2)
  }
  assert.match((await desk.kosctl('exec', '--help')).out, /examples:/)
  assert.match((await desk.kosd('node', '--help')).out, /--join LINE/)
  assert.equal((await desk.kosctl('exec', 'only-a-peer')).code, 2)
  assert.equal((await desk.kosctl('devices', '--colour')).code, 2)
  assert.equal((await desk.kosctl('token', 'create')).code, 2)
  assert.equal((await desk.kosctl('token', 'create', '--name', 'a', '--ttl', 'soon')).code, 2)
  assert.equal((await desk.kosctl('token', 'create', '--name', 'a', '--profile', 'X')).code, 2)
  assert.equal((await desk.kosctl('audit', 'tail', '--count', 'many')).code, 2)
  assert.match((await desk.kosctl('devices')).err, /KOS_CLI_CREDENTIAL/)
  assert.equal((await desk.kosd('node', ...ANY)).code, 2)
  assert.equal((await desk.kosd('node', '--listen', 'here')).code, 2)
  assert.equal((await desk.kosd('authority', '--trust-domain', 'Not One')).code, 2)
  assert.equal((await desk.kosd('authority', '--log-level', 'loud')).code, 2)
})
