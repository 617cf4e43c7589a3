import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import {
  type Effort,
  measureInRounds,
  medianOf,
  medianRatio,
  type RoundsResult,
  type Samples,
} from '../harness/rounds.ts'

const OURS = 'kos-ready'
const BARE = 'bare-tls'
const NAMES: Readonly<Record<string, string>> = {
  [OURS]: 'kOS: gate, TLS, AUTH, READY (SEC-2)',
  [BARE]: 'node:tls: handshake, one byte',
}
const LANES = [1, 8]
/** A connection takes milliseconds: measure longer than calls. */
const LONGER = 2

/** A new connection from TCP to READY against the bare handshake it contains. */
export async function measureAdmission(processes: ProcessOptions, effort: Effort): Promise<Report> {
  const contenders = Object.keys(NAMES)
  const longer = { ...effort, durationMs: effort.durationMs * LONGER }
  const result = await measureInRounds({ contenders, inFlight: LANES, processes }, longer)
  return {
    suite: 'admission',
    title: `A new connection, SecP256r1MLKEM768, AES-256-GCM, no tickets (medians of ${effort.rounds} rounds)`,
    columns: [
      'in flight',
      'conn/s',
      'p50 ms',
      'p99 ms',
      'CPU µs client',
      'server',
      'both',
      'CPU ÷ bare',
    ],
    rows: LANES.flatMap((inFlight) =>
      [...result.keys()].map((name) => row(name, inFlight, result)),
    ),
    goals: LANES.map((inFlight) =>
      atMost(
        `${inFlight} in flight: CPU until READY ÷ CPU of the bare handshake`,
        1.25,
        ratio(result, OURS, inFlight),
      ),
    ),
  }
}

function row(name: string, inFlight: number, result: RoundsResult): Report['rows'][number] {
  const samples = samplesOf(result, name, inFlight)
  return [
    NAMES[name] ?? name,
    String(inFlight),
    medianOf(samples, ({ operationsPerSecond }) => operationsPerSecond),
    medianOf(samples, ({ p50Us }) => (p50Us ?? Number.NaN) / 1000),
    medianOf(samples, ({ p99Us }) => (p99Us ?? Number.NaN) / 1000),
    medianOf(samples, ({ clientCpuUs }) => clientCpuUs),
    medianOf(samples, ({ serverCpuUs }) => serverCpuUs),
    medianOf(samples, ({ cpuUs }) => cpuUs),
    ratio(result, name, inFlight),
  ]
}

function ratio(result: RoundsResult, name: string, inFlight: number): number {
  const bare = samplesOf(result, BARE, inFlight)
  return medianRatio(samplesOf(result, name, inFlight), bare, ({ cpuUs }) => cpuUs)
}

function samplesOf(result: RoundsResult, name: string, inFlight: number): Samples {
  return result.get(name)?.get(inFlight) ?? []
}
