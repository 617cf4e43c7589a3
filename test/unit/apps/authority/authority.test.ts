/** An authority as a whole: one per folder, numbers that stay, ports that stay, a disk that fills. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { isRefusal, silentLog, systemRandom } from '../../../../src/foundation/base/index.ts'
import { startAuthority } from '../../../../src/apps/authority/index.ts'
import {
  closeAuthorityState,
  openAuthorityState,
} from '../../../../src/apps/authority/authority-state.ts'
import { openMember } from '../../../../src/apps/node/index.ts'
import type { AuditEvent } from '../../../../src/trust/audit/index.ts'
import {
  connected,
  eventually,
  joinFolder,
  startFabric,
  type TestFabric,
} from '../../../kit/fabric.ts'
import { createJumpClock } from '../../../kit/jump-clock.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

/** Takes a port until the test is over. */
async function takePort(context: TestContext): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => void server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  return address.port
}

/** The numbers that a member holds, after asking the authority. */
async function numbers(fabric: TestFabric): Promise<Record<string, number>> {
  const objects = await fabric.request({
    method: 'GET',
    path: '/v1/objects',
    as: fabric.operator,
  })
  const { directory, locks, manifest } = JSON.parse(objects.text) as Record<string, string>
  const member = openMember(
    { clock: fabric.clock, random: systemRandom },
    { folder: fabric.operator },
  )
  assert.ok(member)
  try {
    for (const [kind, signed] of Object.entries({ directory, locks, manifest })) {
      const applied = member.fabric.apply(kind as 'locks', Buffer.from(signed ?? '', 'base64'))
      assert.ok(!isRefusal(applied), JSON.stringify(applied))
    }
    return {
      directory: member.fabric.directory.current?.object.number ?? 0,
      locks: member.fabric.locks.current?.object.number ?? 0,
      manifest: member.fabric.manifest?.number ?? 0,
    }
  } finally {
    member.close()
  }
}

test('a second authority on the same folder is refused in one clear sentence', async (context) => {
  const fabric = await startFabric(context)
  const second = startAuthority(
    { clock: fabric.clock, random: systemRandom, log: { event: () => undefined } },
    {
      folder: fabric.stateFolder,
      trustDomain: 'kos.internal' as never,
      listen: { host: '127.0.0.1', port: 0 },
      sessionListen: { host: '127.0.0.1', port: 0 },
      fixedPorts: { api: true, session: true },
      advertiseHost: undefined,
      names: { dnsNames: [], ipAddresses: [] },
      operator: { folder: join(fabric.folder, 'other'), name: 'otto' },
    },
  )
  await assert.rejects(second, {
    code: 'KOS_AUTHORITY_IN_USE',
    message: 'Another authority already uses this state folder.',
  })
  // The first one was not disturbed.
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})

test('a restart keeps the numbers of directory, lock list and manifest', async (context) => {
  // The directory names every listener: one whose port was taken meanwhile would be news.
  const fabric = await startFabric(context, { authority: { listeners: [] } })
  const node = await fabric.addNode('camera-1')
  await fabric.addNode('camera-2')
  const { directory } = node.running.member.fabric
  // Each node reports where it listens when it has connected, which makes a new directory.
  const isReported = (name: string): boolean => directory.byName(name)?.addresses.length === 1
  await eventually(() => isReported('camera-1') && isReported('camera-2'))
  await fabric.kosctl(['devices', 'remove', 'camera-2'])
  const before = await numbers(fabric)
  assert.equal(before['locks'], 2)
  await fabric.stopAuthority()
  await eventually(() => !node.running.link.isConnected)
  await fabric.startAuthority()
  const after = await numbers(fabric)
  assert.deepEqual(after, before)
  // The member takes what comes next as newer, not as a fork.
  fabric.clock.advance(2000)
  await connected(node)
  await fabric.kosctl(['devices', 'rename', 'camera-1', 'yard'])
  await eventually(() => directory.byName('yard') !== undefined)
})

test('the first operator is admin; later starts leave credentials alone', async (context) => {
  const fabric = await startFabric(context)
  assert.equal(fabric.authority.operator, 'created')
  assert.equal(fabric.authority.isNew, true)
  assert.match(fabric.authority.warnings.join(), /root keys/)
  await fabric.stopAuthority()
  await fabric.startAuthority()
  assert.equal(fabric.authority.operator, 'present')
  assert.equal(fabric.authority.isNew, false)
  await fabric.stopAuthority()
  // Another user on this machine starts it: the operator's credential lies elsewhere.
  await fabric.startAuthority({
    operator: { folder: join(fabric.folder, 'other'), name: 'otto' },
  })
  assert.equal(fabric.authority.operator, 'kept')
  await fabric.stopAuthority()
  const foreign = await startFabric(context)
  await fabric.startAuthority({ operator: { folder: foreign.operator, name: 'olga' } })
  assert.equal(fabric.authority.operator, 'foreign')
  assert.match(fabric.authority.warnings.join(), /another authority/)
})

