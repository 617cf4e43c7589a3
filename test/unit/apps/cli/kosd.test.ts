/** `kosd` as it is started: an authority, a node that joins it, and everything that can be wrong. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { machine } from '../../../kit/daemons.ts'
import { eventually } from '../../../kit/fabric.ts'
import { commandFile } from '../../../kit/user-commands.ts'

const AUTHORITY = ['authority', '--listen', '127.0.0.1:0', '--session', '127.0.0.1:0']

test('authority and node in a few lines', async (context) => {
  const { start, kosctl, folder } = machine(context)
  const state = (...path: readonly string[]): string => join(folder, 'state', ...path)
  mkdirSync(state('authority'), { recursive: true, mode: 0o700 })
  // The address is nobody's here: the command line wins.
  const configuration = 'listen: 192.0.2.1:7400\ncrl: 127.0.0.1:0\ntrustDomain: kos.internal\n'
  writeFileSync(state('authority/config.yaml'), configuration, { mode: 0o600 })
  const authority = start(AUTHORITY)
  await authority.printed('next ')
  const { out, err } = authority.terminal.printed
  assert.match(out, /^authority {2}127\.0\.0\.1:\d+\nsession {4}127\.0\.0\.1:\d+\npin {8}\S{43}\n/)
  assert.match(out, new RegExp(`operator +credential written to ${folder}/.config/kos`))
  assert.match(err, /^warning {2}The root keys/)

  const line = (await kosctl('token', 'create', '--name', 'camera-1')).out
  const node = start(['node', '--join', '-', '--listen', '127.0.0.1:0'], line)
  await node.printed('address ')
  assert.match(
    node.terminal.printed.out,
    /^joined {2}spiffe:\/\/kos.internal\/device\/kdev-\w+\nnode {7}camera-1\nid {9}kdev-\w+\nprofile {4}kOS-SEC-2\naddress {4}127\.0\.0\.1:\d+\nlisteners {2}SEC-2 \S+, SEC-3 127\.0\.0\.1:\d+\n$/,
  )
  await eventually(async () => (await kosctl('exec', 'camera-1', 'calc', '1+2')).out === '3\n')
  // While it runs: what is set counts from the next start on.
  writeFileSync(state('value'), 'correct horse\n', { mode: 0o600 })
  const own = ['--state', state('node')]
  for (const setting of [
    ['listen', '127.0.0.1:0'],
    ['share', 'shared'],
    ['authority', '127.0.0.1:1'],
    ['pin', 'A'.repeat(43)],
    ['secrets.weather', '--value-file', state('value')],
  ]) {
    const set = await kosctl('config', 'set', ...setting, ...own)
    assert.equal(set.code, 0, set.err)
  }

  // A second one on the same folders is refused in one sentence.
  const twice = start(['node', '--listen', '127.0.0.1:0'])
  assert.equal(await twice.ended, 1)
  assert.match(
    twice.terminal.printed.err,
    /^error {2}Another kosd already uses this state folder\. \(KOS_NODE_IN_USE\)\n/,
  )
  const second = start(AUTHORITY)
  assert.equal(await second.ended, 1)
  assert.match(second.terminal.printed.err, /KOS_AUTHORITY_IN_USE/)

  assert.equal(await node.stop(), 0)
  assert.match(node.terminal.printed.out, /stopped\n$/)
  for (const secret of ['weather', 'maps']) {
    const run = { program: '/usr/bin/printenv', environment: { API_KEY: { secret } } }
    const file = commandFile({ name: `show.${secret}`, run, positional: [] })
    const path = state('node/commands', `show.${secret}.json`)
    writeFileSync(path, JSON.stringify(file), { mode: 0o600 })
  }
  // Later starts need no line, and do not mind one that is used up.
  const again = start(['node', '--join', '-'], line)
  await again.printed('address ')
  assert.ok(!again.terminal.printed.out.includes('joined'))
  assert.ok(existsSync(state('node/shared')), 'paths are relative to the folder of the file')
  const { out: log } = await kosctl('audit', 'tail', '--json')
  assert.match(log, /"configuration\.load"/)
  let offered = { code: 1, out: '' }
  await eventually(async () => {
    offered = await kosctl('commands', 'list', 'camera-1', '--json')
    return offered.code === 0
  })
  const { commands, refused } = JSON.parse(offered.out) as {
    readonly commands: readonly { readonly name: string }[]
    readonly refused: readonly { readonly reason: string }[]
  }
  assert.ok(
    commands.some(({ name }) => name === 'show.weather'),
    JSON.stringify(refused),
  )
  assert.deepEqual(
    refused.map(({ reason }) => reason),
    ['/run/environment/API_KEY/secret is not in the configuration: kosctl config set secrets.maps'],
  )
  assert.equal(await again.stop(), 0)
  assert.equal(await authority.stop(), 0)
  assert.deepEqual(node.terminal.printed.err, '')
})

test('SIGTERM stops a daemon', async (context) => {
  const { start } = machine(context)
  const authority = start(AUTHORITY)
  await authority.printed('next ')
  process.emit('SIGTERM')
  assert.equal(await authority.ended, 0)
  assert.match(authority.terminal.printed.out, /stopped\n$/)
  assert.equal(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT'), 0)
})

test('a node joins from a file and from an argument, and a used line is refused', async (context) => {
  const { start, kosctl, folder } = machine(context)
  const authority = start(AUTHORITY)
  await authority.printed('next ')
  const line = (await kosctl('token', 'create', '--name', 'camera-1')).out
  const file = join(folder, 'line')
  writeFileSync(file, line)
  const state = (name: string): string[] => [
    '--state',
    join(folder, name),
    '--listen',
    '127.0.0.1:0',
  ]
  const first = start(['node', '--join-file', file, ...state('one')])
  await first.printed('address ')
  const used = start(['node', '--join', line.trim(), ...state('two')])
  assert.equal(await used.ended, 3)
  assert.match(
    used.terminal.printed.err,
    /^refused {2}join\n {2}rule {4}.*\n {2}code {4}KOS_ENROLMENT_/,
  )
  const broken = start(['node', '--join', line.slice(0, 40), ...state('two')])
  assert.equal(await broken.ended, 2)
  assert.match(broken.terminal.printed.err, /^refused {2}join line\n/)
  const late = start(['node', '--pin', 'x', ...state('one')])
  await first.stop()
  assert.equal(await late.ended, 2)
  const missing = start(['node', '--join-file', join(folder, 'none'), ...state('three')])
  assert.equal(await missing.ended, 1)
  assert.match(
    missing.terminal.printed.err,
    /KOS_CLI_FILE\)\n {2}path {2}.*none\n {2}reason {2}ENOENT/,
  )
})

test('a sensor joins with kosd node --psk, has no listener and is connected', async (context) => {
  const { start, kosctl, folder } = machine(context)
  const authority = start(AUTHORITY)
  await authority.printed('next ')
  const line = (await kosctl('token', 'create', '--name', 'sensor-1', '--profile', 'SEC-1')).out
  const file = join(folder, 'line')
  writeFileSync(file, line)
  const state = ['--state', join(folder, 'one')]
  const wrong = start(['node', '--join-file', file, ...state])
  assert.equal(await wrong.ended, 3)
  assert.match(wrong.terminal.printed.err, /profile\/no-certificate/)
  const sensor = start(['node', '--psk', '--join-file', file, ...state])
  await sensor.printed('kOS-SEC-1')
  await sensor.printed('none: it dials')
  let shown = ''
  while (!shown.includes('connected')) shown = (await kosctl('devices')).out
  assert.match(shown, /sensor-1 .* SEC-1 +connected/)
})

test('an authority that is away, and another one at its address', async (context) => {
  const { start, kosctl, folder } = machine(context)
  const authority = start(AUTHORITY)
  await authority.printed('next ')
  const line = (await kosctl('token', 'create', '--name', 'camera-1')).out
  const port = / {2}127\.0\.0\.1:(\d+)\n/.exec(authority.terminal.printed.out)?.[1] ?? ''
  await authority.stop()
  const joining = ['node', '--join', line.trim(), '--state', join(folder, 'n')]
  const away = start(joining)
  assert.equal(await away.ended, 4)
  assert.match(away.terminal.printed.err, /^error {2}The authority cannot be reached\. /)
  const other = start([
    'authority',
    '--listen',
    `127.0.0.1:${port}`,
    '--session',
    '127.0.0.1:0',
    '--state',
    join(folder, 'other'),
  ])
  await other.printed('pin ')
  assert.match(other.terminal.printed.err, /credential of another authority/)
  const wrong = start(joining)
  assert.equal(await wrong.ended, 5)
  assert.match(wrong.terminal.printed.err, /KOS_NODE_AUTHORITY_UNTRUSTED\)\n {2}check {2}pin\n/)
})

test('options are checked', async (context) => {
  const { start, folder } = machine(context)
  const wrong: readonly (readonly [argv: string[], reason: RegExp])[] = [
    [['authority', '--listen', 'here'], /--listen is host:port, such as 127\.0\.0\.1:7400/],
    [['authority', '--session', '127.0.0.1'], /--session is host:port/],
    [['authority', '--advertise', 'a..b', '--listen', '127.0.0.1:0'], /--advertise is a host name/],
    [['authority', '--trust-domain', 'no domain'], /--trust-domain is a DNS name/],
    [['authority', '--log-level', 'loud', '--listen', '127.0.0.1:0'], /--log-level/],
    [['authority', 'extra'], /usage {2}kosd authority/],
    [['node', '--listen', '127.0.0.1:99999'], /--listen/],
    [['node', '--advertise', 'here'], /--advertise is host:port/],
    [['fly'], /KOS_CLI_USAGE/],
  ]
  for (const [argv, reason] of wrong) {
    const daemon = start(argv)
    assert.equal(await daemon.ended, 2, argv.join(' '))
    assert.match(daemon.terminal.printed.err, reason)
  }
  const file = join(folder, 'a-file')
  writeFileSync(file, '')
  mkdirSync(join(folder, 'empty'))
  const blocked = start(['authority', '--state', join(file, 'x'), '--listen', '127.0.0.1:0'])
  assert.equal(await blocked.ended, 1)
  assert.match(blocked.terminal.printed.err, /^error {2}A file or folder cannot be used\. /)
})

test('a taken port that was asked for is told', async (context) => {
  const { start, folder, kosctl } = machine(context)
  const authority = start(AUTHORITY)
  await authority.printed('next ')
  const port = /session +127\.0\.0\.1:(\d+)/.exec(authority.terminal.printed.out)?.[1] ?? ''
  const line = (await kosctl('token', 'create', '--name', 'camera-1')).out.trim()
  const node = start([
    'node',
    '--join',
    line,
    '--state',
    join(folder, 'n'),
    '--listen',
    `127.0.0.1:${port}`,
  ])
  assert.equal(await node.ended, 1)
  assert.match(
    node.terminal.printed.err,
    /^error {2}The node cannot listen on its address\. .*\n {2}address {2}127\.0\.0\.1:\d+\n {2}reason {2}EADDRINUSE\n/,
  )
})

test('a log of JSON lines goes to standard error', async (context) => {
  const { start } = machine(context)
  const authority = start([...AUTHORITY, '--log-level', 'info'])
  await authority.printed('next ')
  const lines = authority.terminal.printed.err.split('\n').filter((line) => line.startsWith('{'))
  const events = lines.map((line) => JSON.parse(line) as { msg: string; name: string })
  assert.ok(events.some(({ msg, name }) => msg === 'authority.ready' && name === 'authority'))
})

test('help and version', async (context) => {
  const { start } = machine(context)
  const cases: readonly (readonly [argv: string[], code: number, out: RegExp])[] = [
    [[], 2, /usage: kosd COMMAND/],
    [['--help'], 0, /kosd: an authority or a node/],
    [['help'], 0, /usage: kosd COMMAND/],
    [['--version'], 0, /^kosd \d+\.\d+\.\d+\n$/],
    [['node', '--help'], 0, /usage: kosd node .*--join-file FILE/s],
  ]
  for (const [argv, code, out] of cases) {
    const daemon = start(argv)
    assert.equal(await daemon.ended, code)
    assert.match(daemon.terminal.printed.out, out)
  }
})
