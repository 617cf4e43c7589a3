import { spawnSync } from 'node:child_process'
import type { ProcessOptions } from '../harness/processes.ts'
import { atLeast, atMost, type Goal, type Report } from '../harness/report.ts'
import {
  type Effort,
  measureInRounds,
  medianOf,
  medianRatio,
  type RoundsResult,
  type Samples,
} from '../harness/rounds.ts'

const OURS = 'kos'
const NAMES: Readonly<Record<string, string>> = {
  kos: 'kOS checked call (SEC-2)',
  raw: 'raw TLS framing, no checks',
  http2: 'node:http2',
  grpc: 'gRPC unary',
  nats: 'NATS request, three processes',
}
const ALONE = 1
const MANY = 64
/** The core that both ends share where latencies are compared. */
const CORE = 0

/** One call with 64 bytes there and back, over one connection with certificates at both ends. */
export async function measureEcho(processes: ProcessOptions, effort: Effort): Promise<Report> {
  const hasNats = isInstalled('nats-server', '--version')
  const contenders = Object.keys(NAMES).filter((name) => name !== 'nats' || hasNats)
  const result = await measureInRounds({ contenders, inFlight: [ALONE, MANY], processes }, effort)
  const pinned = await measurePinned(contenders, { processes, effort })
  return {
    suite: 'echo',
    title: `A call of 64 bytes over mutual TLS 1.3, one connection (medians of ${effort.rounds} rounds${hasNats ? '' : '; nats-server is not installed'})`,
    columns: [
      'p50 µs (1)',
      'p99 µs (1)',
      'CPU µs (1)',
      'one core: p50 µs (1)',
      'p99 µs (1)',
      'calls/s (64)',
      'best',
      'CPU µs client',
      'server',
      'both (64)',
      'CPU ÷ kOS',
      'calls/s ÷ kOS',
    ],
    rows: [...result.keys()].map((name) => row(name, result, pinned)),
    goals: goals(result, pinned),
  }
}

/** Latencies with all processes of all contenders on one core: to wake another one takes longer than a call. */
async function measurePinned(
  contenders: readonly string[],
  { processes, effort }: { readonly processes: ProcessOptions; readonly effort: Effort },
): Promise<RoundsResult> {
  const isLeftOut = processes.inFlight?.includes(ALONE) === false
  if (isLeftOut || !isInstalled('taskset', '--version')) return new Map()
  const pinned = { ...processes, core: CORE, inFlight: [ALONE], profileDirectory: undefined }
  return measureInRounds({ contenders, inFlight: [ALONE], processes: pinned }, effort)
}

function isInstalled(program: string, argument: string): boolean {
  return spawnSync(program, [argument], { stdio: 'ignore' }).status === 0
}

function row(name: string, result: RoundsResult, pinned: RoundsResult): Report['rows'][number] {
  const onOneCore = samplesOf(pinned, name, ALONE)
  const alone = samplesOf(result, name, ALONE)
  const many = samplesOf(result, name, MANY)
  const ours = samplesOf(result, OURS, MANY)
  return [
    NAMES[name] ?? name,
    medianOf(alone, ({ p50Us }) => p50Us ?? Number.NaN),
    medianOf(alone, ({ p99Us }) => p99Us ?? Number.NaN),
    medianOf(alone, ({ cpuUs }) => cpuUs),
    medianOf(onOneCore, ({ p50Us }) => p50Us ?? Number.NaN),
    medianOf(onOneCore, ({ p99Us }) => p99Us ?? Number.NaN),
    medianOf(many, ({ operationsPerSecond }) => operationsPerSecond),
    Math.max(...many.map(({ operationsPerSecond }) => operationsPerSecond)),
    medianOf(many, ({ clientCpuUs }) => clientCpuUs),
    medianOf(many, ({ serverCpuUs }) => serverCpuUs),
    medianOf(many, ({ cpuUs }) => cpuUs),
    medianRatio(many, ours, ({ cpuUs }) => cpuUs),
    medianRatio(many, ours, ({ operationsPerSecond }) => operationsPerSecond),
  ]
}

function goals(result: RoundsResult, pinned: RoundsResult): readonly Goal[] {
  const ours = samplesOf(result, OURS, MANY)
  const cpuRatio = (name: string): number =>
    medianRatio(samplesOf(result, name, MANY), ours, ({ cpuUs }) => cpuUs)
  const rate = medianRatio(ours, samplesOf(result, 'raw', MANY), (s) => s.operationsPerSecond)
  const latency = (name: string): number =>
    medianRatio(
      samplesOf(pinned, OURS, ALONE),
      samplesOf(pinned, name, ALONE),
      ({ p50Us }) => p50Us ?? Number.NaN,
    )
  return [
    atLeast('64 in flight: CPU of a gRPC unary call ÷ CPU of a checked call', 15, cpuRatio('grpc')),
    atLeast('64 in flight: CPU of an HTTP/2 call ÷ CPU of a checked call', 5, cpuRatio('http2')),
    atLeast('64 in flight: CPU of a NATS request ÷ CPU of a checked call', 5, cpuRatio('nats')),
    atLeast('64 in flight: checked calls/s ÷ calls/s of raw framing', 0.5, rate),
    atMost(
      '1 in flight, one core: p50 of a checked call ÷ p50 of gRPC unary',
      0.4,
      latency('grpc'),
    ),
    atMost('1 in flight, one core: p50 of a checked call ÷ p50 of raw framing', 2, latency('raw')),
  ]
}

function samplesOf(result: RoundsResult, name: string, inFlight: number): Samples {
  return result.get(name)?.get(inFlight) ?? []
}
