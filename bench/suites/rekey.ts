import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import {
  type Effort,
  measureInRounds,
  medianOf,
  medianRatio,
  type Samples,
} from '../harness/rounds.ts'

const QUIET = 'kos-quiet'
const RECYCLING = 'kos-recycling'
const IN_FLIGHT = 8

const NAMES: Readonly<Record<string, string>> = {
  [QUIET]: 'the connection stays',
  [RECYCLING]: 'replaced four times a second',
}

/** What callers see of a connection that is replaced under them, against one that stays. */
export async function measureRekey(processes: ProcessOptions, effort: Effort): Promise<Report> {
  const plan = { contenders: [QUIET, RECYCLING], inFlight: [IN_FLIGHT], processes }
  const result = await measureInRounds(plan, effort)
  const of = (name: string): Samples => result.get(name)?.get(IN_FLIGHT) ?? []
  const p99 = ({ p99Us = Number.NaN }: { readonly p99Us?: number | undefined }): number => p99Us
  return {
    suite: 'rekey',
    title: `Checked calls on a busy session, ${IN_FLIGHT} in flight, while its connection is replaced (medians of ${effort.rounds} rounds)`,
    columns: ['calls/s', 'CPU µs each', 'p50 µs', 'p99 µs', 'p99 ÷ quiet'],
    rows: [QUIET, RECYCLING].map((name) => [
      NAMES[name] ?? name,
      medianOf(of(name), ({ operationsPerSecond }) => operationsPerSecond),
      medianOf(of(name), ({ cpuUs }) => cpuUs),
      medianOf(of(name), ({ p50Us = Number.NaN }) => p50Us),
      medianOf(of(name), p99),
      medianRatio(of(name), of(QUIET), p99),
    ]),
    goals: [
      atMost('p99 while replaced ÷ p99 quiet', 2, medianRatio(of(RECYCLING), of(QUIET), p99)),
    ],
  }
}
