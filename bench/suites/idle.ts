import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IdleBeats, IdleMemory, IdleRequest } from '../harness/idle-end.ts'
import { launchFlags, type ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, median } from '../harness/rounds.ts'

const END = new URL('../harness/idle-end.ts', import.meta.url)
const NAMES = { tls: 'bare node:tls, mutual, echo', kos: 'kOS' } as const
const SESSIONS = 5000
const CLIENTS = 2
/** Every session had a heartbeat and gave back what it does not need while idle. */
const SETTLE_MS = 25_000
/** One heartbeat of each. */
const WINDOW_MS = 20_000
const MAX_WINDOWS = 3
/** Sessions that make both ends load and compile what they need once, not per session. */
const WARM_SESSIONS = 100
/** Second byte of the addresses of the first client; the next has its own. */
const FIRST_NET = 10
const WARM_NET = 100
const NETS_PER_CLIENT = 20

type Name = keyof typeof NAMES

/** Both ends of a contender, with idle sessions between them. */
interface Kept {
  readonly name: Name
  readonly server: ChildProcess
  readonly clients: readonly ChildProcess[]
  /** What each took before, the server first. */
  readonly before: readonly IdleMemory[]
}

/** One window: CPU microseconds per heartbeat. */
interface Beat {
  readonly heartbeats: number
  readonly serverUs: number
  readonly clientUs: number
}

/** What idle sessions take, with their heartbeats, against bare mutual TLS with an echo of as many bytes. */
export async function measureIdle(options: ProcessOptions, effort: Effort): Promise<Report> {
  const count = options.inFlight?.[0] ?? SESSIONS
  const processes: ChildProcess[] = []
  const start = (name: Name, role: string): ChildProcess => {
    const how = { stdio: 'inherit', execArgv: launchFlags(name) } as const
    const child = fork(END, [name, role, options.fleet], how)
    processes.push(child)
    return child
  }
  try {
    const tls = await keep('tls', count, start)
    const kos = await keep('kos', count, start)
    await sleep(SETTLE_MS)
    const beats = await windowsOf([tls, kos], Math.min(effort.rounds, MAX_WINDOWS))
    const rows = [
      await rowOf(
        tls,
        beats.map(([bare]) => bare),
        count,
      ),
      await rowOf(
        kos,
        beats.map(([, checked]) => checked),
        count,
      ),
    ] as const
    return reportOf(count, rows, beats)
  } finally {
    for (const child of processes) if (child.connected) child.disconnect()
  }
}

interface Row {
  readonly name: Name
  readonly serverBytes: number
  readonly serverHeapBytes: number
  readonly clientBytes: number
  readonly beats: readonly Beat[]
}

type Window = readonly [tls: Beat, kos: Beat]

function reportOf(
  count: number,
  rows: readonly [tls: Row, kos: Row],
  windows: readonly Window[],
): Report {
  const [tls, kos] = rows
  return {
    suite: 'idle',
    title: `${count.toLocaleString('en-US')} idle sessions with heartbeats, one server process, ${CLIENTS} of clients (medians of ${windows.length} windows of ${WINDOW_MS / 1000} s)`,
    columns: [
      'KiB each, server',
      'of it heap',
      'KiB each, client',
      'heartbeats',
      'CPU µs each, server',
      'client',
    ],
    rows: rows.map(({ name, beats, ...bytes }) => [
      NAMES[name],
      bytes.serverBytes / 1024,
      bytes.serverHeapBytes / 1024,
      bytes.clientBytes / 1024,
      median(beats.map(({ heartbeats }) => heartbeats)),
      median(beats.map(({ serverUs }) => serverUs)),
      median(beats.map(({ clientUs }) => clientUs)),
    ]),
    goals: [
      atMost(
        'memory of an idle session ÷ bare mutual TLS socket, server',
        1.15,
        kos.serverBytes / tls.serverBytes,
      ),
      atMost(
        'CPU of a heartbeat ÷ bare echo, server',
        1.3,
        median(windows.map(([bare, checked]) => checked.serverUs / bare.serverUs)),
      ),
    ],
  }
}

