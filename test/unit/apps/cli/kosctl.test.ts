/** The commands of `kosctl` against a real authority and real nodes. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { main } from '../../../../src/apps/cli/main.ts'
import { readCheckpoint, writeCheckpoint } from '../../../../src/apps/node/index.ts'
import {
  captureTerminal,
  eventually,
  startFabric,
  type TestFabric,
  type TestNode,
  testWorld,
} from '../../../kit/fabric.ts'

describe('kosctl', () => {
  const ends: (() => Promise<void>)[] = []
  after(() => Promise.all(ends.map((end) => end())))
  let fabric: TestFabric
  let node: TestNode

  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    const empty = await fabric.kosctl(['devices'])
    assert.match(empty.out, /No devices yet/)
    node = await fabric.addNode('camera-1')
  })

  test('devices lists names, profiles, certificates and addresses', async () => {
    const { out, code } = await fabric.kosctl(['devices'])
    const [head = '', line = ''] = out.split('\n')
    assert.equal(code, 0)
    assert.match(head, /^NAME +ID +PROFILE +STATE +CERTIFICATE +RENEWAL +ADDRESS +LAST SEEN$/)
    assert.match(
      line,
      /^camera-1 +kdev-\w{26} +SEC-2 +connected +ends in 24 h +in 12 h +127\.0\.0\.1:\d+ +now$/,
    )
    const all = JSON.parse((await fabric.kosctl(['devices', '--all', '--json'])).out) as {
      kind: string
    }[]
    assert.deepEqual(all.map(({ kind }) => kind).toSorted(), ['device', 'user'])
  })

  test('devices show by name or id; what nobody has is refused', async () => {
    const shown = await fabric.kosctl(['devices', 'show', 'camera-1'])
    assert.match(shown.out, /^owner +spiffe:\/\/kos.internal\/user\/olga$/m)
    const { id } = node.running.member.membership.principal
    const json = await fabric.kosctl(['devices', 'show', id, '--json'])
    assert.equal((JSON.parse(json.out) as { name: string }).name, 'camera-1')
    const none = await fabric.kosctl(['devices', 'show', 'nobody'])
    assert.equal(none.code, 3)
    assert.match(none.err, /principal\/unknown/)
    for (const args of [
      ['devices', 'rename', 'nobody', 'else'],
      ['devices', 'remove', 'nobody'],
      ['devices', 'label', 'nobody', 'a=b'],
    ]) {
      assert.equal((await fabric.kosctl(args)).code, 3, args.join(' '))
    }
  })

  test('labels and groups are set and removed, and reach the node', async () => {
    const set = await fabric.kosctl(['devices', 'label', 'camera-1', 'site=yard', 'rack=7'])
    assert.match(set.out, /labels +site=yard, rack=7|labels +rack=7, site=yard/)
    const grouped = await fabric.kosctl([
      'devices',
      'label',
      'camera-1',
      'rack-',
      '--group',
      'cameras',
      '--group',
      'yard',
    ])
    assert.match(grouped.out, /groups +cameras, yard/)
    assert.match(grouped.out, /labels +site=yard$/m)
    const { directory } = node.running.member.fabric
    await eventually(() => directory.byName('camera-1')?.groups[0] === 'cameras')
    assert.equal((await fabric.kosctl(['devices', 'label', 'camera-1', '=x'])).code, 2)
    assert.equal((await fabric.kosctl(['devices', 'label', 'camera-1', 'a=b c'])).code, 3)
  })

  test('rename keeps the id; names that are taken or read as ids are refused', async () => {
    const renamed = await fabric.kosctl(['devices', 'rename', 'camera-1', 'yard'])
    assert.match(renamed.out, /^name +yard$/m)
    assert.equal((await fabric.kosctl(['exec', 'yard', 'calc', '1+1'])).out, '2\n')
    for (const [name, rule] of [
      ['olga', 'name/principal'],
      ['authority', 'name/authority'],
      ['kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa', 'name/id'],
    ] as const) {
      const refused = await fabric.kosctl(['devices', 'rename', 'yard', name])
      assert.equal(refused.code, 3)
      assert.match(refused.err, new RegExp(rule))
    }
    await fabric.kosctl(['devices', 'rename', 'yard', 'camera-1'])
  })

  test('nobody removes their own credential', async () => {
    const refused = await fabric.kosctl(['devices', 'remove', 'olga'])
    assert.equal(refused.code, 3)
    assert.match(refused.err, /remove\/self/)
  })

  test('tokens are created, listed without secrets, revoked once', async () => {
    const made = await fabric.kosctl(['token', 'create', '--name', 'camera-9', '--json'])
    const { joinLine, token } = JSON.parse(made.out) as {
      joinLine: string
      token: { id: string; state: string }
    }
    assert.equal(token.state, 'open')
    const secret = joinLine.split('.').at(-1) ?? ''
    const listed = await fabric.kosctl(['token', 'list'])
    assert.match(listed.out, new RegExp(`${token.id} +camera-9 +device +SEC-2 +open +in 10 min`))
    assert.ok(!listed.out.includes(secret))
    assert.deepEqual(await fabric.kosctl(['token', 'revoke', token.id]), {
      code: 0,
      out: 'revoked\n',
      err: '',
    })
    for (const id of [token.id, 'nothing', '-begins-with-a-hyphen']) {
      assert.equal((await fabric.kosctl(['token', 'revoke', id])).code, 3)
    }
    const json = await fabric.kosctl(['token', 'list', '--json'])
    assert.match(json.out, /"state": "revoked"/)
  })

  test('token create says what is missing or wrong', async () => {
    for (const args of [
      ['token', 'create'],
      ['token', 'create', '--name', 'a', '--profile', 'SEC-9'],
      ['token', 'create', '--name', 'a', '--ttl', 'soon'],
      ['token', 'create', '--name', 'a', '--what'],
    ]) {
      const ran = await fabric.kosctl(args)
      assert.equal(ran.code, 2, args.join(' '))
      assert.match(ran.err, /KOS_CLI_USAGE/)
    }
    for (const args of [
      ['token', 'create', '--name', 'A'],
      ['token', 'create', '--name', 'a', '--profile', 'SEC-3'],
      ['token', 'create', '--name', 'a', '--ttl', '11m'],
      ['token', 'create', '--name', 'a', '--kind', 'user'],
    ]) {
      assert.equal((await fabric.kosctl(args)).code, 3, args.join(' '))
    }
  })

  test('exec prints values as what they are', async () => {
    const calc = await fabric.kosctl(['exec', 'camera-1', 'calc', '6*7'])
    assert.deepEqual(calc, { code: 0, out: '42\n', err: '' })
    const echoed = await fabric.kosctl(['exec', 'camera-1', 'echo', '--args', '{"value":"a\\nb"}'])
    assert.equal(echoed.out, 'a\nb\n')
    const status = await fabric.kosctl(['exec', 'camera-1', 'system.status'])
    assert.match(status.out, /"auditHealthy": true/)
    const info = await fabric.kosctl(['exec', 'camera-1', 'system.info', '--json'])
    const { value } = JSON.parse(info.out) as { value: { profile: string } }
    assert.equal(value.profile, 'SEC-2')
    writeFileSync(join(node.folder, 'share', 'note.txt'), 'one\ntwo\n')
    const read = await fabric.kosctl(['exec', 'camera-1', 'files.read', 'share/note.txt'])
    assert.equal(read.out, 'one\ntwo\n')
  })

  test('exec writes a stream as it comes, and its end where it does not disturb', async () => {
    const bytes = Buffer.alloc(300_000, 'stream ')
    writeFileSync(join(node.folder, 'share', 'large.bin'), bytes)
    const fetch = ['exec', 'camera-1', 'files.fetch', 'share/large.bin']
    const fetched = await fabric.kosctl(fetch)
    assert.equal(fetched.code, 0)
    assert.equal(fetched.out, bytes.toString('latin1'))
    assert.equal(fetched.err, '')
    const said = await fabric.kosctl([...fetch, '--json'])
    assert.equal(said.out.length, bytes.length)
    assert.match(said.err, /"complete": true/)
    const missing = await fabric.kosctl(['exec', 'camera-1', 'files.fetch', 'share/none'])
    assert.deepEqual([missing.code === 0, missing.out], [false, ''])
    assert.match(missing.err, /files.fetch on camera-1/)
    const calc = await fabric.kosctl(['exec', 'camera-1', 'calc', '6*7', '--stream'])
    assert.deepEqual(calc, { code: 0, out: '', err: '42\n' })
    const terminal = captureTerminal({ interactive: true })
    writeFileSync(join(node.folder, 'share', 'escape.txt'), 'one\n\u001b[2Jtwo\n')
    await fabric.kosctl(['exec', 'camera-1', 'files.fetch', 'share/escape.txt'], { terminal })
    assert.match(terminal.printed.out, /^one\n.*two\n$/)
    assert.ok(!terminal.printed.out.includes('\u001b'))
  })

  test('exec says why not, with its own exit codes', async () => {
    const refused = await fabric.kosctl(['exec', 'camera-1', 'files.read', '/etc/shadow'])
    assert.equal(refused.code, 3)
    assert.match(refused.err, /^refused {2}files.read on camera-1\n {2}rule {4}files\/root\n/)
    const failed = await fabric.kosctl(['exec', 'camera-1', 'calc', '1/0'])
    assert.equal(failed.code, 1)
    assert.match(failed.err, /^failed {3}calc on camera-1\n/)
    const unknown = await fabric.kosctl(['exec', 'camera-1', 'no.such'])
    assert.equal(unknown.code, 3)
    const nobody = await fabric.kosctl(['exec', 'nobody', 'calc', '1'])
    assert.equal(nobody.code, 1)
    assert.match(nobody.err, /KOS_CLI_UNKNOWN_PEER/)
    for (const args of [
      ['exec', 'camera-1'],
      ['exec', 'camera-1', 'calc', '1', '2'],
      ['exec', 'camera-1', 'calc', '1', '--deadline', 'long'],
      ['exec', 'camera-1', 'calc', '1', '--deadline', '6m'],
    ]) {
      assert.equal((await fabric.kosctl(args)).code, 2, args.join(' '))
    }
  })

  test('exec as a node: another principal’s folder', async () => {
    const other = await fabric.addNode('camera-2')
    const exec = ['exec', 'camera-1', 'calc', '1', '--identity']
    const ran = await fabric.kosctl([...exec, other.folder])
    assert.equal(ran.code, 3)
    assert.match(ran.err, /device\/kdev|default-deny/)
    const none = await fabric.kosctl([...exec, join(fabric.folder, 'empty')])
    assert.match(none.err, /KOS_CLI_CREDENTIAL/)
  })

  test('a manifest is shown, changed and in force at the nodes', async () => {
    const shown = await fabric.kosctl(['policy', 'show'])
    const manifest = JSON.parse(shown.out) as { rules: object[] }
    const rule = {
      id: 'cameras-calc',
      effect: 'allow',
      domain: 'rpc',
      from: ['name:camera-2'],
      to: ['name:camera-1'],
      actions: ['calc'],
    }
    const changed = JSON.stringify({ ...manifest, rules: [...manifest.rules, rule] })
    const file = join(fabric.folder, 'fleet.json')
    writeFileSync(file, changed)
    const applied = await fabric.kosctl(['policy', 'apply', file])
    assert.deepEqual(applied, { code: 0, out: 'fleet manifest 2 is in force\n', err: '' })
    await eventually(() => node.running.member.fabric.manifest?.number === 2)
    const folder = join(fabric.folder, 'camera-2')
    const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '2', '--identity', folder])
    assert.equal(exec.out, '2\n')
    // The same again says nothing new; standard input does as well.
    const again = await fabric.kosctl(['policy', 'apply', '-'], { input: changed })
    assert.equal(again.out, 'fleet manifest 2 is in force\n')
    const old = { ...manifest, notAfter: '2020-01-01T00:00:00Z' }
    for (const [text, code] of [
      ['{', 'KOS_BASE_INVALID|KOS_POLICY_MANIFEST'],
      [JSON.stringify({ ...manifest, kind: 'device' }), 'KOS_POLICY_MANIFEST'],
      [JSON.stringify(old), 'KOS_POLICY_MANIFEST_EXPIRED'],
    ] as const) {
      const refused = await fabric.kosctl(['policy', 'apply', '-'], { input: text })
      assert.equal(refused.code, 3, text)
      assert.match(refused.err, new RegExp(code))
    }
    const missing = await fabric.kosctl(['policy', 'apply', join(fabric.folder, 'nothing.json')])
    assert.equal(missing.code, 1)
    assert.match(missing.err, /KOS_CLI_FILE\)\n {2}path {2}.*nothing\.json\n {2}reason {2}ENOENT/)
  })

  test('audit tail shows the newest, follows on, and leaves fabric calls out', async () => {
    const ten = await fabric.kosctl(['audit', 'tail', '--count', '10'])
    assert.ok(ten.out.trim().split('\n').length <= 10)
    assert.ok(!ten.out.includes('fabric.'))
    const all = await fabric.kosctl(['audit', 'tail', '--count', '1000', '--all'])
    assert.match(all.out, /ok +call +.*fabric\.node\.report/)
    for (const count of ['0', '1001', 'x']) {
      assert.equal((await fabric.kosctl(['audit', 'tail', '--count', count])).code, 2)
    }
    const stop = new AbortController()
    const terminal = captureTerminal()
    const following = fabric.kosctl(['audit', 'tail', '--count', '1', '--follow', '--json'], {
      signal: stop.signal,
      terminal,
    })
    await eventually(() => terminal.printed.out !== '')
    await fabric.kosctl(['devices', 'label', 'camera-1', 'seen=followed'])
    await eventually(() => terminal.printed.out.includes('"action":"device.change"'))
    stop.abort()
    assert.equal((await following).code, 0)
  })

  test('audit verify remembers what it saw, and finds a log that does not continue it', async () => {
    const first = await fabric.kosctl(['audit', 'verify', '--json'])
    assert.equal((JSON.parse(first.out) as { ok: boolean }).ok, true)
    const seen = readCheckpoint(fabric.operator)
    assert.ok(seen && seen.size > 0)
    await fabric.kosctl(['devices', 'label', 'camera-1', 'seen=twice'])
    const second = await fabric.kosctl(['audit', 'verify'])
    assert.equal(second.code, 0)
    assert.match(
      second.out,
      /entries +\d+\ncheckpoints +\d+ \(Ed25519 and ML-DSA-44\)\n.*verified/s,
    )
    // Somebody else's checkpoint: the history this operator saw is another one.
    const note = readCheckpoint(fabric.operator)?.note ?? ''
    writeCheckpoint(
      fabric.operator,
      note.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${'A'.repeat(43)}=\n`),
    )
    const doubtful = await fabric.kosctl(['audit', 'verify'])
    assert.equal(doubtful.code, 5)
    assert.match(doubtful.err, /doubt/)
    assert.match(doubtful.out, /NOT VERIFIED/)
    const json = await fabric.kosctl(['audit', 'verify', '--json'])
    assert.equal((JSON.parse(json.out) as { ok: boolean }).ok, false)
    writeCheckpoint(fabric.operator, note)
  })

  test('audit verify of a file needs no daemon', async () => {
    const file = join(fabric.stateFolder, 'authority.sqlite')
    const ran = await fabric.kosctl(['audit', 'verify', '--file', file])
    assert.equal(ran.code, 0)
    assert.match(ran.out, /verified/)
    const json = await fabric.kosctl(['audit', 'verify', '--file', file, '--json'])
    assert.equal((JSON.parse(json.out) as { ok: boolean }).ok, true)
    const none = await fabric.kosctl(['audit', 'verify', '--file', join(fabric.folder, 'none')])
    assert.notEqual(none.code, 0)
  })

  test('doctor looks at credential, clock, authority and fleet', async () => {
    const ran = await fabric.kosctl(['doctor'])
    assert.equal(ran.code, 0)
    assert.match(ran.out, /^ok +authority +127\.0\.0\.1:\d+, pin verified$/m)
    assert.match(ran.out, /^ok +clock +agrees with the authority$/m)
    assert.match(ran.out, /^warning +root keys/m)
    const json = await fabric.kosctl(['doctor', '--json'])
    assert.ok((JSON.parse(json.out) as unknown[]).length >= 7)
    const { vera = '' } = await fabric.addUsers({ vera: [] })
    const roleless = await fabric.kosctl(['doctor'], { config: vera })
    assert.equal(roleless.code, 1)
    assert.match(roleless.out, /^failed +authority checks +guard\/viewer\/role$/m)
  })

  test('without the authority: what needs it says so, calls go on', async () => {
    // The directory is known from before.
    await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
    await fabric.stopAuthority()
    const devices = await fabric.kosctl(['devices'])
    assert.equal(devices.code, 4)
    assert.match(devices.err, /The authority cannot be reached/)
    assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])).out, '3\n')
    // Even with a lock list that has aged, and a name that is not known.
    fabric.clock.advance(11 * 60_000)
    assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])).out, '3\n')
    const nobody = await fabric.kosctl(['exec', 'nobody', 'calc', '1'])
    assert.deepEqual([nobody.code, nobody.out], [4, ''])
    const doctor = await fabric.kosctl(['doctor'])
    assert.equal(doctor.code, 1)
    assert.match(doctor.out, /failed +authority/)
    await fabric.startAuthority()
  })

  test('a peer that is away is unreachable', async () => {
    await node.running.stop()
    const ran = await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
    assert.equal(ran.code, 4)
    assert.match(ran.err, /KOS_CLI_UNREACHABLE.*ECONNREFUSED/s)
    node = await node.restart()
  })

  test('an empty configuration folder is no credential', async () => {
    const config = join(fabric.folder, 'nobody')
    const ran = await fabric.kosctl(['devices'], { config })
    assert.equal(ran.code, 1)
    assert.match(ran.err, /kosd authority/)
    mkdirSync(join(fabric.folder, 'blocked'))
    writeFileSync(join(fabric.folder, 'blocked', 'keys'), 'no folder')
    const blocked = await fabric.kosctl(['devices'], { config: join(fabric.folder, 'blocked') })
    assert.equal(blocked.code, 1)
    assert.match(blocked.err, /^error {2}/)
  })
})

test('help and version', async () => {
  const run = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
    const terminal = captureTerminal()
    const code = await main(argv, terminal, testWorld({ config: '/nowhere' }))
    return { code, ...terminal.printed }
  }
  for (const argv of [['help'], ['--help'], ['-h']]) {
    const { code, out } = await run(...argv)
    assert.equal(code, 0)
    assert.match(out, /devices rename NAME NEW-NAME/)
  }
  assert.equal((await run()).code, 2)
  const version = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../../package.json'), 'utf8'),
  ) as { version: string }
  for (const argv of [['--version'], ['version']]) {
    assert.deepEqual(await run(...argv), { code: 0, out: `kosctl ${version.version}\n`, err: '' })
  }
  const words = await run('exec', 'camera-1', '--', 'calc', '--help')
  assert.doesNotMatch(words.out, /usage/)
  const exec = await run('exec', '--help')
  assert.match(exec.out, /usage: kosctl exec PEER COMMAND/)
  assert.match(exec.out, /--deadline DURATION/)
  const unknown = await run('fly')
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /KOS_CLI_USAGE/)
})
