/**
 * One end of one contender in a process of its own:
 * `node bench/harness/child.ts <contender> <server|client> <fleet folder>`, driven over IPC.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { answerParent } from './child-process.ts'
import type { ClientEnd, Contender, ServerEnd } from './contender.ts'
import { loadMember, type MemberRole } from './fleet.ts'
import type { ChildRequest, Load, Measured } from './messages.ts'

/** Latencies kept per measurement. */
const MAX_LATENCIES = 65_536
/** Above so many in flight a latency says how long the queue is, and taking it costs CPU. */
const MAX_IN_FLIGHT_TIMED = 8
const PROFILE_INTERVAL_US = 1000

const [name = '', role = '', fleet = ''] = process.argv.slice(2)
let end: ServerEnd | ClientEnd | undefined
let sequence = 0

async function loadContender(): Promise<Contender> {
  return (await import(`../contenders/${name}.ts`)) as Contender
}

async function start(port: number): Promise<number> {
  const contender = await loadContender()
  const directory = join(fleet, `${name}-${role}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const setup = { member: loadMember(fleet, role as MemberRole), directory }
  if (role === 'server') {
    const server = await contender.startServer(setup)
    end = server
    return server.port
  }
  end = await contender.startClient(setup, port)
  return port
}

async function measure({ durationMs, inFlight }: Load): Promise<Measured> {
  if (!end || !('operate' in end)) throw new Error('no client')
  const client = end
  const latencies = inFlight <= MAX_IN_FLIGHT_TIMED ? new Float64Array(MAX_LATENCIES) : undefined
  let operations = 0
  const startedMs = performance.now()
  const untilMs = startedMs + durationMs
  const lane = async (): Promise<void> => {
    if (!latencies) {
      while (performance.now() < untilMs) {
        await client.operate(sequence++)
        operations++
      }
      return
    }
    for (let beforeMs = performance.now(); beforeMs < untilMs;) {
      await client.operate(sequence++)
      const afterMs = performance.now()
      latencies[operations++ % MAX_LATENCIES] = afterMs - beforeMs
      beforeMs = afterMs
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  const elapsedMs = performance.now() - startedMs
  const sorted = latencies?.subarray(0, Math.min(operations, MAX_LATENCIES)).toSorted()
  const quantile = (q: number): number | undefined => {
    const ms = sorted?.[Math.floor((sorted.length - 1) * q)]
    return ms === undefined ? undefined : ms * 1000
  }
  return { operations, elapsedMs, p50Us: quantile(0.5), p99Us: quantile(0.99) }
}

const inspector = new Session()

async function startProfile(): Promise<void> {
  inspector.connect()
  await inspector.post('Profiler.enable')
  await inspector.post('Profiler.setSamplingInterval', { interval: PROFILE_INTERVAL_US })
  await inspector.post('Profiler.start')
}

async function writeProfile(file: string): Promise<void> {
  const { profile } = await inspector.post('Profiler.stop')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(profile))
  inspector.disconnect()
}

async function perform(request: ChildRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      return start(request.port)
    case 'measure':
      return measure(request.load)
    case 'cpu': {
      const { user, system } = process.cpuUsage()
      const more = end && 'moreCpuUs' in end ? end.moreCpuUs?.() : undefined
      return user + system + (more ?? 0)
    }
    case 'profile':
      return startProfile()
    case 'profiled':
      return writeProfile(request.file)
    case 'stop':
      await end?.close()
      return undefined
  }
}

answerParent<ChildRequest>(perform)
