/** A running node: its folder, its port, its link to the authority, its certificate, its end. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  isRefusal,
  type LogFields,
  Secret,
  silentLog,
  systemRandom,
  unixMs,
} from '../../../../src/foundation/base/index.ts'
import { encodeCbor } from '../../../../src/foundation/codec/index.ts'
import {
  loadMembership,
  openMember,
  openMemberKeys,
  startNode,
} from '../../../../src/apps/node/index.ts'
import { signNumbered } from '../../../../src/trust/pki/index.ts'
import {
  connected,
  eventually,
  startFabric,
  type TestFabric,
  type TestNode,
} from '../../../kit/fabric.ts'
import { createJumpClock } from '../../../kit/jump-clock.ts'
import { startRogue } from '../../../kit/rogue.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'
import { rememberedHost } from '../../../kit/probe-host.ts'

const HOUR_MS = 3_600_000

/** Starts a node of a folder as `kosd` does without options. */
function start(
  fabric: TestFabric,
  folder: string,
  changes: Partial<Parameters<typeof startNode>[1]> = {},
): ReturnType<typeof startNode> {
  return startNode(
    { clock: fabric.clock, random: systemRandom, log: silentLog, probeHost: rememberedHost },
    {
      folder,
      listen: { host: '127.0.0.1', port: 0 },
      isPortFixed: true,
      advertise: undefined,
      shareFolder: join(folder, 'share'),
      ...changes,
    },
  )
}

test('one node per folder; one that has not joined does not start', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await assert.rejects(start(fabric, node.folder), {
    code: 'KOS_NODE_IN_USE',
    message: 'Another kosd already uses this state folder.',
  })
  const empty = join(temporaryFolder(context), 'empty')
  mkdirSync(empty)
  // Twice: the first attempt left nothing open.
  for (let time = 0; time < 2; time++) {
    await assert.rejects(start(fabric, empty), { code: 'KOS_NODE_NOT_JOINED' })
  }
})

test('a default port that is taken gives way to one that stays', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await node.running.stop()
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  context.after(() => void holder.close())
  const held = holder.address()
  assert.ok(typeof held === 'object' && held)
  const listen = { host: '127.0.0.1', port: held.port }
  const first = await start(fabric, node.folder, { listen, isPortFixed: false })
  const { port } = first.address
  assert.notEqual(port, held.port)
  await first.stop()
  assert.equal(readFileSync(join(node.folder, 'session.port'), 'utf8'), `${port}\n`)
  const second = await start(fabric, node.folder, { listen, isPortFixed: false })
  assert.equal(second.address.port, port)
  await second.stop()
  // Asked for, a taken port is an error.
  await assert.rejects(start(fabric, node.folder, { listen }), {
    code: 'KOS_NODE_LISTEN',
    details: { address: `127.0.0.1:${held.port}`, reason: 'EADDRINUSE' },
  })
})

test('what peers are told is configuration', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await node.running.stop()
  const advertised = await start(fabric, node.folder, { advertise: 'camera.example:7402' })
  const { directory } = advertised.member.fabric
  await eventually(() => directory.byName('camera-1')?.addresses[0] === 'camera.example:7402')
  await advertised.stop()
})

test('a node comes back to an authority that restarts, and forwards what it recorded', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
  await fabric.stopAuthority()
  await eventually(() => !node.running.link.isConnected)
  assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '40+2'])).out, '42\n')
  await fabric.startAuthority()
  fabric.clock.advance(2000)
  await connected(node)
  fabric.clock.advance(2100)
  await eventually(async () => {
    const { out } = await fabric.kosctl(['audit', 'tail', '--count', '300', '--json'])
    return out.split('\n').filter((line) => line.includes('"action":"calc"')).length === 2
  })
  // Both logs agree, and each entry came once.
  assert.equal((await fabric.kosctl(['audit', 'verify'])).code, 0)
  assert.equal((await node.running.audit.verify()).ok, true)
})