test('names of users that are no ids are made ids', async (context) => {
  for (const [name, id] of [
    ['Ölga Müller', 'lga-m-ller'],
    ['--', 'operator'],
    ['authority', 'operator'],
  ] as const) {
    const fabric = await startFabric(context, {
      authority: { operator: { folder: join(temporaryFolder(context), 'config'), name } },
    })
    const { operator } = fabric.authority
    assert.equal(operator, 'created')
    const listed = await fabric.request({
      method: 'GET',
      path: '/v1/objects',
    })
    assert.equal(listed.status, 403)
    const database = new DatabaseSync(join(fabric.stateFolder, 'authority.sqlite'), {
      readOnly: true,
    })
    assert.equal(database.prepare('SELECT id FROM principal').get()?.['id'], id)
    database.close()
  }
})

test('a taken port that was asked for is named; a default one gives way and stays', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  const taken = await takePort(context)
  const at = { host: '127.0.0.1', port: taken }
  await assert.rejects(fabric.startAuthority({ listen: at }), {
    code: 'KOS_AUTHORITY_LISTEN',
    details: { address: `127.0.0.1:${taken}`, reason: 'EADDRINUSE' },
  })
  await assert.rejects(fabric.startAuthority({ sessionListen: at }), {
    code: 'KOS_AUTHORITY_LISTEN',
  })
  const fixedPorts = { api: false, session: false }
  const free = { listen: at, sessionListen: at, fixedPorts }
  await fabric.startAuthority(free)
  const { api, session } = fabric.authority
  assert.ok(api.port !== taken && session.port !== taken)
  await fabric.stopAuthority()
  await fabric.startAuthority(free)
  assert.deepEqual([fabric.authority.api, fabric.authority.session], [api, session])
  assert.equal(readFileSync(join(fabric.stateFolder, 'api.port'), 'utf8'), `${api.port}\n`)
})

test('an authority on all addresses tells one that can be reached', async (context) => {
  const fabric = await startFabric(context, {
    authority: {
      listen: { host: '0.0.0.0', port: 0 },
      sessionListen: { host: '0.0.0.0', port: 0 },
    },
  })
  const line = await fabric.joinLine('camera-1')
  assert.notEqual(line.host, '0.0.0.0')
  await fabric.stopAuthority()
  await fabric.startAuthority({ advertiseHost: 'fabric.example' })
  const body = { name: 'camera-2', kind: 'device', profile: 'SEC-2', lifeMs: 60_000 }
  const created = await fabric.request({
    method: 'POST',
    path: '/v1/tokens',
    as: fabric.operator,
    body: Buffer.from(JSON.stringify(body)),
  })
  assert.match(created.text, /kos:\/\/fabric\.example:/)
})

test('an authority whose clock is behind what it signed does not serve', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  fabric.clock.setWallOffset(-120_000)
  await assert.rejects(fabric.startAuthority(), (error: unknown) => {
    assert.ok(error instanceof Error && 'code' in error && 'details' in error)
    assert.equal(error.code, 'KOS_AUTHORITY_SELF_TEST')
    const { check, behindSeconds } = error.details as Record<string, unknown>
    return check === 'clock' && Number(behindSeconds) >= 119
  })
  fabric.clock.setWallOffset(0)
  await fabric.startAuthority()
})

test('a damaged folder is refused and left as it is', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  const path = join(fabric.stateFolder, 'authority.sqlite')
  const database = new DatabaseSync(path)
  database.exec(`UPDATE signed_object SET bytes = x'00' WHERE kind = 'directory'`)
  database.close()
  await assert.rejects(fabric.startAuthority(), { code: 'KOS_AUTHORITY_STORE' })
  // It was closed again: the reason is not that it is in use.
  await assert.rejects(fabric.startAuthority(), { code: 'KOS_AUTHORITY_STORE' })
  writeFileSync(path, 'no database at all, but long enough to be looked at'.repeat(200))
  await assert.rejects(fabric.startAuthority(), { code: 'KOS_STORAGE_CORRUPT' })
})

