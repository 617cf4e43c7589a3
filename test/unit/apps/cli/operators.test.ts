/** People: invited with roles, who make their own keys, and whose credentials live like the first one’s. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually, type Ran, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { heldGeneration, refusedBy } from '../../../kit/operators.ts'

const DAY_MS = 86_400_000

/** Invites a person and lets them log in; their folder. */
async function person(
  fabric: TestFabric,
  name: string,
  ...roles: readonly string[]
): Promise<string> {
  const invited = await fabric.kosctl([
    'operator',
    'add',
    name,
    ...roles.flatMap((role) => ['--role', role]),
  ])
  assert.equal(invited.code, 0, invited.err)
  const folder = join(fabric.folder, `person-${name}`)
  const ran = await fabric.kosctl(['login', '-'], { config: folder, input: invited.out })
  assert.equal(ran.code, 0, ran.err)
  assert.match(ran.out, new RegExp(`joined +spiffe://kos.internal/user/${name}\n`))
  assert.match(ran.out, new RegExp(`roles +${roles.join(', ')}\n`))
  return folder
}

describe('the people of a fleet', () => {
  const ends: (() => Promise<void>)[] = []
  let fabric: TestFabric

  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
  })
  after(async () => {
    for (const end of ends) await end()
  })

  test('a line: one person, one folder, once, and as good as who gave it', async () => {
    const invite = async (name: string, config = fabric.operator): Promise<string> => {
      const ran = await fabric.kosctl(['operator', 'add', name, '--role', 'admin'], { config })
      assert.equal(ran.code, 0, ran.err)
      return ran.out.trim()
    }
    const login = (line: string, folder: string): Promise<Ran> =>
      fabric.kosctl(['login', line], { config: join(fabric.folder, folder) })
    const line = await invite('lena')
    const listed = await fabric.kosctl(['operator', 'list'])
    assert.match(listed.out, /lena +admin +invited +in 10 min/)
    // A folder that holds a credential is somebody already.
    const taken = await fabric.kosctl(['login', line])
    assert.equal(taken.code, 3)
    assert.match(taken.err, /KOS_CLI_FOLDER_TAKEN/)
    assert.equal((await login(line, 'lena')).code, 0)
    assert.equal(refusedBy(await login(line, 'lena-2')), 'token/spent')
    assert.equal((await login('kos://nothing', 'lena-3')).code, 2)

    // Neither line does the other's work.
    const device = (await fabric.kosctl(['token', 'create', '--name', 'camera-1'])).out.trim()
    const wrong = await login(device, 'carl')
    assert.equal(refusedBy(wrong), 'token/kind')
    assert.match(wrong.err, /kosd node --join/)

    // An admin who is none any more has invited nobody.
    const lena = join(fabric.folder, 'lena')
    const stale = await invite('mallory', lena)
    await fabric.kosctl(['operator', 'role', 'lena', '--role', 'viewer'])
    assert.equal(refusedBy(await login(stale, 'mallory')), 'token/owner')
    const late = await invite('late')
    fabric.clock.advance(11 * 60_000)
    assert.equal(refusedBy(await login(late, 'late')), 'token/expired')
    const none = await fabric.kosctl(['operator', 'add', 'carl'])
    assert.deepEqual([none.code, none.out], [2, ''])
    const unknown = await fabric.kosctl(['operator', 'add', 'carl', '--role', 'root'])
    assert.equal(unknown.code, 3)
  })

  test('the life of an added operator: renewed by use, back after weeks, locked, and never twice', async () => {
    const ludo = await person(fabric, 'ludo', 'viewer')
    const lara = await person(fabric, 'lara', 'viewer')
    const use = (config: string): Promise<Ran> => fabric.kosctl(['devices'], { config })
    fabric.clock.advance(17 * DAY_MS)
    assert.deepEqual([(await use(ludo)).err, heldGeneration(fabric, ludo)], ['', 2])
    await fabric.kosctl(['devices'])

    // Ended, and within the grace.
    fabric.clock.advance(35 * DAY_MS)
    assert.deepEqual([(await use(ludo)).code, heldGeneration(fabric, ludo)], [0, 3])
    assert.deepEqual([(await use(lara)).code, heldGeneration(fabric, lara)], [0, 2])

    await fabric.kosctl(['lock', 'ludo', '--reason', 'lost laptop'])
    assert.equal(refusedBy(await use(ludo)), 'guard/viewer/certificate')
    await fabric.kosctl(['unlock', 'ludo'])
    assert.equal((await use(ludo)).code, 0)

    // Eve's folder exists twice: whoever renews second gives the copy away, and both are out.
    const copy = join(fabric.folder, 'copy-of-lara')
    cpSync(lara, copy, { recursive: true })
    fabric.clock.advance(17 * DAY_MS)
    for (const folder of [lara, lara, copy]) await use(folder)
    const out = await use(lara)
    assert.equal(refusedBy(out), 'guard/viewer/certificate')
    assert.equal(refusedBy(await use(copy)), 'guard/viewer/certificate')
    const listed = await fabric.kosctl(['operator', 'list'])
    assert.match(listed.out, /lara +viewer +quarantined/)
    const log = await fabric.kosctl(['audit', 'tail', '--json'])
    assert.match(log.out, /KOS_ENROLMENT_COPY/)
  })
  test('roles: given, changed while at work, taken; never the last admin’s', async () => {
    const camera = await fabric.addNode('camera-1')
    const bob = await person(fabric, 'bob', 'operator')
    const eve = await person(fabric, 'eve', 'viewer')
    const ada = await person(fabric, 'ada', 'approver')
    const as = (config: string, ...args: readonly string[]): Promise<Ran> =>
      fabric.kosctl(args, { config })

    // An operator enrols devices and leaves people alone, their own rights first.
    assert.equal((await as(bob, 'token', 'create', '--name', 'camera-2')).code, 0)
    for (const args of [
      ['operator', 'add', 'mallory', '--role', 'admin'],
      ['operator', 'role', 'bob', '--role', 'admin'],
      ['operator', 'remove', 'olga'],
    ]) {
      const ran = await as(bob, ...args)
      assert.deepEqual([ran.code, refusedBy(ran)], [3, 'guard/admin/role'], args.join(' '))
      assert.match(
        ran.err,
        /remedy {2}Use the credential of a user with the role admin \(yours: op/,
      )
    }
    for (const args of [
      ['lock', 'olga', '--reason', 'mine now'],
      ['unlock', 'eve'],
      ['devices', 'remove', 'olga'],
      ['devices', 'label', 'bob', '--group', 'owners'],
    ]) {
      const ran = await as(bob, ...args)
      assert.deepEqual([ran.code, refusedBy(ran)], [3, 'guard/admin/user'], args.join(' '))
    }
    // Nor what they are invited by and act with, by whichever command; the own session is one's own.
    await fabric.kosctl(['operator', 'add', 'hana', '--role', 'admin'])
    const lines = await as(bob, 'token', 'list', '--json')
    const line = (JSON.parse(lines.out) as { id: string; name: string }[]).find(
      ({ name }) => name === 'hana',
    )
    const sessions = await as(bob, 'sessions', '--json')
    const tokens = JSON.parse(sessions.out) as { handle: string; kind: string; principal: string }[]
    const handleOf = (user: string): string =>
      tokens.find(({ kind, principal }) => kind === 'api' && principal.endsWith(`/${user}`))
        ?.handle ?? assert.fail()
    assert.ok(line)
    for (const args of [
      ['token', 'revoke', line.id],
      ['credentials', 'revoke', line.id],
      ['sessions', 'revoke', handleOf('olga')],
      ['credentials', 'revoke', handleOf('olga')],
      ['devices', 'raise', 'olga', '--profile', 'SEC-3'],
    ]) {
      const ran = await as(bob, ...args)
      assert.deepEqual([ran.code, refusedBy(ran)], [3, 'guard/admin/user'], args.join(' '))
    }
    assert.equal((await as(bob, 'sessions', 'revoke', handleOf('bob'))).code, 0)
    // A viewer and an approver read the same, and nothing else; an auditor's log is neither's.
    for (const folder of [eve, ada]) {
      assert.equal((await as(folder, 'devices')).code, 0)
      assert.equal((await as(folder, 'operator', 'list')).code, 0)
      const changed = await as(folder, 'token', 'create', '--name', 'camera-3')
      assert.equal(refusedBy(changed), 'guard/operator/role')
      assert.equal(refusedBy(await as(folder, 'audit', 'tail')), 'guard/auditor/role')
    }

    // Kept API tokens and the directory on devices follow at once.
    const roles = await fabric.kosctl([
      'operator',
      'role',
      'eve',
      '--role',
      'auditor',
      '--role',
      'auditor',
    ])
    assert.deepEqual([roles.code, roles.out], [0, 'eve  auditor\n'])
    assert.equal((await as(eve, 'audit', 'tail')).code, 0)
    const rolesOnDevice = (): string =>
      camera.running.member.fabric.directory
        .byUri('spiffe://kos.internal/user/eve')
        ?.roles.join() ?? ''
    await eventually(() => rolesOnDevice() === 'auditor', 'the device knows the new role')

    // An admin makes others approvers, and is made one by another admin.
    const alone = ['operator', 'role', 'olga', '--role', 'admin', '--role', 'approver']
    assert.equal(refusedBy(await fabric.kosctl(alone)), 'approver/self')

    // The last admin stays one, whoever asks; with a second one it may go.
    for (const args of [
      ['operator', 'role', 'olga', '--role', 'viewer'],
      ['operator', 'remove', 'olga'],
      ['lock', 'olga', '--reason', 'gone'],
    ]) {
      const ran = await fabric.kosctl(args)
      assert.equal(ran.code, 3)
      assert.match(refusedBy(ran) ?? '', /^(?:operator\/last-admin|remove\/self|lock\/self)$/)
    }
    await fabric.kosctl(['operator', 'role', 'bob', '--role', 'admin'])
    // Two admins who remove each other at the same moment: one of them stays.
    const both = await Promise.all([
      fabric.kosctl(['operator', 'remove', 'bob']),
      as(bob, 'operator', 'remove', 'olga'),
    ])
    assert.deepEqual(
      both.map(({ code }) => code).toSorted((a, b) => a - b),
      [0, 3],
    )
    const winner = both[0].code === 0 ? fabric.operator : bob
    const loser = winner === bob ? fabric.operator : bob
    assert.equal(refusedBy(await as(loser, 'devices')), 'guard/viewer/certificate')
    const last = await as(
      winner,
      'operator',
      'role',
      winner === bob ? 'bob' : 'olga',
      '--role',
      'viewer',
    )
    assert.equal(refusedBy(last), 'operator/last-admin')

    // A name is one person's for ever, and devices are no people.
    const gone = winner === bob ? 'olga' : 'bob'
    const again = await as(winner, 'operator', 'add', gone, '--role', 'viewer')
    assert.equal(refusedBy(again), 'name/former-principal')
    assert.equal(refusedBy(await as(winner, 'operator', 'remove', 'camera-1')), 'user/unknown')
    const listed = await as(winner, 'operator', 'list', '--json')
    const users = JSON.parse(listed.out) as { name: string; roles: string[]; state: string }[]
    assert.deepEqual(
      users.filter(({ name }) => name === 'ada' || name === 'eve').map(({ roles }) => roles.join()),
      ['approver', 'auditor'],
    )
  })
})
