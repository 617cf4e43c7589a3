/**
 * Scenario: nodes fetch files from one another, both ways over one session, and the network cuts their
 * connection in the middle, or one of them is killed. Each call goes on or fails, once; the audit logs
 * of both ends say that none was executed twice.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type HostPort, parseHostPort } from '../../src/apps/node/index.ts'
import { type Clock, isRefusal, systemClock } from '../../src/foundation/base/index.ts'
import { parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import type { CallResult, PeerSession } from '../../src/network/session/index.ts'
import { type AuditEvent, decodeEntry } from '../../src/trust/audit/index.ts'
import { joinFolder } from '../kit/fabric.ts'
import { createJumpClock } from '../kit/jump-clock.ts'
import { storedEntries, verifyNodeLog } from '../kit/log-files.ts'
import { type OpenNode, openNode } from '../kit/open-node.ts'
import { Place } from '../kit/processes.ts'
import { startTcpProxy, type TcpProxy } from '../kit/tcp-proxy.ts'

const MIB = 1024 * 1024
const BYTES = 8 * MIB
const CUTS = 4
const ECHOES = 6
const RULE = {
  id: 'devices-call',
  effect: 'allow',
  domain: 'rpc',
  from: ['kind:device'],
  to: ['kind:device'],
  actions: ['echo', 'files.fetch'],
}
const content = Buffer.alloc(BYTES)
for (let index = 0; index < BYTES; index += 1) content[index] = (index * 31 + (index >>> 12)) % 251
const whole = createHash('sha256').update(content).digest('hex')

test('both ways on one session, cut four times: all is executed once and arrives once', async (context) => {
  const place = await startPlace(context)
  const [near, far] = [
    await joinNode(context, { place, name: 'camera-1' }),
    await joinNode(context, { place, name: 'camera-2' }),
  ]
  await know(place, near, far)
  const proxy = await proxyTo(context, far.address)
  await near.dial({ host: '127.0.0.1', port: proxy.port }, far.uri)
  await place.eventually('the other end has it too', () => far.sessionWith(near.uri) !== undefined)
  const there = (): PeerSession => sessionOf(near, far)
  const back = (): PeerSession => sessionOf(far, near)
  const fetches = [startFetch(there()), startFetch(there()), startFetch(back())]
  const ends = Promise.all(fetches.map(({ end }) => end))
  const echoes: Promise<CallResult>[] = []
  for (let cut = 0; cut < CUTS; cut += 1) {
    const goal = ((cut + 1) * BYTES) / (CUTS + 2)
    await place.eventually('more of each was read', () =>
      fetches.every(({ taken }) => taken >= goal),
    )
    for (let count = 0; count < ECHOES; count += 1) {
      for (const session of [there(), back()]) {
        echoes.push(session.call('echo', { value: `${cut} ${count}` }))
        // Some have left when the cable is pulled, some have not.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const lost = [there(), back()]
    assert.ok(
      fetches.every(({ isOver }) => !isOver),
      'all are in the middle',
    )
    proxy.release()
    await Promise.all(lost.map(({ closed }) => closed))
    await place.eventually(
      'another connection',
      () => near.sessionWith(far.uri) !== undefined && far.sessionWith(near.uri) !== undefined,
    )
  }
  for (const fetch of fetches) fetch.goOn()
  assert.deepEqual(await ends, [`ok ${whole}`, `ok ${whole}`, `ok ${whole}`])
  const statuses = (await Promise.all(echoes)).map(({ status }) => status)
  assert.deepEqual(
    statuses,
    Array.from({ length: CUTS * ECHOES * 2 }, () => 'ok'),
  )
  assert.deepEqual(
    fetches.map(({ late }) => late),
    [0, 0, 0],
  )
  for (const [server, caller, count] of [
    [far, near, 2],
    [near, far, 1],
  ] as const) {
    await server.parts.audit.flush()
    const records = recordsOf(server.folder).filter(({ actor }) => actor === caller.uri)
    const fetched = records.filter(({ action }) => action === 'files.fetch')
    assert.deepEqual(
      endsPerCall(fetched),
      Array.from({ length: count }, () => 'intent ok'),
    )
    assert.ok(
      fetched.every(
        ({ outcome, detail }) => outcome === 'intent' || detail?.['streamedBytes'] === BYTES,
      ),
    )
    const echoed = records.filter(({ action }) => action === 'echo')
    assert.deepEqual(
      endsPerCall(echoed),
      Array.from({ length: CUTS * ECHOES }, () => 'ok'),
    )
    assert.equal((await verifyNodeLog(server.folder)).ok, true)
  }
})

test('kosd streams through cuts, and is killed: it comes back, and the call failed once', async (context) => {
  const place = await startPlace(context)
  let daemon = await place.join('camera-2')
  share(place.stateOf('camera-2'))
  const near = await joinNode(context, { place, name: 'camera-1' })
  const uri = await uriOf(place, near, 'camera-2')
  const proxy = await proxyTo(context, hostPort(place.addressOf('camera-2')))
  const open = await near.dial({ host: '127.0.0.1', port: proxy.port }, uri)
  const first = startFetch(open.session)
  for (const goal of [BYTES / 4, BYTES / 2]) {
    await place.eventually('more was read', () => first.taken >= goal)
    const lost = near.sessionWith(uri)
    assert.equal(first.isOver, false, 'it is in the middle')
    proxy.release()
    await lost?.session.closed
    await place.eventually('another connection', () => near.sessionWith(uri) !== undefined)
  }
  first.goOn()
  assert.equal(await first.end, `ok ${whole}`)

  const second = startFetch(sessionTo(near, uri))
  const third = startFetch(sessionTo(near, uri))
  await place.eventually('both run', () => second.taken >= MIB / 4 && third.taken >= MIB / 4)
  await daemon.kill()
  // Back at the same address before anybody gives up: it knows nothing of the session.
  daemon = await place.startNode('camera-2')
  for (const fetch of [second, third]) fetch.goOn()
  assert.deepEqual(await Promise.all([second.end, third.end]), [
    'KOS_SESSION_LOST',
    'KOS_SESSION_LOST',
  ])
  assert.deepEqual([first.late, second.late, third.late], [0, 0, 0])
  const records = recordsOf(place.stateOf('camera-2')).filter(({ actor }) => actor === near.uri)
  assert.deepEqual(endsPerCall(records), [
    'intent ok',
    'intent KOS_EXECUTION_INTERRUPTED',
    'intent KOS_EXECUTION_INTERRUPTED',
  ])
  await daemon.stop()
  assert.equal((await verifyNodeLog(place.stateOf('camera-2'))).ok, true)
})

test('kosd is killed and stays away: the caller is told once, when the time for it is over', async (context) => {
  const place = await startPlace(context)
  const daemon = await place.join('camera-2')
  share(place.stateOf('camera-2'))
  const clock = createJumpClock()
  const near = await joinNode(context, { place, name: 'camera-1', clock })
  const uri = await uriOf(place, near, 'camera-2')
  const open = await near.dial(hostPort(place.addressOf('camera-2')), uri)
  const fetch = startFetch(open.session, 60_000)
  await place.eventually('it runs', () => fetch.taken >= MIB / 4)
  await daemon.kill()
  await open.session.closed
  fetch.goOn()
  assert.equal(fetch.isOver, false, 'it waits for another connection')
  clock.setWallOffset(-30_000)
  clock.advance(30_000)
  assert.equal(await fetch.end, 'KOS_SESSION_LOST')
  assert.equal(fetch.late, 0)
  await place.startNode('camera-2')
  const records = recordsOf(place.stateOf('camera-2')).filter(({ actor }) => actor === near.uri)
  assert.deepEqual(endsPerCall(records), ['intent KOS_EXECUTION_INTERRUPTED'])
})

/** An authority whose devices may call one another from their joining on. */
async function startPlace(context: TestContext): Promise<Place> {
  const place = new Place(context)
  await place.startAuthority()
  await place.changeRules((rules) => [...rules, RULE])
  return place
}

