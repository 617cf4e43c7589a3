import {
  type ProcessOptions,
  type RunningContender,
  type Sample,
  startContender,
} from './processes.ts'

const WARM_UP_MS = 1500

/** How often and how long is measured. */
export interface Effort {
  readonly rounds: number
  /** Length of one measurement. */
  readonly durationMs: number
}

/** All samples of one contender under one load, in the order of the rounds. */
export type Samples = readonly Sample[]

/** What a suite of processes measures. */
export interface RoundsPlan {
  /** Modules of `contenders/`. */
  readonly contenders: readonly string[]
  /** Numbers of operations in flight. */
  readonly inFlight: readonly number[]
  readonly processes: ProcessOptions
}

/** Samples by contender and number in flight. */
export type RoundsResult = ReadonlyMap<string, ReadonlyMap<number, Samples>>

/**
 * Measures all contenders in each round, one after the other, with all processes kept alive: what
 * disturbs the machine then disturbs all of them. The first round is not counted: it is long enough for
 * the compiler to be done.
 */
export async function measureInRounds(plan: RoundsPlan, effort: Effort): Promise<RoundsResult> {
  const running: RunningContender[] = []
  const result = new Map<string, Map<number, Sample[]>>()
  try {
    const { only = plan.contenders, inFlight: lanes = plan.inFlight } = plan.processes
    for (const name of plan.contenders.filter((contender) => only.includes(contender))) {
      running.push(await startContender(name, plan.processes))
      result.set(name, new Map(lanes.map((inFlight) => [inFlight, []])))
    }
    for (let round = -1; round < effort.rounds; round++) {
      // Another contender goes first each time.
      const shift = (round + running.length) % running.length
      if (round === 0) await Promise.all(running.map((contender) => contender.profile()))
      for (const contender of [...running.slice(shift), ...running.slice(0, shift)]) {
        for (const inFlight of lanes) {
          const durationMs = round < 0 ? Math.max(WARM_UP_MS, effort.durationMs) : effort.durationMs
          const sample = await contender.measure({ durationMs, inFlight })
          if (round >= 0) result.get(contender.name)?.get(inFlight)?.push(sample)
        }
      }
    }
  } finally {
    for (const contender of running) await contender.stop()
  }
  return result
}

/** The median; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The share `q` of the values lies at or below the answer; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? Number.NaN
}

/** How many milliseconds some work took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return performance.now() - beganMs
}

/** The median of a field. */
export function medianOf(samples: Samples, field: (sample: Sample) => number): number {
  return median(samples.map(field))
}

/** The median over all rounds of a ratio taken within one round. */
export function medianRatio(
  above: Samples,
  below: Samples,
  field: (sample: Sample) => number,
): number {
  return median(
    above.map((sample, round) => {
      const other = below[round]
      return other ? field(sample) / field(other) : Number.NaN
    }),
  )
}
