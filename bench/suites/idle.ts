import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IdleFigures, IdleRequest } from '../harness/idle-end.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const END = new URL('../harness/idle-end.ts', import.meta.url)
const SESSIONS = 5000
const CLIENTS = 2
/** Every session had a heartbeat and gave back what it does not need while idle. */
const SETTLE_MS = 25_000
/** One heartbeat of each. */
const WINDOW_MS = 20_000
/** Sessions that make the server load and compile what it needs once, not per session. */
const WARM_SESSIONS = 100
/** Second byte of the addresses of the first client; the next has its own. */
const FIRST_NET = 10
const WARM_NET = 100
const NETS_PER_CLIENT = 20

/** A server with its idle sessions. */
interface Kept {
  readonly name: string
  readonly server: ChildProcess
  readonly before: IdleFigures
}

/** What idle sessions take, with their heartbeats, against bare mutual TLS with an echo of as many bytes. */
export async function measureIdle(options: ProcessOptions, _effort: Effort): Promise<Report> {
  const count = options.inFlight?.[0] ?? SESSIONS
  const kept: Kept[] = []
  const processes: ChildProcess[] = []
  const start = (name: string, role: string): ChildProcess => {
    const child = fork(END, [name, role, options.fleet], { stdio: 'inherit' })
    processes.push(child)
    return child
  }
  try {
    for (const name of ['tls', 'kos']) kept.push(await keep(name, count, start))
    await sleep(SETTLE_MS)
    const first = await Promise.all(kept.map(({ server }) => ask<IdleFigures>(server, FIGURES)))
    await sleep(WINDOW_MS)
    const last = await Promise.all(kept.map(({ server }) => ask<IdleFigures>(server, FIGURES)))
    const rows = kept.map(({ name, before }, index) =>
      rowOf(name, { before, first: first[index], last: last[index] }, count),
    )
    const [tls, kos] = rows
    const ratio = (of: 'bytes' | 'cpuUs'): number => (kos?.[of] ?? NaN) / (tls?.[of] ?? NaN)
    return {
      suite: 'idle',
      title: `${count.toLocaleString('en-US')} idle sessions with heartbeats, one server process each`,
      columns: ['KiB each', 'heap KiB each', 'heartbeats', 'CPU µs per heartbeat'],
      rows: rows.map((row) => [
        row.name,
        row.bytes / 1024,
        row.heapBytes / 1024,
        row.heartbeats,
        row.cpuUs,
      ]),
      goals: [
        atMost('memory of an idle session ÷ bare mutual TLS socket', 1.15, ratio('bytes')),
        atMost('CPU of a heartbeat ÷ bare echo', 1.3, ratio('cpuUs')),
      ],
    }
  } finally {
    for (const child of processes) if (child.connected) child.disconnect()
  }
}

const FIGURES: IdleRequest = { kind: 'figures' }

async function keep(
  name: string,
  count: number,
  start: (name: string, role: string) => ChildProcess,
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
  await ask(server, FIGURES)
  const before = await ask<IdleFigures>(server, FIGURES)
  await open(count, FIRST_NET)
  return { name, server, before }
}

function rowOf(
  name: string,
  found: {
    readonly before: IdleFigures
    readonly first: IdleFigures | undefined
    readonly last: IdleFigures | undefined
  },
  count: number,
): Record<'bytes' | 'heapBytes' | 'heartbeats' | 'cpuUs', number> & { readonly name: string } {
  const { before, first, last } = found
  if (!first || !last || last.sessions < count) throw new Error(`${name}: sessions are missing`)
  const heartbeats = last.heartbeats - first.heartbeats
  const added = last.sessions - before.sessions
  return {
    name: name === 'kos' ? 'kOS' : 'bare node:tls, mutual, echo',
    bytes: (last.residentBytes - before.residentBytes) / added,
    heapBytes: (last.heapBytes - before.heapBytes) / added,
    heartbeats,
    cpuUs: (last.cpuUs - first.cpuUs) / heartbeats,
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
