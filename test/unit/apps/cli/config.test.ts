/** `kosctl config`: settings and secrets of a daemon, changed without touching the rest of the file. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { lockStore } from '../../../../src/foundation/storage/index.ts'
import { parseInput } from '../../../../src/apps/cli/command-line.ts'
import { configurationChecks } from '../../../../src/apps/cli/config/doctor.ts'
import { loadConfiguration } from '../../../../src/apps/cli/config/load.ts'
import { configCommands } from '../../../../src/apps/cli/commands/config.ts'
import { MAX_SECRETS, PATH_SETTINGS, settingNames } from '../../../../src/apps/cli/config/schema.ts'
import { MAX_CONFIG_BYTES } from '../../../../src/apps/cli/config/yaml.ts'
import { keyStoreUnlockKind, MAX_SEALED_VALUE_BYTES } from '../../../../src/trust/keys/index.ts'
import { authorityCommand } from '../../../../src/apps/cli/daemon-authority.ts'
import { nodeCommand } from '../../../../src/apps/cli/daemon-node.ts'
import { main as kosctlMain } from '../../../../src/apps/cli/main.ts'
import { SETTING_NAMES } from '../../../../src/apps/cli/setting-names.ts'
import { createConfigFolder } from '../../../kit/config.ts'
import { captureTerminal, testWorld } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const SEALED = /kos-sealed:v1:[0-9a-f]{16}:[\w-]+/g

test('settings and secrets are set, shown, sealed and rotated; the rest of the file stays', async (context) => {
  const { config, read, write, folder, path } = createConfigFolder(context)
  const set = await config(['set', 'listen', '0.0.0.0:7402'])
  assert.deepEqual([set.code, set.err], [0, ''])
  assert.match(
    set.out,
    /^set {2}listen in .*config\.yaml: kosd takes it into use at its next start\n$/,
  )
  assert.equal(
    read(),
    '# yaml-language-server: $schema=./config.schema.json\nlisten: 0.0.0.0:7402\n',
  )
  const published = join(import.meta.dirname, '../../../../docs/config.schema.json')
  const beside = readFileSync(join(folder, 'config.schema.json'), 'utf8')
  assert.equal(beside, readFileSync(published, 'utf8'), 'else: npm run docs')
  assert.equal((await config(['schema'])).out, beside)

  const sealed = await config(['set', 'secrets.weather'], { typed: ['correct horse'] })
  assert.match(sealed.out, /^sealed {2}secrets\.weather in /)
  assert.match(read(), new RegExp(`\nsecrets:\n {2}weather: ${SEALED.source}\n$`))
  assert.ok(!read().includes('correct horse'))
  assert.equal(statSync(path).mode & 0o777, 0o600)

  write(`${read()}\n  maps: 'plain-and-open' # the old one\n\n# the end\n`)
  const warned = await config(['set', 'standby', 'true', '--json'])
  assert.deepEqual(JSON.parse(warned.out), { set: 'standby', file: path })
  assert.match(warned.err, /^\{"warning":"1 not sealed: kosctl config encrypt --state /)
  const wrong = await config(['check'])
  assert.equal(wrong.code, 1)
  assert.match(
    wrong.err,
    /config\.yaml:6:3 {2}"maps" is not sealed: kosctl config encrypt --state /,
  )
  const encrypted = await config(['encrypt'])
  assert.match(encrypted.out, /^sealed {2}maps in /)
  const before = read()
  assert.match(
    before,
    new RegExp(`\n\n {2}maps: ${SEALED.source} # the old one\nstandby: true\n\n# the end\n$`),
  )
  assert.match((await config(['encrypt'])).out, /^nothing to seal /)
  assert.equal((await config(['check'])).out, `valid  ${path}: settings 2, secrets 2\n`)

  const rotated = await config(['rotate-key', '--json'])
  const { key } = JSON.parse(rotated.out) as { key: string }
  assert.equal(read().replaceAll(SEALED, 'x'), before.replaceAll(SEALED, 'x'))
  assert.equal(read().split(`kos-sealed:v1:${key}:`).length, 3)
  assert.match((await config(['rotate-key'])).out, /^sealed anew {2}2 in /)
  assert.equal((await config(['get', 'secrets.maps', '--reveal'])).out, 'plain-and-open')
  assert.equal((await config(['get', 'secrets.weather', '--reveal'])).out, 'correct horse')
  assert.match((await config(['unset', 'standby'])).out, /^unset {2}standby in /)
  const unset = await config(['unset', 'secrets.maps', '--json'])
  assert.deepEqual(JSON.parse(unset.out), { unset: 'secrets.maps', file: path })
  assert.match(read(), new RegExp(`\n {2}weather: ${SEALED.source}\n\n\n# the end\n$`))
  assert.deepEqual((await config(['unset', 'standby'])).err, 'not set  standby\n')
})

test('names of settings are completed', async () => {
  const names = new Set([...settingNames('authority'), ...settingNames('node')])
  const completed = [...names].map((name) => (name === 'secrets' ? 'secrets.' : name))
  assert.deepEqual(SETTING_NAMES, completed.toSorted())
  const terminal = captureTerminal()
  await kosctlMain(['__complete', 'config', 'set', 'li'], terminal, testWorld({}))
  assert.match(terminal.printed.out, /listen\b[^]*listeners/)
})

/** What happens once, and where: on the command line alone. */
const ONCE: Readonly<Record<'authority' | 'node', readonly string[]>> = {
  authority: ['recover-operator', 'recover', 'recovery-wait', 'root-file', 'root-passphrase-file'],
  node: ['join', 'raise', 'name', 'patience', 'moved', 'alert'],
}