test('the certificate is renewed at half of its life, and the old one goes on until then', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const { membership } = node.running.member
  fabric.clock.advance(14 * HOUR_MS)
  await eventually(() => node.running.member.membership.generation === 2)
  await connected(node)
  assert.equal(node.running.member.keys.get(membership.tlsKey), undefined)
  assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])).out, '1\n')
  const again = await node.restart()
  assert.equal(again.running.member.membership.generation, 2)
})

test('a renewal that fails is tried again until it works', async (context) => {
  const events: [string, LogFields | undefined][] = []
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1', {
    log: { event: (name, fields) => void events.push([name, fields]) },
  })
  await fabric.stopAuthority()
  fabric.clock.advance(14 * HOUR_MS)
  await eventually(() => events.some(([name]) => name === 'certificate.renewal-failed'))
  await fabric.startAuthority()
  fabric.clock.advance(31_000)
  await eventually(() => node.running.member.membership.generation === 2)
  assert.ok(events.some(([name]) => name === 'certificate.renewed'))
})

test('a node that was away too long says that it has to join again', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await node.running.stop()
  fabric.clock.advance(40 * 24 * HOUR_MS)
  await fabric.kosctl(['devices'])
  await assert.rejects(node.restart(), {
    code: 'KOS_NODE_REFUSED',
    details: { code: 'KOS_ENROLMENT_EXPIRED', rule: 'certificate/absence' },
  })
})

test('a locked node is told so when it renews, and goes on asking', async (context) => {
  const events: string[] = []
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1', {
    log: { event: (name) => void events.push(name) },
  })
  await fabric.kosctl(['devices', 'remove', 'camera-1'])
  fabric.clock.advance(14 * HOUR_MS)
  await eventually(() => events.includes('certificate.renewal-refused'))
  assert.equal(node.running.member.membership.generation, 1)
})

test('a node stops at once when nobody calls', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const caller = await startRogue(context, fabric, { name: 'caller' })
  const idle = await caller.dial(node)
  const stopped = node.running.stop()
  const close = await idle.session.closed
  assert.equal(close.code, 'KOS_SESSION_GOAWAY')
  await stopped
  await node.running.stop()
})

test('an authority that has the port but does not answer does not hold a stop up', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const [open] = [...node.running.sessions]
  assert.ok(open)
  // The authority's process hangs: calls get no answer.
  open.session.call = () => new Promise(() => undefined)
  await node.running.audit.append({
    type: 'admin',
    actor: '-',
    target: '-',
    action: 'unforwarded',
    outcome: 'ok',
  })
  const stopping = node.running.stop()
  let isOver = false
  void stopping.then(() => (isOver = true))
  await eventually(() => {
    fabric.clock.advance(500)
    return isOver
  })
})

test('objects that are not genuine, older or for others are refused and nothing changes', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const { fabric: held } = node.running.member
  const directory = held.directory.current
  const { manifest } = held
  assert.ok(directory && manifest)
  const rogue = node.running.member.keys.require('identity').coseSigner()
  const forge = (kind: 'manifest' | 'directory', number: number): Uint8Array =>
    signNumbered(kind, { era: 1, number, body: {}, issuedAt: unixMs(0) }, rogue)
  assert.ok(isRefusal(held.apply('directory', forge('directory', 99))))
  assert.ok(isRefusal(held.apply('manifest', forge('manifest', 99))))
  assert.ok(isRefusal(held.apply('locks', directory.signed)))
  assert.ok(isRefusal(held.apply('bundle', Uint8Array.of(1))))
  assert.equal(held.apply('directory', directory.signed), 'same')
  const former = readFileSync(join(node.folder, 'manifest.cbor'))
  assert.equal(held.apply('manifest', former), 'same')
  // A newer manifest, then the former one again.
  const shown = await fabric.kosctl(['policy', 'show'])
  const changed = JSON.stringify({
    ...(JSON.parse(shown.out) as object),
    notAfter: '2036-01-01T00:00:00Z',
  })
  await fabric.kosctl(['policy', 'apply', '-'], { input: changed })
  await eventually(() => held.manifest?.number === 2)
  const older = held.apply('manifest', former)
  assert.ok(isRefusal(older) && older.code === 'KOS_PKI_OLDER')
  assert.equal(held.manifest?.number, 2)
})