async function keep(
  name: Name,
  count: number,
  start: (name: Name, role: string) => ChildProcess,
): Promise<Kept> {
  const server = start(name, 'server')
  const port = await ask<number>(server, { kind: 'listen' })
  const clients = Array.from({ length: CLIENTS }, () => start(name, 'client'))
  const open = async (sessions: number, firstNet: number): Promise<void> => {
    const share = Math.ceil(sessions / CLIENTS)
    const net = (index: number): number => firstNet + index * NETS_PER_CLIENT
    await Promise.all(
      clients.map((client, index) =>
        ask(client, { kind: 'open', port, count: share, net: net(index) }),
      ),
    )
  }
  await open(WARM_SESSIONS, WARM_NET)
  const before = await memoryOf([server, ...clients])
  await open(count, FIRST_NET)
  return { name, server, clients, before }
}

/** Twice: what the first collection lets go of is given back by the second. */
async function memoryOf(processes: readonly ChildProcess[]): Promise<readonly IdleMemory[]> {
  const memory = (): Promise<IdleMemory[]> =>
    Promise.all(processes.map((child) => ask<IdleMemory>(child, { kind: 'memory' })))
  await memory()
  return memory()
}

/** Both contenders beat in the same windows, so that whatever else the machine does counts for both. */
async function windowsOf(
  kept: readonly [tls: Kept, kos: Kept],
  windows: number,
): Promise<Window[]> {
  const read = (): Promise<IdleBeats[][]> =>
    Promise.all(
      kept.map(({ server, clients }) =>
        Promise.all([server, ...clients].map((end) => ask<IdleBeats>(end, { kind: 'beats' }))),
      ),
    )
  const found: Window[] = []
  let first = await read()
  for (let round = 0; round < windows; round += 1) {
    await sleep(WINDOW_MS)
    const last = await read()
    found.push([beatOf(first[0], last[0]), beatOf(first[1], last[1])])
    first = last
  }
  return found
}

/** @param first - readings of the ends at the begin of the window, the server first */
function beatOf(
  first: readonly IdleBeats[] | undefined,
  last: readonly IdleBeats[] | undefined,
): Beat {
  const [serverUs = NaN, ...clientsUs] = (first ?? []).map(
    ({ beginUs }, index) => (last?.[index]?.endUs ?? NaN) - beginUs,
  )
  const heartbeats = (last?.[0]?.heartbeats ?? NaN) - (first?.[0]?.heartbeats ?? NaN)
  const clientUs = clientsUs.reduce((sum, us) => sum + us, 0)
  return { heartbeats, serverUs: serverUs / heartbeats, clientUs: clientUs / heartbeats }
}

async function rowOf(kept: Kept, beats: readonly Beat[], count: number): Promise<Row> {
  const { name, server, clients, before } = kept
  const after = await memoryOf([server, ...clients])
  const [serverBefore, ...clientsBefore] = before
  const [serverAfter, ...clientsAfter] = after
  if (!serverBefore || !serverAfter || serverAfter.sessions < count) {
    throw new Error(`${name}: sessions are missing`)
  }
  const added = serverAfter.sessions - serverBefore.sessions
  const sum = (memories: readonly IdleMemory[]): number =>
    memories.reduce((bytes, { residentBytes }) => bytes + residentBytes, 0)
  return {
    name,
    serverBytes: (serverAfter.residentBytes - serverBefore.residentBytes) / added,
    serverHeapBytes: (serverAfter.heapBytes - serverBefore.heapBytes) / added,
    clientBytes: (sum(clientsAfter) - sum(clientsBefore)) / added,
    beats,
  }
}

async function ask<T>(child: ChildProcess, request: IdleRequest): Promise<T> {
  child.send(request)
  const ended = once(child, 'exit').then(() => [{ error: 'a process ended early' }])
  const answered = Promise.race([once(child, 'message'), ended])
  const [answer] = (await answered) as [{ value?: T; error?: string }]
  if (answer.error !== undefined) throw new Error(answer.error)
  return answer.value as T
}