test('settings are the options of the daemon that last', () => {
  for (const [role, { options }] of [
    ['authority', authorityCommand],
    ['node', nodeCommand],
  ] as const) {
    const lasting = new Map(
      settingNames(role).map((name) => [name.replaceAll(/[A-Z]/g, '-$&').toLowerCase(), name]),
    )
    lasting.delete('secrets')
    const known = [...lasting.keys(), ...ONCE[role], 'state', 'config', 'json']
    assert.deepEqual(known.toSorted(), Object.keys(options).toSorted())
    for (const [option, name] of lasting) {
      const isPath = ['FILE', 'FOLDER'].includes(options[option]?.value ?? '')
      assert.equal(PATH_SETTINGS.has(name), isPath, name)
    }
  }
})

test('what is shown of secrets without --reveal is their key', async (context) => {
  const { config, seal, write, read } = createConfigFolder(context)
  await config(['set', 'listeners', 'SEC-2,SEC-3'])
  await seal('weather', 'line one\nline\u001b two\n\n')
  const all = await config(['get'])
  assert.match(
    all.out,
    /^file {13}.*\nlisteners {8}SEC-2,SEC-3\nsecrets\.weather {2}\(sealed with key [0-9a-f]{16}\)\n$/,
  )
  assert.match(
    (await config(['get', 'secrets.weather'])).out,
    /^\(sealed with key [0-9a-f]{16}\)\n$/,
  )
  assert.equal((await config(['get', 'listeners'])).out, 'SEC-2,SEC-3\n')
  const revealed = await config(['get', 'secrets.weather', '--reveal'])
  assert.equal(revealed.out, 'line one\nline\u001b two\n')
  const interactive = { terminal: { interactive: true } }
  const seen = await config(['get', 'secrets.weather', '--reveal'], interactive)
  assert.equal(seen.out, 'line one\nline? two\n\n')
  const json = async (...args: readonly string[]): Promise<unknown> =>
    JSON.parse((await config(['get', ...args, '--json'])).out) as unknown
  assert.deepEqual(await json('listeners'), { setting: 'listeners', value: ['SEC-2', 'SEC-3'] })
  assert.deepEqual(await json('secrets.weather', '--reveal'), {
    setting: 'secrets.weather',
    value: 'line one\nline\u001b two\n',
  })
  const { sealed } = (await json('secrets.weather')) as { sealed: boolean }
  assert.equal(sealed, true)
  assert.ok(!JSON.stringify(await json()).includes('line'))
  write(`${read()}  plain: in the open\n  number: 71 72\n  map: { a: 81 82 }\n`)
  for (const args of [[], ['secrets'], ['secrets.plain'], ['secrets.map.a']]) {
    const { out } = await config(['get', ...args])
    assert.match(out, /\(not sealed\)/)
    assert.doesNotMatch(out, /in the open|71 72|81 82/)
  }
  const missing = await config(['get', 'standby'])
  assert.deepEqual([missing.code, missing.err], [1, 'not set  standby\n'])
})