test('a disk that refuses an object does not stop a node', async (context) => {
  const events: string[] = []
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1', {
    log: { event: (name) => void events.push(name) },
  })
  // The place of the file is a folder: the rename fails, also for root.
  rmSync(join(node.folder, 'directory.cbor'))
  mkdirSync(join(node.folder, 'directory.cbor', 'x'), { recursive: true })
  await fabric.kosctl(['devices', 'label', 'camera-1', 'a=b'])
  await eventually(() => events.includes('object.not-kept'))
  const { directory } = node.running.member.fabric
  await eventually(() => directory.byName('camera-1')?.labels['a'] === 'b')
  assert.equal(node.running.link.isConnected, true)
})

test('a lock list that is only signed again is kept, so that the floor of time is', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const file = join(node.folder, 'locks.cbor')
  const before = readFileSync(file)
  const { locks } = node.running.member.fabric
  const held = locks.current?.object
  assert.ok(held)
  fabric.clock.advance(61_000)
  await connected(node)
  await eventually(() => (locks.current?.object.issuedAt ?? 0) > held.issuedAt + 60_000)
  assert.equal(locks.current?.object.number, held.number)
  assert.notDeepEqual(readFileSync(file), before)
  const behind = createJumpClock(-HOUR_MS)
  const member = openMember({ clock: behind, random: systemRandom }, node)
  assert.ok(member)
  assert.ok(member.clock.wallMs() > held.issuedAt + 60_000)
  member.close()
})

/** Changes a stopped node's folder, and says how it then fails. */
async function damaged(node: TestNode, damage: () => void): Promise<string> {
  await node.running.stop()
  damage()
  return node.restart().then(
    () => 'started',
    (error: unknown) =>
      error instanceof Error && 'code' in error ? String(error.code) : String(error),
  )
}

test('a damaged folder is refused, whatever is damaged', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const file = (name: string): string => join(node.folder, name)
  const bundle = readFileSync(file('bundle.cbor'))
  const locks = readFileSync(file('locks.cbor'))
  const cases: readonly (readonly [() => void, string])[] = [
    [() => writeFileSync(file('bundle.cbor'), 'x'), 'KOS_NODE_STATE'],
    [() => rmSync(file('bundle.cbor')), 'KOS_NODE_STATE'],
    [
      () => {
        writeFileSync(file('bundle.cbor'), bundle)
        writeFileSync(file('locks.cbor'), bundle)
      },
      'KOS_NODE_STATE',
    ],
    [
      () => {
        writeFileSync(file('locks.cbor'), locks)
        chmodSync(file('node.sqlite'), 0o644)
      },
      'KOS_STORAGE_PERMISSION',
    ],
    [
      () => {
        chmodSync(file('node.sqlite'), 0o600)
        const keys = openMemberKeys({ random: systemRandom }, node.folder)
        keys.sealSecret('membership', Secret.take(encodeCbor({ uri: 'nobody' })))
        keys.close()
      },
      'KOS_NODE_STATE',
    ],
  ]
  for (const [damage, code] of cases) assert.equal(await damaged(node, damage), code)
  const keys = openMemberKeys({ random: systemRandom }, node.folder)
  assert.throws(() => loadMembership(keys), { code: 'KOS_NODE_STATE' })
  keys.close()
})

test('status and info tell of this daemon', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('agent-1', { kind: 'agent' })
  const status = await fabric.kosctl(['exec', 'agent-1', 'system.status', '--json'])
  // Owners read on their devices; an agent is none: the default manifest says nothing of it.
  assert.equal(status.code, 3)
  assert.match(status.out, /KOS_POLICY_NOT_ALLOWED/)
})
