import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LivingDriver, startLivingFleet, type Watched } from '../harness/living-driver.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, quantile, timed } from '../harness/rounds.ts'

const MEMBERS = 1000
/** Nodes spread their renewals over ten minutes; here over one, which is ten times the load. */
const SPREAD_MS = 60_000
const CONNECTED_WITHIN_MS = 900_000
const STEP_WITHIN_MS = 300_000
/** Locks are signed anew every ten seconds, and sessions looked at: a session that goes, goes by then. */
const AFTERWARDS_MS = 15_000

/** What a rotation of the intermediate did. */
export interface Rotation {
  readonly count: number
  readonly watched: Watched
  /** From each step to the last member that holds its trust bundle, or its new certificate. */
  readonly preparedMs: number
  readonly renewedMs: number
  readonly revokedMs: number
  /** Sessions with the authority that ended, or are not there. */
  readonly lost: number
}

/** Prepare, activate, taint and revoke while all members are connected. */
export async function caRotation(
  folder: string,
  count: number,
  spreadMs: number = SPREAD_MS,
): Promise<Rotation> {
  const driver = await startLivingFleet(folder, count, spreadMs)
  try {
    await driver.startMembers()
    await driver.until(({ connected }) => connected === count, CONNECTED_WITHIN_MS)
    const before = await driver.state()
    const { result, watched } = await driver.watch(() => rotate(driver))
    await sleep(AFTERWARDS_MS)
    const after = await driver.state()
    const lost = after.lost - before.lost + (count - after.connected)
    return { count, watched, ...result, lost }
  } finally {
    await driver.stop()
  }
}

async function rotate(
  driver: LivingDriver,
): Promise<Pick<Rotation, 'preparedMs' | 'renewedMs' | 'revokedMs'>> {
  const { count } = driver
  const all = (number: string): Promise<unknown> =>
    driver.until(({ bundles }) => bundles[number] === count, STEP_WITHIN_MS)
  const preparedMs = await timed(async () => {
    await driver.ask('POST', '/v1/ca/prepare')
    await all('2')
  })
  await driver.ask('POST', '/v1/ca/activate')
  const renewedMs = await timed(async () => {
    await driver.ask('POST', '/v1/ca/taint')
    await driver.until(({ generations }) => generations['2'] === count, STEP_WITHIN_MS)
  })
  await driver.renewOperator()
  const revokedMs = await timed(async () => {
    await driver.ask('POST', '/v1/ca/revoke', { force: false })
    await all('4')
  })
  return { preparedMs, renewedMs, revokedMs }
}

/** The intermediate CA is replaced below a thousand connected nodes. */
export async function measureCaRotation(options: ProcessOptions, effort: Effort): Promise<Report> {
  const count = options.inFlight?.[0] ?? MEMBERS
  const rotations: Rotation[] = []
  for (let round = 0; round < Math.min(effort.rounds, 3); round += 1) {
    rotations.push(await caRotation(join(options.fleet, `rotation-${round}`), count))
  }
  const operator = rotations.flatMap(({ watched }) => watched.operatorMs)
  const most = (of: (rotation: Rotation) => number): number => Math.max(...rotations.map(of))
  return {
    suite: 'ca-rotation',
    title: `The intermediate is replaced below ${count.toLocaleString('en-US')} connected nodes (${rotations.length} rounds, the worst of them; renewals spread over ${SPREAD_MS / 1000} s instead of 600)`,
    columns: ['measured'],
    rows: [
      ['sessions lost', most(({ lost }) => lost)],
      ['prepare: ms until all hold the bundle with both', most(({ preparedMs }) => preparedMs)],
      ['taint: seconds until all hold the new chain', most(({ renewedMs }) => renewedMs / 1000)],
      ['revoke: ms until all hold the bundle without the old', most(({ revokedMs }) => revokedMs)],
      ['memory of the authority, MiB', most(({ watched }) => watched.peakRssBytes / 2 ** 20)],
      ['CPU of the authority, seconds', most(({ watched }) => watched.cpuMs / 1000)],
      ['event loop held up, ms', most(({ watched }) => watched.loopMs)],
      ['the operator’s device list, ms, p50', quantile(operator, 0.5)],
      ['the same, p99', quantile(operator, 0.99)],
      ['the same, longest', Math.max(...operator)],
    ],
    goals: [
      atMost(
        'sessions lost',
        0,
        most(({ lost }) => lost),
      ),
      atMost('milliseconds an operator waits, longest', 1000, Math.max(...operator)),
    ],
  }
}
