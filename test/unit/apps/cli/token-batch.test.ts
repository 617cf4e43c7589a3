/** `kosctl token batch` and tokens for several devices: lists in, lines out, who came in by which. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import { parseJoinLine } from '../../../../src/lifecycle/enrolment/index.ts'
import { auditEntries } from '../../../kit/est-fabric.ts'
import { joinFolder, type Ran, startFabric } from '../../../kit/fabric.ts'

const ends: (() => Promise<void>)[] = []
const fabric = await startFabric({ after: (end) => void ends.push(end) })

describe('many devices at once', () => {
  after(async () => {
    for (const end of ends.toReversed()) await end()
  })

  const file = (name: string, text: string): string => {
    const path = join(fabric.folder, name)
    writeFileSync(path, text)
    return path
  }

  async function comeIn(text: string, folder: string): Promise<string> {
    const line = parseJoinLine(text)
    assert.ok(!isRefusal(line), text)
    const place = { folder: join(fabric.folder, folder), line, clock: fabric.clock }
    const joined = await joinFolder(place)
    return isRefusal(joined) ? joined.rule : joined.name
  }

  test('a list becomes a line for every device, in files of their own', async () => {
    const list = file('list.csv', 'name,groups,labels\ngate-1,gates,site=north\ngate-2,,\n')
    const out = join(fabric.folder, 'lines')
    const made = await fabric.kosctl(['token', 'batch', list, '--ttl', '7d', '--out', out])
    assert.equal(made.code, 0, made.err)
    const [, id = ''] = /^batch (\S+): 2 join lines in /.exec(made.out) ?? []
    assert.deepEqual(readdirSync(out), ['gate-1.join', 'gate-2.join'])
    const path = join(out, 'gate-1.join')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(await comeIn(readFileSync(path, 'utf8'), 'gate'), 'gate-1')
    const shown = await fabric.kosctl(['devices', 'show', 'gate-1', '--json'])
    const { groups, labels } = JSON.parse(shown.out) as Record<string, unknown>
    assert.deepEqual([groups, labels], [['gates'], { site: 'north' }])

    // What exists is never written over.
    const again = await fabric.kosctl(['token', 'batch', list, '--out', out])
    assert.match(again.err, /KOS_CLI_FILE/)

    const listed = await fabric.kosctl(['token', 'list'])
    assert.match(listed.out, new RegExp(`${id} +batch of 2 +device +SEC-2 +1 open +in 7 d +1/2 `))
    const detail = await fabric.kosctl(['token', 'show', id])
    assert.match(detail.out, /gate-2 +device +SEC-2 +open/)
    assert.match(detail.out, /\ngate-1 +kdev-\w+ +active +/)
    const revoked = await fabric.kosctl(['token', 'revoke', '--batch', id])
    assert.deepEqual([revoked.code, revoked.out], [0, 'revoked  1 tokens\n'])
    assert.equal((await fabric.kosctl(['token', 'revoke', '--batch', id])).code, 3)
    const second = readFileSync(join(out, 'gate-2.join'), 'utf8')
    assert.equal(await comeIn(second, 'gate-2'), 'token/revoked')
    assert.match((await fabric.kosctl(['token', 'list'])).out, /batch of 2 +device +SEC-2 +revoked/)

    const entries = await auditEntries(fabric)
    const details = entries
      .filter(({ outcome }) => outcome === 'ok')
      .map(({ action, detail }) => ({ action, batch: (detail as { batch?: string })?.batch }))
    assert.deepEqual(
      details.filter(({ batch }) => batch === id).map(({ action }) => action),
      ['token.batch', 'join'],
    )
  })

  test('a list goes to standard output as CSV, from standard input, and as JSON', async () => {
    const made = await fabric.kosctl(['token', 'batch', '-'], { input: 'name\nlamp-1\nlamp-2\n' })
    assert.equal(made.code, 0, made.err)
    assert.match(made.out, /^name,join-line\r\nlamp-1,kos:\S+\r\nlamp-2,kos:\S+\n$/)
    assert.match(made.err, /^batch \S+: 2 join lines, shown this once\n$/)
    const json = await fabric.kosctl(['token', 'batch', '-', '--json'], { input: 'name\nlamp-3\n' })
    const { batch, tokens } = JSON.parse(json.out) as { batch: string; tokens: { name: string }[] }
    assert.equal(tokens[0]?.name, 'lamp-3')
    const gone = await fabric.kosctl(['token', 'revoke', '--batch', batch, '--json'])
    assert.deepEqual(JSON.parse(gone.out), { revoked: batch, tokens: 1 })
    const out = join(fabric.folder, 'lines-json')
    const files = await fabric.kosctl(['token', 'batch', '-', '--json', '--out', out], {
      input: 'name\nlamp-4\n',
    })
    assert.equal((JSON.parse(files.out) as { files: number }).files, 1)
  })

  test('every bad row is named, and nothing is created', async () => {
    const before = await fabric.kosctl(['token', 'list', '--json'])
    const refused = async (text: string, ...args: readonly string[]): Promise<Ran> => {
      const ran = await fabric.kosctl(['token', 'batch', file('bad.csv', text), ...args])
      assert.equal(ran.code, 3, ran.err)
      assert.equal(ran.out, '')
      return ran
    }
    const out = join(fabric.folder, 'never')
    const rows = [
      'name,owner,groups,profile',
      'fine,,,',
      'authority,,,',
      'olga,,,',
      'a,nobody,,',
      '=cmd(),,,',
      'b,,=cmd(),',
      'c,,,SEC-3',
      'fine,olga,,',
    ]
    const { err } = await refused(rows.join('\n'), '--out', out)
    assert.ok(!existsSync(out))
    assert.deepEqual(
      err.split('\n').flatMap((line) => /bad\.csv:(\d+: [a-z/-]+)/.exec(line)?.[1] ?? []),
      [
        '3: name/authority',
        '4: name/principal',
        '5: token/owner',
        '6: token/name',
        '7: token/groups',
        '8: profile/hardware-evidence',
        '9: name/other-row',
      ],
    )
    const form = await refused('name\na,b\n', '--json')
    const { problems } = JSON.parse(form.err) as { problems: object[] }
    assert.deepEqual(problems, [{ line: 2, reason: '2 fields, the header has 1' }])
    const late = await refused('name\na\n', '--ttl', '8d')
    assert.match(late.err, /bad\.csv:2: token\/life: /)
    const large = await refused(`name\n${'a'.repeat(1024 * 1024)}\n`)
    assert.match(large.err, /larger than 1 MiB/)
    const endless = await fabric.kosctl(['token', 'batch', '/dev/zero'])
    assert.match(endless.err, /larger than 1 MiB/)
    mkdirSync(join(fabric.folder, 'x.csv'))
    const folder = await fabric.kosctl(['token', 'batch', join(fabric.folder, 'x.csv')])
    assert.match(folder.err, /KOS_CLI_FILE/)
    assert.equal((await fabric.kosctl(['token', 'batch', 'a.csv', '--ttl', 'x'])).code, 2)
    assert.deepEqual(await fabric.kosctl(['token', 'list', '--json']), before)
  })

  test('one line brings several devices in, and shows which', async () => {
    const args = ['token', 'create', '--uses', '2', '--name-prefix', 'cam-', '--labels', 'a=1']
    const made = await fabric.kosctl([...args, '--groups', 'cams'])
    assert.equal(made.code, 0, made.err)
    assert.equal(await comeIn(made.out, 'cam-a'), 'cam-0001')
    const listed = await fabric.kosctl(['token', 'list'])
    const [, id = ''] = /(\S+) +cam-… +device +SEC-2 +open +in 24 h +1\/2/.exec(listed.out) ?? []
    assert.equal(await comeIn(made.out, 'cam-b'), 'cam-0002')
    assert.equal(await comeIn(made.out, 'cam-c'), 'token/spent')
    const shown = await fabric.kosctl(['token', 'show', id])
    assert.match(shown.out, /cam-… +device +SEC-2 +spent +in 24 h +2\/2/)
    assert.match(shown.out, /\ncam-0001 +kdev-\w+ +active +/)
    const json = await fabric.kosctl(['token', 'show', id, '--json'])
    const { devices } = JSON.parse(json.out) as { devices: { name: string; token: string }[] }
    assert.deepEqual(
      devices.map(({ name, token }) => `${name} ${token === id}`),
      ['cam-0001 true', 'cam-0002 true'],
    )
    assert.equal((await fabric.kosctl(['token', 'show', 'nothing'])).code, 3)
    const joins = (await auditEntries(fabric)).filter(
      ({ action, detail }) => action === 'join' && (detail as { token?: string })?.token === id,
    )
    assert.equal(joins.filter(({ outcome }) => outcome === 'ok').length, 2)
  })

  test('what does not go together is said', async () => {
    const cases = [
      ['create', '--uses', '3'],
      ['create', '--name-prefix', 'a-'],
      ['create', '--uses', '3', '--name-prefix', 'a-', '--name', 'b'],
      ['create', '--uses', 'three', '--name-prefix', 'a-'],
      ['create', '--name', 'a', '--labels', 'x'],
      ['revoke'],
      ['revoke', 'a', '--batch', 'b'],
    ]
    for (const args of cases) {
      assert.equal((await fabric.kosctl(['token', ...args])).code, 2, args.join(' '))
    }
    const prefix = await fabric.kosctl(['token', 'create', '--uses', '3', '--name-prefix', 'a'])
    assert.match(prefix.err, /token\/prefix/)
  })
})