describe('what cannot be meant is refused, and nothing is changed', () => {
  const refused: readonly (readonly [args: readonly string[], reason: RegExp])[] = [
    [['set', 'listen', 'here'], /"listen" must be host:port/],
    [['set', 'listen', '7402'], /"listen" must be host:port/],
    [['set', 'logLevel', 'loud'], /must be one of debug, info, warn, error/],
    [['set', 'standby', 'maybe'], /"standby" must be true or false/],
    [['set', 'listeners', 'SEC-9'], /"listeners" must be one of SEC-0, /],
    [['set', 'log-level', 'info'], /"log-level" is not known here: is it "logLevel"\?/],
    [
      ['set', 'trustDomain', 'a.b'],
      /"trustDomain" is a setting of kosd authority, not of kosd node/,
    ],
    [['set', 'colour', 'red'], /"colour" is not known here$/m],
    [['set', 'a b', 'red'], /a setting is like listen/],
    [['set', 'listen'], /give the value behind the setting/],
    [['set', 'secrets.Weather', '-'], /the name of a secret is of lower-case letters/],
    [['set', 'secrets.weather', 'correct horse'], /a secret is no argument/],
    [['set', 'secrets.weather'], /no terminal to ask on/],
    [['set', 'secrets.weather', '-'], /the secret is shorter than 8 bytes/],
    [['set', 'devicesPerAddress', '9'], /is a setting of kosd authority/],
    [['rotate-key'], /there is no secret/],
  ]
  for (const [args, reason] of refused) {
    test(args.join(' '), async (context) => {
      const { config, write, read } = createConfigFolder(context)
      write('share: /srv\n')
      const ran = await config(args, { input: 'short\n' })
      assert.equal(ran.code, 2, ran.err)
      assert.match(ran.err, reason)
      assert.equal(read(), 'share: /srv\n')
    })
  }

  test('secrets that no program could be handed', async (context) => {
    const { config, folder, write } = createConfigFolder(context)
    const file = join(folder, 'value')
    const from = (bytes: Uint8Array): ReturnType<typeof config> => {
      writeFileSync(file, bytes)
      return config(['set', 'secrets.weather', '--value-file', file])
    }
    assert.match((await from(Buffer.from('nul\0 in the middle'))).err, /holds a NUL character/)
    assert.match((await from(Buffer.from('ÿÿÿÿÿÿÿÿÿ', 'latin1'))).err, /is not UTF-8 text/)
    const input = await config(['set', 'secrets.weather', '-'], { input: 'no text: \ufffd\ufffd' })
    assert.match(input.err, /standard input is not UTF-8 text/)
    assert.match((await from(Buffer.alloc(20_000, 'x'))).err, /no file of at most 16384 bytes/)
    assert.match((await config(['set', 'secrets.w', '--value-file', folder])).err, /no file of/)
    const typed = await config(['set', 'secrets.weather'], { typed: ['x'.repeat(1024)] })
    assert.match(typed.err, /too long to be typed: use - or --value-file/)
    assert.equal((await from(Buffer.from('long enough\r\n'))).code, 0)
    assert.equal((await config(['get', 'secrets.weather', '--reveal'])).out, 'long enough')
    write('secrets:\n  weather: short\n')
    for (const command of ['encrypt', 'rotate-key']) {
      assert.match((await config([command])).err, /config\.yaml:2:3\n.*"weather" is shorter than 8/)
    }
  })

  test('a file that is wrong already, missing, or changed meanwhile', async (context) => {
    const { config, write, read, path, folder } = createConfigFolder(context)
    for (const args of [['get'], ['check'], ['encrypt'], ['rotate-key']]) {
      assert.match((await config(args)).err, /there is no such file/)
    }
    write('listen: here\nlisten2: x\n')
    const wrong = await config(['set', 'standby', 'true'])
    assert.match(
      wrong.err,
      /KOS_CLI_CONFIG\)\n {2}at {2}.*config\.yaml:1:9\n.*"listen" must be host/,
    )
    assert.match(wrong.err, /more {2}1/)
    assert.equal(read(), 'listen: here\nlisten2: x\n')
    assert.equal((await config(['get', 'listen'])).out, 'here\n')
    write('listen: "here')
    assert.match((await config(['get', 'listen'])).err, /config\.yaml:1:14\n/)
    const { out } = await config(['check', '--json'])
    const { valid, problems } = JSON.parse(out) as { valid: boolean; problems: { line: number }[] }
    assert.deepEqual([valid, problems[0]?.line], [false, 1])
    write('share: /srv\n')
    const stale = join(folder, '.config.yaml.0123456789abcdef.tmp')
    writeFileSync(stale, 'secrets: { left: behind }')
    const edited = await config(['edit'], { editor: `echo 'share: /mnt' >'${path}'; echo '#' >>` })
    assert.match(edited.err, /somebody else changed the file meanwhile/)
    assert.equal(read(), 'share: /mnt\n')
    assert.ok(!existsSync(stale))
  })
})