/** A node in this process, with the file that the others fetch. */
async function joinNode(
  context: TestContext,
  of: { readonly place: Place; readonly name: string; readonly clock?: Clock },
): Promise<OpenNode> {
  const { place, name, clock = systemClock } = of
  const folder = place.stateOf(name)
  mkdirSync(folder, { mode: 0o700 })
  const line = parseJoinLine(await place.joinLine(name))
  assert.ok(!isRefusal(line))
  const joined = await joinFolder({ folder, line, clock })
  assert.ok(!isRefusal(joined), JSON.stringify(joined))
  share(folder)
  return openNode(context, folder, clock)
}

function share(folder: string): void {
  mkdirSync(join(folder, 'share'), { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, 'share', 'film.bin'), content)
}

function proxyTo(context: TestContext, to: HostPort): Promise<TcpProxy> {
  return startTcpProxy(context, { host: '127.0.0.1', to, holdAfterBytes: Infinity })
}

function hostPort(text: string): HostPort {
  const at = parseHostPort(text)
  assert.ok(at)
  return at
}

/** Waits until each stands in the directory of the other. */
async function know(place: Place, ...nodes: readonly OpenNode[]): Promise<void> {
  await place.eventually('all know one another', () =>
    nodes.every(({ parts }) =>
      nodes.every(({ uri }) =>
        parts.member.fabric.directory.current?.value.entries.some((entry) => entry.uri === uri),
      ),
    ),
  )
}

