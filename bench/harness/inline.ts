import { performance } from 'node:perf_hooks'
import { type Effort, median } from './rounds.ts'

/** One of several ways to do the same thing, all in this process. */
export interface InlineCase {
  readonly name: string
  /**
   * Does what is measured.
   *
   * @returns how often it was done: a few milliseconds' worth
   */
  run(): number | Promise<number>
}

/** One measurement of a case. */
export interface InlineSample {
  readonly cpuUs: number
  readonly operationsPerSecond: number
}

const WARM_UP_MS = 500

/** Measures all cases in each round, one after the other; the warm-up is not counted. */
export async function measureInline(
  cases: readonly InlineCase[],
  effort: Effort,
): Promise<ReadonlyMap<string, readonly InlineSample[]>> {
  const result = new Map<string, InlineSample[]>()
  for (const one of cases) {
    result.set(one.name, [])
    await measureOnce(one, WARM_UP_MS)
  }
  for (let round = 0; round < effort.rounds; round++) {
    for (const one of cases) {
      result.get(one.name)?.push(await measureOnce(one, effort.durationMs))
    }
  }
  return result
}

async function measureOnce(one: InlineCase, durationMs: number): Promise<InlineSample> {
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  let operations = 0
  let elapsedMs = 0
  while (elapsedMs < durationMs) {
    operations += await one.run()
    elapsedMs = performance.now() - startedMs
  }
  const { user, system } = process.cpuUsage(cpu)
  return {
    cpuUs: (user + system) / operations,
    operationsPerSecond: (operations * 1000) / elapsedMs,
  }
}

/** The median of a field over all rounds. */
export function inlineMedian(
  samples: readonly InlineSample[] | undefined,
  field: keyof InlineSample,
): number {
  return median(samples?.map((sample) => sample[field]) ?? [])
}

/** The median over all rounds of a ratio taken within one round. */
export function inlineRatio(
  above: readonly InlineSample[] | undefined,
  below: readonly InlineSample[] | undefined,
  field: keyof InlineSample,
): number {
  return median(
    above?.map((sample, round) => sample[field] / (below?.[round]?.[field] ?? Number.NaN)) ?? [],
  )
}
