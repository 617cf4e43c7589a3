import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { type RunningAuthority, startAuthority } from '../../src/apps/authority/index.ts'
import { type AuthorityClient, openMember } from '../../src/apps/node/index.ts'
import { Child } from '../harness/child-process.ts'
import { benchTrustDomain } from '../harness/fleet.ts'
import { createLockFleet } from '../harness/lock-fleet.ts'
import { LOCK_ADMISSION } from '../harness/lock-limits.ts'
import type { LockRequest, LockTimes } from '../harness/messages.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, quantile } from '../harness/rounds.ts'

const CHILD = new URL('../harness/lock-child.ts', import.meta.url)
const MEMBERS = 1000
const PROCESSES = 2
const POLL_MS = 20

/** One lock: milliseconds from the operator's request. */
interface Lock {
  /** The intent is durable, the list signed and stored. */
  readonly signedMs: number
  /** The last member has it. */
  readonly heardMs: number
  /** Every session with the locked one, as its peer ended it. */
  readonly closedMs: readonly number[]
}

/**
 * `kosctl lock` against connected members, each with a session to the authority and one to the member
 * that is locked: from the operator's HTTPS request to the last session that a peer has closed.
 */
export async function measureLock(options: ProcessOptions, effort: Effort): Promise<Report> {
  const count = options.inFlight?.[0] ?? MEMBERS
  const bench = await startBench(options.fleet, count)
  const locks: Lock[] = []
  try {
    for (let round = 0; round < effort.rounds; round += 1) locks.push(await bench.lock())
  } finally {
    await bench.stop()
  }
  const last = locks.map(({ closedMs }) => Math.max(...closedMs))
  const each = locks.flatMap(({ closedMs }) => closedMs)
  const row = (name: string, values: readonly number[]): Report['rows'][number] => [
    name,
    quantile(values, 0.5),
    quantile(values, 0.99),
    Math.max(...values),
  ]
  return {
    suite: 'lock',
    title: `From "lock" to the last refused session, ${count.toLocaleString('en-US')} connected members in ${PROCESSES} processes, milliseconds (${locks.length} locks)`,
    columns: ['p50', 'p99', 'longest'],
    rows: [
      row('the last session is refused', last),
      row('each session is refused', each),
      row(
        'of which: request, intent durable, list signed',
        locks.map(({ signedMs }) => signedMs),
      ),
      row(
        'of which: pushed to the last member',
        locks.map((lock) => lock.heardMs - lock.signedMs),
      ),
      row(
        'of which: checked, applied, last session closed',
        locks.map((lock) => Math.max(...lock.closedMs) - lock.heardMs),
      ),
    ],
    goals: [atMost('milliseconds to the last refused session, p99', 1000, quantile(last, 0.99))],
  }
}

/** CLOCK_MONOTONIC, the same in all processes. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

type Members = Child<LockRequest>

interface Bench {
  lock(): Promise<Lock>
  stop(): Promise<void>
}

async function startBench(directory: string, count: number): Promise<Bench> {
  const folder = join(directory, 'lock')
  const file = join(directory, 'lock-fleet.json')
  const fleet = await createLockFleet(folder, file, count + 1)
  const published = { atMs: 0 }
  await using stack = new AsyncDisposableStack()
  const authority = await startLockAuthority(folder, published)
  stack.defer(() => authority.stop())
  const ranges = Array.from({ length: PROCESSES }, (_, index) => ({
    first: 1 + Math.floor((count * index) / PROCESSES),
    next: 1 + Math.floor((count * (index + 1)) / PROCESSES),
  }))
  const start = (first: number, next: number): Members => {
    const args = [file, String(first), String(next - first)]
    const child: Members = new Child('a process of members', CHILD, { args })
    stack.defer(() => child.stop())
    return child
  }
  const target = start(0, 1)
  const members = ranges.map(({ first, next }) => start(first, next))
  const toAuthority = {
    kind: 'connect',
    at: authority.session,
    uri: fleet.authorityUri,
    isTimed: false,
  } as const
  await Promise.all([...members, target].map((child) => child.ask(toAuthority)))
  const at = await target.ask<{ host: string; port: number }>({ kind: 'listen' })
  const [locked] = fleet.members
  if (!locked) throw new Error('nobody to lock')
  const operator = openMember(
    { clock: systemClock, random: systemRandom },
    { folder: join(folder, 'operator') },
  )
  if (!operator) throw new Error('no operator')
  stack.defer(() => operator.close())
  const client = await operator.connectAuthority(10_000)
  stack.defer(() => client.close())
  const running = stack.move()
  return {
    lock: async () => {
      await target.ask(toAuthority)
      const toTarget = { kind: 'connect', at, uri: locked.uri, isTimed: true } as const
      await Promise.all(members.map((child) => child.ask(toTarget)))
      const beganMs = nowMs()
      published.atMs = 0
      await change(client, `${locked.name}/lock`, { reason: 'measured' })
      const signedMs = published.atMs
      const found = await Promise.all(members.map((child) => timesOf(child)))
      await change(client, `${locked.name}/unlock`, {})
      return {
        signedMs: signedMs - beganMs,
        heardMs: Math.max(...found.flatMap(({ heardMs }) => heardMs)) - beganMs,
        closedMs: found.flatMap(({ closedMs }) => closedMs.map((ms) => ms - beganMs)),
      }
    },
    stop: () => running.disposeAsync(),
  }
}

function startLockAuthority(
  folder: string,
  published: { atMs: number },
): Promise<RunningAuthority> {
  // The first list after the request is the one that locks; heartbeats say nothing new.
  const log: Log = {
    event: (name, fields) => {
      const isLockList = name === 'object.published' && fields?.['kind'] === 'lock-list'
      if (isLockList && published.atMs === 0) published.atMs = nowMs()
    },
  }
  const loopback = { host: '127.0.0.1', port: 0 }
  return startAuthority(
    { clock: systemClock, random: systemRandom, log },
    {
      folder,
      trustDomain: benchTrustDomain(),
      listen: loopback,
      sessionListen: loopback,
      fixedPorts: { api: true, session: true },
      advertiseHost: undefined,
      names: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
      operator: { folder: join(folder, 'operator'), name: 'bench' },
      admission: LOCK_ADMISSION,
    },
  )
}

async function change(client: AuthorityClient, path: string, body: object): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(body))
  const answer = await client.request('POST', `/v1/principals/${path}`, {
    type: 'application/json',
    bytes,
  })
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`)
}

async function timesOf(child: Members): Promise<LockTimes> {
  for (;;) {
    const found = await child.ask<LockTimes | undefined>({ kind: 'times' })
    if (found) return found
    await sleep(POLL_MS)
  }
}