test('an editor sees secrets open; only what changed is sealed anew', async (context) => {
  const { config, seal, read, write, state } = createConfigFolder(context)
  const pem = '-----BEGIN KEY-----\nabc\n-----END KEY-----\n'
  await config(['set', 'share', '/srv'])
  await seal('weather', 'correct horse')
  await seal('maps', `${pem}\n`)
  const before = read()
  assert.match((await config(['edit'], { editor: 'true' })).out, /^nothing changed /)
  const seen = join(temporaryFolder(context), 'seen')
  const editor = `sed -i -e 's/correct horse/battery staple/' -e 's/srv/mnt/'`
  const copy = `c() { stat -c '%a %n' "$1" "\${1%/*}" >'${seen}'; cat "$1" >>'${seen}'; ${editor} "$1"; cp "$1" "$1~"; }; c`
  assert.match((await config(['edit'], { editor: copy })).out, /^written /)
  assert.match(
    readFileSync(seen, 'utf8'),
    /^600 .*config\.yaml\n700 .*\n[^]*weather: "correct horse"\n {2}maps: \|\n {4}-----BEGIN KEY-----\n {4}abc\n/,
  )
  assert.deepEqual(readdirSync(state).toSorted(), ['node'])
  const after = read()
  const lines = (text: string): readonly string[] => text.split('\n')
  const changed = lines(after).filter((line, index) => line !== lines(before)[index])
  assert.deepEqual(
    changed.map((line) => line.replaceAll(SEALED, 'x')),
    ['share: /mnt', '  weather: x'],
  )
  assert.equal((await config(['get', 'secrets.weather', '--reveal'])).out, 'battery staple')
  assert.equal((await config(['get', 'secrets.maps', '--reveal'])).out, pem)

  // What does not validate is offered again, or left as it was.
  const breaking = `sed -i 's/mnt/x\\ty/'`
  const left = await config(['edit'], { editor: breaking })
  assert.deepEqual([left.code, read()], [1, after])
  assert.match(left.err, /config\.yaml:2:8 {2}"share" must hold no control characters\n$/)
  const twice = `f() { sed -i -e 's/^share.*/share: "/;t' -e 's/x/y/' "$1"; test -e '${seen}2' && sed -i 's/^share.*/share: /opt/' "$1"; touch '${seen}2'; }; f`
  const again = await config(['edit'], { editor: twice.replace('/opt/', '\\/opt/'), typed: [''] })
  assert.match(again.out, /^written /)
  assert.match(read(), /\nshare: \/opt\n/)
  assert.equal(
    (await config(['edit'], { editor: breaking.replace('mnt', 'opt'), typed: ['no'] })).code,
    1,
  )
  const short = await config(['edit'], { editor: `sed -i 's/battery staple/short/'` })
  assert.match(short.err, /"weather" is shorter than 8 bytes/)
  const failed = await config(['edit'], { editor: 'false' })
  assert.match(failed.err, /KOS_CLI_EDITOR/)

  const bytes = await config(['edit'], { editor: `b() { printf 'share: \\377\n' >"$1"; }; b` })
  assert.match(bytes.err, /KOS_CLI_CONFIG\)[^]*the file is not UTF-8/)
  // A folder that others can write to is no place for it.
  const runtime = temporaryFolder(context)
  const print = { editor: `p() { echo "$1" >'${seen}'; }; p`, runtime }
  assert.match((await config(['edit'], print)).out, /^nothing changed /)
  assert.ok(readFileSync(seen, 'utf8').startsWith(runtime))
  chmodSync(runtime, 0o777)
  const place = await config(['edit'], print)
  assert.match(place.out, /^nothing changed /)
  assert.ok(!readFileSync(seen, 'utf8').startsWith(runtime))

  // A value that does not open stays as it is until it is replaced.
  write(
    read().replace(/weather: \S+/, `weather: kos-sealed:v1:${'0'.repeat(16)}:${'A'.repeat(40)}`),
  )
  const stuck = await config(['edit'], { editor: `sed -i 's/opt/usr/'` })
  assert.match(stuck.err, /"weather" is sealed with the key 0{16}, which this folder does not have/)
  const mended = await config(['edit'], { editor: `sed -i 's/weather:.*/weather: new and long/'` })
  assert.match(mended.out, /^written /)
  assert.match((await config(['check'])).out, /^valid /)
  const json = await config(['edit', '--json'], { editor: 'true' })
  assert.equal((JSON.parse(json.out) as { done: string }).done, 'nothing changed')
})

