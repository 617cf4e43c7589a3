/**
 * Scenario: twelve principals call one node for a minute without a pause. Every call has one answer,
 * its own, and one record; the node does not grow; both logs verify.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { joinAuthority, openMemberKeys } from '../../src/apps/node/index.ts'
import { isRefusal, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { decodeEntry } from '../../src/trust/audit/index.ts'
import { forwardedIndexes, leafHashes, storedEntries, verifyNodeLog } from '../kit/log-files.ts'
import { openPeerClient, type PeerClient } from '../kit/peer-client.ts'
import { type Daemon, Place } from '../kit/processes.ts'

/** Between two joins, each of which takes a few connections. */
const JOIN_MS = 1000
const CLIENTS = 12
const SOAK_MS = 60_000
const WARM_UP_MS = 12_000
const MOST_CALLS = 0x10_0000
/** Below the rate that a node grants one peer. */
const BATCH = 4
const BATCH_MS = 100
const MOST_GROWTH = 1.6
const DEPS = { clock: systemClock, random: systemRandom }
const RULE = {
  id: 'devices-call',
  effect: 'allow',
  domain: 'rpc',
  from: ['kind:device'],
  to: ['kind:device'],
  actions: ['calc', 'echo'],
}

test('a node is called by twelve clients without a pause', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  const node = await place.join('camera-1')
  await place.changeRules((rules) => [...rules, RULE])
  const clients: PeerClient[] = []
  context.after(() => Promise.all(clients.map((client) => client.close())))
  for (let index = 0; index < CLIENTS; index += 1) {
    // The gates take five connections a second from one address.
    await sleep(JOIN_MS)
    clients.push(await openPeerClient(await joinClient(place, `client-${index}`), 'camera-1'))
  }
  const [first] = clients
  assert.ok(first)
  await place.eventually('the rule is in force', async () => (await first.call()).status === 'ok')

  const grown = residentGrowth(node)
  // A failure of the calls ends the test before this is awaited.
  grown.catch(() => undefined)
  const untilMs = performance.now() + SOAK_MS
  const called = await Promise.all(clients.map((client, index) => soak(client, index, untilMs)))
  const growth = await grown
  for (const calls of called) assert.ok(calls.length > 0)
  assert.ok(growth <= MOST_GROWTH, `the node grew to ${growth.toFixed(2)} times its size`)
  context.diagnostic(`${called.flat().length} calls, memory × ${growth.toFixed(2)}`)
  await checkLogs(place, node, called.flat())
})

/** A member that only calls: it joins from this process and runs no daemon. */
async function joinClient(place: Place, name: string): Promise<string> {
  const folder = join(place.folder, 'clients', name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const line = parseJoinLine(await place.joinLine(name))
  assert.ok(!isRefusal(line))
  const keys = openMemberKeys(DEPS, folder)
  try {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1)
    const joined = await joinAuthority(DEPS, { folder, keys, line, mac, addresses: [] })
    assert.ok(!isRefusal(joined), JSON.stringify(joined))
    return folder
  } finally {
    keys.close()
  }
}

/** Calls in small batches until the time is over; the ids of all calls. */
async function soak(client: PeerClient, index: number, untilMs: number): Promise<string[]> {
  const callIds: string[] = []
  while (performance.now() < untilMs) {
    const pause = sleep(BATCH_MS)
    const batch = Array.from({ length: BATCH }, () => {
      const number = callIds.length
      const callId = (index * MOST_CALLS + number).toString(16).padStart(32, '0')
      callIds.push(callId)
      return oneCall(client, { callId, number })
    })
    await Promise.all([pause, ...batch])
  }
  return callIds
}

/** Every answer is the one to its own question. */
async function oneCall(
  { session }: PeerClient,
  { callId, number }: { readonly callId: string; readonly number: number },
): Promise<void> {
  const isCalc = number % 2 === 0
  const [command, args] = isCalc
    ? ['calc', { expression: `${number}+1` }]
    : ['echo', { value: callId.repeat(8) }]
  const result = await session.call(command, args, { callId })
  assert.equal(result.status, 'ok', JSON.stringify(result))
  const expected = isCalc ? { value: number + 1 } : args
  assert.deepEqual({ ...(result.value as object) }, expected)
}

/** Resident memory at the end against that after warming up; between both, nothing is held for long. */
async function residentGrowth(node: Daemon): Promise<number> {
  await sleep(WARM_UP_MS)
  const warm = residentKib(node)
  await sleep(SOAK_MS - WARM_UP_MS)
  return residentKib(node) / warm
}

function residentKib({ pid }: Daemon): number {
  const out = execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })
  const kib = Number(out)
  assert.ok(kib > 0, out)
  return kib
}

/** Each call stands in the node's log once, as answered, and the authority has it all. */
async function checkLogs(place: Place, node: Daemon, callIds: readonly string[]): Promise<void> {
  const device = (await place.devices()).find(({ name }) => name === 'camera-1')
  assert.ok(device)
  const folder = place.stateOf('camera-1')
  const file = join(folder, 'node.sqlite')
  const authorityFile = join(place.stateOf('authority'), 'authority.sqlite')
  // What the node records while it stops is handed over after its next start.
  const size = leafHashes(file).length
  await place.eventually('all entries of the node were forwarded', () => {
    const indexes = forwardedIndexes(authorityFile, device.id)
    assert.deepEqual(
      indexes,
      indexes.map((_, index) => index),
    )
    return indexes.length >= size
  })
  await node.stop()
  const recorded = storedEntries(file)
    .map(({ entry }) => decodeEntry(entry).event)
    .filter((event) => event?.type === 'call' && event.outcome === 'ok')
    .map((event) => event?.callId ?? '')
    .filter((callId) => callId.startsWith('0000'))
  assert.deepEqual(recorded.toSorted(), callIds.toSorted())
  assert.equal((await verifyNodeLog(folder)).ok, true)
  await place.verifyAudit()
}