test('without disk space joins are refused in a clear sentence, and work again with it', async (context) => {
  const fabric = await startFabric(context, { maxStoreBytes: 1_000_000 })
  const line = await fabric.joinLine('camera-1')
  const second = await fabric.joinLine('camera-2')
  // Somebody else's files fill the disk: here pages of the same bounded file.
  const ballast = new DatabaseSync(join(fabric.stateFolder, 'authority.sqlite'), { timeout: 5000 })
  context.after(() => ballast.close())
  ballast.exec('CREATE TABLE ballast (bytes BLOB) STRICT')
  ballast.exec('INSERT INTO ballast VALUES (zeroblob(1200000))')
  const folder = join(fabric.folder, 'camera-1')
  const refusals = async (): Promise<string> => {
    const joined = await joinFolder({ folder, line, clock: fabric.clock })
    return isRefusal(joined) ? `${joined.code}: ${joined.remedy}` : 'joined'
  }
  await eventually(async () => (await refusals()).startsWith('KOS_AUTHORITY_DISK'))
  assert.equal(
    await refusals(),
    'KOS_AUTHORITY_DISK: The authority cannot write to its disk: free space on its machine, then try again.',
  )
  // What is small may still find a place in a page; in the end nothing does.
  let number = 3
  await eventually(async () => {
    const denied = await fabric.kosctl(['token', 'create', '--name', `camera-${number++}`])
    return denied.code === 3 && denied.err.includes('free space on its machine')
  })
  // What needs no disk goes on.
  const listed = await fabric.kosctl(['devices'])
  assert.equal(listed.code, 0)
  assert.match((await fabric.kosctl(['doctor'])).out, /failed .*audit log/)

  ballast.exec('DROP TABLE ballast')
  fabric.clock.advance(1100)
  await eventually(async () => (await fabric.kosctl(['doctor'])).code === 0, 'recovery')
  // The same line, the same folder, the same keys.
  assert.equal(await refusals(), 'joined')
  const other = join(fabric.folder, 'camera-2')
  const joined = await joinFolder({ folder: other, line: second, clock: fabric.clock })
  assert.ok(!isRefusal(joined))
  const verified = await fabric.kosctl(['audit', 'verify'])
  assert.match(verified.out, /verified/)
})

test('a fabric at rest does not fill its logs', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const { locks } = node.running.member.fabric
  const sizes = async (): Promise<readonly number[]> => {
    // What came with joining is sealed, then forwarded.
    await node.running.audit.flush()
    await node.running.link.forward()
    const { out } = await fabric.kosctl(['audit', 'verify', '--json'])
    return [node.running.audit.size, (JSON.parse(out) as { entries: number }).entries]
  }
  const before = await sizes()
  for (let beat = 0; beat < 3; beat++) {
    const issuedAt = locks.current?.object.issuedAt ?? 0
    fabric.clock.advance(10_000)
    await eventually(() => (locks.current?.object.issuedAt ?? 0) > issuedAt, 'heartbeat')
  }
  const [ofNode = 0, ofAuthority = 0] = await sizes()
  assert.equal(ofNode, before[0])
  assert.equal(ofAuthority, before[1])
})

test('the own certificate is renewed at half of its life', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  fabric.clock.advance(14 * 3_600_000)
  await connected(node)
  // The former one lived for a day: it has ended for a client of that time.
  const later = createJumpClock(25 * 3_600_000)
  const member = openMember({ clock: later, random: systemRandom }, { folder: fabric.operator })
  assert.ok(member)
  context.after(() => member.close())
  const client = await member.connectAuthority(5000)
  client.close()
})

test('a change, a join and a call that a kill cut off are completed by the next start, once', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  await fabric.kosctl(['devices', 'rename', 'camera-1', 'yard'])
  await fabric.stopAuthority()
  // What a killed authority leaves: intents behind its start, and no record of its end.
  const deps = { clock: fabric.clock, random: systemRandom, log: silentLog }
  const place = { folder: fabric.stateFolder, trustDomain: 'kos.internal' as never }
  const state = await openAuthorityState(deps, place)
  const actor = state.principal.uri
  const argumentDigest = new Uint8Array(32)
  const events: AuditEvent[] = [
    { type: 'system', actor, target: actor, action: 'authority.start', outcome: 'ok' },
    { type: 'admin', actor: 'olga', target: 'yard', action: 'device.remove', outcome: 'intent' },
    {
      type: 'enrolment',
      actor: 'olga',
      target: 'camera-2',
      action: 'join',
      outcome: 'intent',
      detail: { token: 'abc' },
    },
    {
      type: 'call',
      actor: 'yard',
      target: actor,
      action: 'fabric.node.report',
      outcome: 'intent',
      callId: 'c'.repeat(32),
      argumentDigest,
    },
  ]
  for (const event of events) await state.audit.append(event)
  await closeAuthorityState(state)
  for (let start = 0; start < 2; start += 1) {
    await fabric.startAuthority()
    await fabric.stopAuthority()
  }
  await fabric.startAuthority()
  const { out } = await fabric.kosctl(['audit', 'tail', '--all', '--json', '--count', '1000'])
  const completed = out
    .split('\n')
    .filter((line) => line.includes('KOS_EXECUTION_INTERRUPTED'))
    .map((line) => JSON.parse(line) as AuditEvent)
  assert.deepEqual(
    completed.map(({ type, target, action, outcome }) => [type, target, action, outcome]),
    [
      ['admin', 'yard', 'device.remove', 'failed'],
      ['enrolment', 'camera-2', 'join', 'failed'],
      ['call', actor, 'fabric.node.report', 'failed'],
    ],
  )
  assert.match((await fabric.kosctl(['audit', 'verify'])).out, /verified/)
})