test('the first secret is made while no daemon runs; later ones at any time', async (context) => {
  const { config, folder, seal, write } = createConfigFolder(context)
  const database = join(folder, 'node.sqlite')
  writeFileSync(database, '')
  const lock = lockStore(database)
  const used = await config(['set', 'secrets.weather', '-'], { input: 'correct horse' })
  assert.match(used.err, /KOS_NODE_IN_USE/)
  lock.close()
  await seal('weather', 'correct horse')
  using _again = {
    [Symbol.dispose]: (
      (held) => () =>
        held.close()
    )(lockStore(database)),
  }
  await seal('maps', 'battery staple')
  assert.match((await config(['rotate-key'])).err, /KOS_NODE_IN_USE/)
  assert.equal((await config(['get', 'secrets.maps', '--reveal'])).out, 'battery staple')
  write('secrets: { weather: "kos-sealed:v1:cut" }\n')
  assert.match((await config(['check'])).err, /"weather" is cut or changed/)
})

test('the passphrase that a configuration names opens its keys, and seals new ones', async (context) => {
  const { config, folder, seal } = createConfigFolder(context)
  const file = join(folder, 'passphrase')
  writeFileSync(file, 'long and secret\n', { mode: 0o600 })
  assert.equal((await config(['set', 'passphraseFile', 'passphrase'])).code, 0)
  await seal('weather', 'correct horse')
  assert.equal(keyStoreUnlockKind(join(folder, 'keys')), 'passphrase')
  assert.equal((await config(['get', 'secrets.weather', '--reveal'])).out, 'correct horse')
  writeFileSync(file, 'another one\n')
  assert.match((await config(['check'])).err, /KOS_KEYS_UNLOCK/)
  chmodSync(file, 0o644)
  assert.match((await config(['check'])).err, /KOS_CLI_PASSPHRASE_FILE/)
})

test('docs/config.md names every setting, every command and every limit', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/config.md'), 'utf8')
  for (const name of SETTING_NAMES) assert.ok(page.includes(`\`${name.replace('.', '')}\``), name)
  for (const { path } of configCommands) assert.ok(page.includes(`\`kosctl ${path.join(' ')}`))
  for (const limit of [MAX_CONFIG_BYTES, MAX_SEALED_VALUE_BYTES, MAX_SECRETS]) {
    assert.ok(page.includes(limit.toLocaleString('en-US')), String(limit))
  }
})

test('the doctor looks at the configurations of this machine, and opens nothing', async (context) => {
  const { seal, write, read, state, path } = createConfigFolder(context)
  const { environment } = testWorld({})
  const looked = (): readonly string[] =>
    configurationChecks({ environment: { ...environment, state } }).map(
      ({ state: found, detail }) => `${found} ${detail}`,
    )
  assert.deepEqual(looked(), [])
  await seal('weather', 'correct horse')
  assert.deepEqual(looked(), ['ok kosd node: settings 0, secrets 1, all sealed'])
  write(`${read()}  maps: in the clear\n`)
  assert.match(
    looked()[0] ?? '',
    /^failed kosd node: not sealed: 1: kosctl config encrypt --state /,
  )
  write('standby: perhaps\n')
  assert.deepEqual(looked(), [`failed kosd node: ${path}:1:10: "standby" must be true or false`])
  chmodSync(path, 0o666)
  assert.deepEqual(looked(), [
    `failed kosd node: ${path}: the file can be written by its group or by others`,
  ])
})

