import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEFAULT_ADMISSION_LIMITS } from '../../src/network/admission/index.ts'
import { startLivingFleet, type Watched } from '../harness/living-driver.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, quantile } from '../harness/rounds.ts'

const MEMBERS = 1000
const { connectionsTotal, halfOpenTotal, reservedLane } = DEFAULT_ADMISSION_LIMITS
const HOUR_MS = 3_600_000
/** Certificates live a day and are renewed between 0.4 and 0.6 of it: all are due by then. */
const AWAY_MS = 15 * HOUR_MS
/** How long members knock in vain, in real time. */
const OUTAGE_MS = 45_000
const CONNECTED_WITHIN_MS = 900_000
const RENEWED_WITHIN_MS = 600_000

/** What a storm of renewals did. */
export interface Storm {
  readonly count: number
  readonly watched: Watched
  /** From the authority's return to the last renewal. */
  readonly lastMs: number
  /** The most renewals within one second. */
  readonly perSecond: number
  readonly failed: number
  /** Members that did not get a certificate, or have no session with the authority again. */
  readonly missing: number
  readonly limits: { readonly connections: number; readonly halfOpen: number }
}

/** All members are past their renewal while the authority is away, and it comes back. */
export async function renewalStorm(
  folder: string,
  count: number,
  outageMs: number = OUTAGE_MS,
): Promise<Storm> {
  const driver = await startLivingFleet(folder, count, 600_000)
  try {
    await driver.startMembers()
    await driver.until(({ connected }) => connected === count, CONNECTED_WITHIN_MS)
    await driver.stopAuthority()
    await driver.advance(AWAY_MS)
    await sleep(outageMs)
    const before = await driver.state()
    await driver.startAuthority()
    const backMs = Date.now()
    const { result, watched } = await driver.watch(() =>
      driver.settle(
        ({ connected, renewed }) => connected === count && renewed === count,
        RENEWED_WITHIN_MS,
      ),
    )
    const seconds = new Map<number, number>()
    for (const atMs of result.renewedAtMs) {
      const second = Math.floor((atMs - backMs) / 1000)
      seconds.set(second, (seconds.get(second) ?? 0) + 1)
    }
    return {
      count,
      watched,
      lastMs: Math.max(...result.renewedAtMs) - backMs,
      perSecond: Math.max(...seconds.values()),
      failed: result.failed - before.failed,
      missing: count - Math.min(result.generations['2'] ?? 0, result.connected),
      limits: { connections: connectionsTotal, halfOpen: halfOpenTotal + reservedLane },
    }
  } finally {
    await driver.stop()
  }
}

/** A thousand nodes whose authority was away, all past their renewal, and it comes back. */
export async function measureRenewalStorm(
  options: ProcessOptions,
  effort: Effort,
): Promise<Report> {
  const count = options.inFlight?.[0] ?? MEMBERS
  const storms: Storm[] = []
  for (let round = 0; round < Math.min(effort.rounds, 3); round += 1) {
    storms.push(await renewalStorm(join(options.fleet, `storm-${round}`), count))
  }
  const operator = storms.flatMap(({ watched }) => watched.operatorMs)
  const most = (of: (storm: Storm) => number): number => Math.max(...storms.map(of))
  return {
    suite: 'renewal-storm',
    title: `${count.toLocaleString('en-US')} nodes past their renewal when the authority comes back (${storms.length} rounds, the worst of them)`,
    columns: ['measured', 'limit'],
    rows: [
      ['nodes without a new certificate or a session', most(({ missing }) => missing), 0],
      ['seconds to the last renewal', most(({ lastMs }) => lastMs / 1000), undefined],
      ['renewals in the busiest second', most(({ perSecond }) => perSecond), undefined],
      ['attempts that had to be repeated', most(({ failed }) => failed), undefined],
      [
        'connections at once',
        most(({ watched }) => watched.peakConnections),
        most(({ limits }) => limits.connections),
      ],
      [
        'of which not authenticated yet',
        most(({ watched }) => watched.peakHalfOpen),
        most(({ limits }) => limits.halfOpen),
      ],
      [
        'memory of the authority, MiB',
        most(({ watched }) => watched.peakRssBytes / 2 ** 20),
        undefined,
      ],
      ['CPU of the authority, seconds', most(({ watched }) => watched.cpuMs / 1000), undefined],
      ['event loop held up, ms', most(({ watched }) => watched.loopMs), undefined],
      ['the operator’s device list, ms, p50', quantile(operator, 0.5), undefined],
      ['the same, p99', quantile(operator, 0.99), undefined],
      ['the same, longest', Math.max(...operator), 1000],
    ],
    goals: [
      atMost(
        'nodes lost',
        0,
        most(({ missing }) => missing),
      ),
      atMost('milliseconds an operator waits, longest', 1000, Math.max(...operator)),
    ],
  }
}
