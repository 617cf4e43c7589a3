import type { ProcessOptions } from '../harness/processes.ts'
import { atLeast, type Goal, type Report } from '../harness/report.ts'
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
}
const ALONE = 1
const MANY = 64

/** One call with 64 bytes there and back, over one connection with certificates at both ends. */
export async function measureEcho(processes: ProcessOptions, effort: Effort): Promise<Report> {
  const contenders = Object.keys(NAMES)
  const result = await measureInRounds({ contenders, inFlight: [ALONE, MANY], processes }, effort)
  return {
    suite: 'echo',
    title: `A call of 64 bytes over mutual TLS 1.3, one connection (medians of ${effort.rounds} rounds)`,
    columns: [
      'p50 µs (1)',
      'p99 µs (1)',
      'CPU µs (1)',
      'calls/s (64)',
      'best',
      'CPU µs client',
      'server',
      'both (64)',
      'CPU ÷ kOS',
      'calls/s ÷ kOS',
    ],
    rows: [...result.keys()].map((name) => row(name, result)),
    goals: goals(result),
  }
}

function row(name: string, result: RoundsResult): Report['rows'][number] {
  const alone = samplesOf(result, name, ALONE)
  const many = samplesOf(result, name, MANY)
  const ours = samplesOf(result, OURS, MANY)
  return [
    NAMES[name] ?? name,
    medianOf(alone, ({ p50Us }) => p50Us ?? Number.NaN),
    medianOf(alone, ({ p99Us }) => p99Us ?? Number.NaN),
    medianOf(alone, ({ cpuUs }) => cpuUs),
    medianOf(many, ({ operationsPerSecond }) => operationsPerSecond),
    Math.max(...many.map(({ operationsPerSecond }) => operationsPerSecond)),
    medianOf(many, ({ clientCpuUs }) => clientCpuUs),
    medianOf(many, ({ serverCpuUs }) => serverCpuUs),
    medianOf(many, ({ cpuUs }) => cpuUs),
    medianRatio(many, ours, ({ cpuUs }) => cpuUs),
    medianRatio(many, ours, ({ operationsPerSecond }) => operationsPerSecond),
  ]
}

function goals(result: RoundsResult): readonly Goal[] {
  const ours = samplesOf(result, OURS, MANY)
  const cpuRatio = (name: string): number =>
    medianRatio(samplesOf(result, name, MANY), ours, ({ cpuUs }) => cpuUs)
  const rate = medianRatio(ours, samplesOf(result, 'raw', MANY), (s) => s.operationsPerSecond)
  return [
    atLeast('64 in flight: CPU of a gRPC unary call ÷ CPU of a checked call', 15, cpuRatio('grpc')),
    atLeast('64 in flight: CPU of an HTTP/2 call ÷ CPU of a checked call', 5, cpuRatio('http2')),
    atLeast('64 in flight: checked calls/s ÷ calls/s of raw framing', 0.5, rate),
  ]
}

function samplesOf(result: RoundsResult, name: string, inFlight: number): Samples {
  return result.get(name)?.get(inFlight) ?? []
}