test('which folder is meant is said where it is not clear', async (context) => {
  const { config, state, folder } = createConfigFolder(context)
  assert.equal((await config(['set', 'share', '/srv'])).code, 0)
  const other = createConfigFolder(context, 'authority')
  assert.equal((await other.config(['set', 'trustDomain', 'fabric.example'])).code, 0)
  assert.equal((await other.config(['set', 'devicesPerAddress', '200'])).code, 0)
  assert.match(other.read(), /\ntrustDomain: fabric\.example\ndevicesPerAddress: 200\n$/)
  const words = parseInput(authorityCommand, ['--trust-domain', 'other.example'], 'kosd')
  const { input } = loadConfiguration(words, { role: 'authority', ...other })
  assert.equal(input.text('devices-per-address'), '200')
  assert.equal(input.text('trust-domain'), 'other.example')
  for (const [count, reason] of [
    ['0', /must be 1 to 4096/],
    ['1.5', /must be 1 to 4096/],
    ['many', /must be a number/],
  ] as const) {
    assert.match((await other.config(['set', 'devicesPerAddress', count])).err, reason)
  }
  const both = createConfigFolder(context)
  writeFileSync(join(both.state, 'authority'), '')
  assert.match(
    (await both.config(['get'])).err,
    /there are two daemons here: name one with --state/,
  )
  const elsewhere = join(state, 'elsewhere.yaml')
  const there = ['--state', folder, '--config', elsewhere]
  assert.equal(
    (await config(['set', 'secrets.w', '-', ...there], { input: 'correct horse' })).code,
    0,
  )
  assert.ok(existsSync(elsewhere))
  symlinkSync(elsewhere, join(state, 'link.yaml'))
  const linked = ['--state', folder, '--config', join(state, 'link.yaml')]
  chmodSync(elsewhere, 0o640)
  assert.equal((await config(['set', 'share', '/mnt', ...linked])).code, 0)
  assert.match(readFileSync(elsewhere, 'utf8'), /share: \/mnt\n$/)
  assert.equal(statSync(elsewhere).mode & 0o777, 0o640)
  writeFileSync(elsewhere, 'secrets:\n  w: in the clear\n')
  const open = await config(['check', ...there])
  assert.match(
    open.err,
    /and others can read this file: kosctl config encrypt --state \S+ --config /,
  )
  const warned = await config(['encrypt', ...there])
  assert.match(warned.err, /^warning {2}others could read the file: change these secrets/)
  // A folder whose daemon is not known takes what either has.
  const unknown = ['--state', join(state, 'new'), '--config', join(state, 'new', 'c.yaml')]
  assert.equal((await config(['set', 'trustDomain', 'a.example', ...unknown])).code, 0)
  assert.match((await config(['set', 'standby', 'true', ...unknown])).err, /is a setting of kosd/)
  const left = [folder, state].flatMap((place) => readdirSync(place))
  assert.deepEqual(
    left.filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('a daemon takes its settings from it, and the command line wins', async (context) => {
  const { write, start, folder } = createConfigFolder(context)
  const pin = 'A'.repeat(43)
  write(`authority: 192.0.2.1:7400\npin: ${pin}\nlogLevel: debug\nfips: false\n`)
  assert.match((await start()).out, /alerts +to 192\.0\.2\.1:7400\n/)
  const other = await start('--authority', '192.0.2.9:1', '--log-level', 'error')
  assert.match(other.out, /alerts +to 192\.0\.2\.9:1\n/)
  // What happens once, and where, is said on the command line alone.
  for (const once of [
    'join: x',
    'raise: x',
    'alert: [x]',
    'state: /x',
    'json: true',
    'config: /x',
  ]) {
    write(once)
    assert.match((await start()).err, /is not known here/)
  }
  write('fipsConfig: openssl.cnf\n')
  assert.match((await start()).err, /--fips-config needs --fips/)
  write('fips: true\n')
  assert.equal((await start('--no-fips')).code, 0)
  write('standby: true\n')
  assert.equal((await start('--config', join(folder, 'config.yaml'))).code, 0)
  assert.match((await start('--config', join(folder, 'none.yaml'))).err, /there is no such file/)
})