async function uriOf(place: Place, node: OpenNode, name: string): Promise<string> {
  const { directory } = node.parts.member.fabric
  await place.eventually(`${name} is known`, () => directory.byName(name) !== undefined)
  // The daemon must know the caller as well.
  await place.connected(name)
  return directory.byName(name)?.uri ?? ''
}

function sessionOf(from: OpenNode, to: OpenNode): PeerSession {
  return sessionTo(from, to.uri)
}

function sessionTo(from: OpenNode, uri: string): PeerSession {
  const open = from.sessionWith(uri)
  assert.ok(open, `a session with ${uri}`)
  return open.session
}

/** A file on its way, which is read at leisure until it may go on. */
interface Fetch {
  readonly taken: number
  /** Pieces that came after the end. */
  readonly late: number
  readonly isOver: boolean
  readonly end: Promise<string>
  goOn(): void
}

function startFetch(session: PeerSession, deadlineMs = 25_000): Fetch {
  const hash = createHash('sha256')
  let [taken, late, isOver, isSlow] = [0, 0, false, true]
  const call = session.call(
    'files.fetch',
    { path: 'share/film.bin' },
    {
      deadlineMs,
      onData: async (bytes) => {
        if (isOver) late += 1
        hash.update(bytes)
        taken += bytes.length
        if (isSlow) await new Promise((resolve) => setTimeout(resolve, 20))
      },
    },
  )
  const end = call.then((result) => {
    assert.equal(isOver, false)
    isOver = true
    return result.status === 'ok' ? `ok ${hash.digest('hex')}` : result.code
  })
  return {
    end,
    get taken(): number {
      return taken
    },
    get late(): number {
      return late
    },
    get isOver(): boolean {
      return isOver
    },
    goOn: () => {
      isSlow = false
    },
  }
}

function recordsOf(folder: string): readonly AuditEvent[] {
  return storedEntries(join(folder, 'node.sqlite'))
    .map(({ entry }) => decodeEntry(entry).event)
    .filter((event) => event !== undefined)
    .filter(({ type }) => type === 'call' || type === 'refusal')
}

/** What was recorded of each call, in order: outcomes, and the codes of failures. */
function endsPerCall(records: readonly AuditEvent[]): readonly string[] {
  const calls = Map.groupBy(records, ({ callId }) => callId ?? '-')
  return [...calls.values()].map((events) =>
    events.map(({ outcome, code }) => code ?? outcome).join(' '),
  )
}
