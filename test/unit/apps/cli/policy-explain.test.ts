/** `kosctl policy explain` against a real authority, and against drafts without one. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { main } from '../../../../src/apps/cli/main.ts'
import {
  captureTerminal,
  startFabric,
  type TestFabric,
  type TestNode,
  testWorld,
} from '../../../kit/fabric.ts'

const SHADOW = '{"path":"/etc/shadow"}'
const DRAFT = {
  apiVersion: 'kos/v1',
  kind: 'fleet',
  subject: 'any',
  notAfter: '2100-01-01T00:00:00Z',
  groups: {},
  rules: [
    {
      id: 'operators',
      effect: 'allow',
      domain: 'rpc',
      from: ['role:operator', 'name:camera-1'],
      to: ['name:camera-1'],
      actions: ['files.*', 'calc', 'lamp'],
    },
    {
      id: 'no-etc',
      effect: 'deny',
      domain: 'rpc',
      from: ['any'],
      to: ['any'],
      actions: ['files.>', 'lamp'],
      when: [{ argument: 'path', pathPrefix: '/etc' }],
    },
  ],
}

describe('kosctl policy explain', () => {
  const ends: (() => Promise<void>)[] = []
  after(() => Promise.all(ends.map((end) => end())))
  let fabric: TestFabric
  let node: TestNode
  let draft: string

  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    node = await fabric.addNode('camera-1')
    draft = join(node.folder, 'draft.json')
    writeFileSync(draft, JSON.stringify(DRAFT))
    // The operator's copy of the directory knows the camera from here on.
    assert.equal((await ask('--from', 'olga', '--to', 'camera-1', 'calc', '1+2')).code, 0)
  })

  const ask = (...args: readonly string[]): ReturnType<TestFabric['kosctl']> =>
    fabric.kosctl(['policy', 'explain', ...args])
  const askDraft = (...args: readonly string[]): ReturnType<TestFabric['kosctl']> =>
    ask(...args, '--to', 'camera-1', '--manifest', draft)

  test('names rule, layer, and what the rules saw, by the manifest in force', async () => {
    const { out, code } = await ask('--from', 'olga', '--to', 'camera-1', 'calc', '1+2')
    assert.equal(code, 0)
    assert.match(out, /^calc \(rpc, read\) from olga \(SEC-\d\) to camera-1 \(SEC-2\)\n/)
    assert.match(out, /^allowed by fleet\/owners-read\n {2}arguments \{"expression":"1\+2"\}$/m)
    assert.match(out, /fleet number 1, in force: allows\n {4}allow fleet\/owners-read matches$/m)
    assert.match(out, /session, absent: does not narrow/)
  })

  test('a user with a role that nobody has been given yet', async () => {
    const { out, code } = await ask(
      '--from',
      'operator/ada',
      '--to',
      'camera-1',
      'files.read',
      SHADOW,
    )
    assert.equal(code, 3)
    assert.match(out, /refused by default-deny \(KOS_POLICY_NOT_ALLOWED\)/)
    assert.match(out, /"path":"\/etc\/shadow"/)
    assert.match(out, /fleet\/owners-read does not match: only from owner$/m)
    assert.match(out, /Remedy: An allow rule in the fleet manifest for files.read/)
    assert.match(out, /Such a rule: \{"id":"allow-files.read"/)
    assert.match(
      out,
      /Note: The directory lists no user ada: taken as one of profile SEC-\d with the/,
    )
    const listed = await ask('--from', 'auditor/olga', '--to', 'camera-1', 'calc', '1+2')
    assert.match(
      listed.out,
      /Note: The directory gives user olga the roles admin: taken as one with/,
    )
  })

  test('rules see canonical values only', async () => {
    for (const path of ['/etc/shadow', '//etc/./shadow', '/etc//shadow/', '/./etc/shadow']) {
      const json = JSON.stringify({ path })
      const { out, code } = await askDraft('--from', 'operator/ada', 'files.read', json)
      assert.equal(code, 3)
      assert.match(out, /refused by fleet\/no-etc \(KOS_POLICY_DENIED\)/, path)
      assert.match(out, /arguments \{[^\n]*"path":"\/etc\/shadow"/, path)
      assert.match(out, /deny fleet\/no-etc matches: path under \/etc holds/, path)
    }
    const dots = await askDraft('--from', 'operator/ada', 'files.read', '/srv/../etc/shadow')
    assert.equal(dots.code, 3)
    assert.match(dots.out, /The command itself refuses these arguments: files\/dot-dot/)
    const json = await askDraft('--from', 'operator/ada', 'files.read', '/srv/../etc', '--json')
    const said = JSON.parse(json.out) as Record<string, unknown>
    assert.deepEqual([said['outcome'], said['decidedBy']], ['refused', 'files/dot-dot'])
  })

  test('a path below a shared folder is known when it is told where that lies', async () => {
    const from = ['--from', 'operator/ada'] as const
    const open = await askDraft(...from, 'files.read', 'share/notes.txt')
    assert.equal(open.code, 2)
    assert.match(open.err, /say where with --root/)
    const told = await askDraft(...from, 'files.read', 'share/a.txt', '--root', 'share=/srv/x/')
    assert.equal(told.code, 0)
    assert.match(told.out, /"path":"\/srv\/x\/a.txt"/)
    const inEtc = await askDraft(...from, 'files.read', 'share/a.txt', '--root', 'share=/etc/x')
    assert.equal(inEtc.code, 3)
    assert.match(inEtc.out, /refused by fleet\/no-etc/)
    const outside = await askDraft(...from, 'files.read', '/srv/y', '--root', 'share=/srv/x')
    assert.equal(outside.code, 3)
    assert.match(outside.out, /The command itself refuses these arguments: files\/root/)
    const unknown = await askDraft(...from, 'files.read', '/srv/y')
    assert.equal(unknown.code, 0)
    assert.match(unknown.out, /Note: Policy has its say first; files.read itself then refuses/)
  })

  test('a draft needs no authority, and is not the manifest in force', async () => {
    const away = testWorld({ config: fabric.operator })
    const terminal = captureTerminal()
    const args = ['--from', 'camera-1', '--to', 'camera-1', 'calc', '1', '--manifest', draft]
    const code = await main(['policy', 'explain', ...args, '--json'], terminal, away)
    const said = JSON.parse(terminal.printed.out) as {
      decidedBy: string
      layers: { manifest: { number: number } }[]
    }
    assert.deepEqual([code, said.decidedBy], [0, 'fleet/operators'])
    assert.deepEqual(said.layers[0]?.manifest.number, 2)
    assert.match(
      (await ask('--from', 'camera-1', '--to', 'camera-1', 'calc', '1')).out,
      /default-deny/,
    )
    writeFileSync(draft, JSON.stringify({ ...DRAFT, surprise: 1 }))
    const bad = await askDraft('--from', 'olga', 'calc', '1')
    assert.equal(bad.code, 3)
    assert.match(bad.err, /KOS_POLICY_MANIFEST/)
    writeFileSync(draft, JSON.stringify(DRAFT))
    const [piped, input] = [captureTerminal(), readFileSync(draft, 'utf8')]
    const world = { ...away, readInput: () => input }
    const pipe = ['--from', 'olga', '--to', 'camera-1', 'calc', '1', '--manifest', '-']
    assert.equal(await main(['policy', 'explain', ...pipe], piped, world), 3)
  })

  test('what only the target knows is asked by what it does', async () => {
    const from = ['--from', 'operator/ada', 'lamp'] as const
    assert.equal((await askDraft(...from)).code, 2)
    const { out, code } = await askDraft(...from, '--effects', 'change')
    assert.equal(code, 3)
    assert.match(out, /depends on arguments by fleet\/operators/)
    assert.match(out, /deny fleet\/no-etc depends on arguments: path under \/etc is not known yet/)
    const given = await askDraft(...from, '--effects', 'change', '--args', '{"path":"/srv"}')
    assert.equal(given.code, 0)
    assert.match(given.out, /Note: kosctl does not know this action: its arguments are taken as/)
    const bus = await askDraft(...from, '--effects', 'read', '--domain', 'bus')
    assert.match(bus.out, /allow fleet\/operators does not match: only domain rpc/)
  })

  test('usage is checked before anybody is asked', async () => {
    const rest = ['--from', 'olga', '--to', 'camera-1', 'calc'] as const
    for (const args of [
      ['--from', 'olga', 'calc'],
      ['--to', 'camera-1', 'calc'],
      [...rest, '--rules', '0'],
      [...rest, '--domain', 'fabric'],
      [...rest, '--root', 'share'],
      [...rest, '--root', 'share=relative'],
      [...rest, '--args', '{'],
      [...rest, '{"expression":'],
      [...rest, '1', '2'],
    ]) {
      assert.equal((await ask(...args)).code, 2, args.join(' '))
    }
    for (const from of ['nobody', 'user/nobody', 'a/b/c', 'spiffe://kos.internal/user/nobody']) {
      const { err, code } = await ask('--from', from, '--to', 'camera-1', 'calc', '1')
      assert.deepEqual([code, /KOS_CLI_UNKNOWN_PEER/.test(err)], [1, true], from)
    }
    // No arguments are no mistake: the question is what holds for any.
    assert.equal((await ask('--from', 'olga', '--to', 'camera-1', 'files.read')).code, 0)
  })
})
