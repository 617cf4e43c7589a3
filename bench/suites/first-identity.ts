import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, kosctl, type Place, startDaemon } from '../../tools/demo/processes.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

/** One walk from nothing to two devices, in seconds. */
interface Walk {
  readonly authority: number
  readonly first: number
  readonly second: number
}

/**
 * From an empty state folder to the first and second identity, with the programs a user types, cold:
 * `kosd authority`, then `kosctl token create | kosd node --join -`, twice.
 */
export async function measureFirstIdentity(
  options: ProcessOptions,
  effort: Effort,
): Promise<Report> {
  const walks: Walk[] = []
  for (let round = 0; round < effort.rounds; round += 1) walks.push(await walk(options.fleet))
  const first = median(walks.map((each) => each.first))
  const second = median(walks.map((each) => each.second))
  return {
    suite: 'first-identity',
    title: `From nothing to an identity, seconds of wall time (medians of ${effort.rounds} rounds)`,
    columns: ['seconds', 'best'],
    rows: [
      ['authority ready', median(walks.map((each) => each.authority)), best(walks, 'authority')],
      ['first device has its certificate', first, best(walks, 'first')],
      ['second device, from token to certificate', second, best(walks, 'second')],
    ],
    goals: [
      atMost('seconds from nothing to the first identity', 2, first),
      atMost('seconds for the second device', 1, second),
    ],
  }
}

async function walk(fleet: string): Promise<Walk> {
  const place: Place = { folder: mkdtempSync(join(fleet, 'walk-')) }
  const daemons: Daemon[] = []
  try {
    const begin = performance.now()
    daemons.push(
      await startDaemon(place, {
        name: 'authority',
        args: ['authority', '--listen', '127.0.0.1:0', '--session', '127.0.0.1:0'],
        input: '',
        readyText: 'pin ',
      }),
    )
    const authority = performance.now() - begin
    daemons.push(await joinDevice(place, 'device-1'))
    const first = performance.now() - begin
    const middle = performance.now()
    daemons.push(await joinDevice(place, 'device-2'))
    const second = performance.now() - middle
    return { authority: authority / 1000, first: first / 1000, second: second / 1000 }
  } finally {
    for (const daemon of daemons.toReversed()) await daemon.stop()
    rmSync(place.folder, { recursive: true, force: true })
  }
}

async function joinDevice(place: Place, name: string): Promise<Daemon> {
  const token = await kosctl(place, ['token', 'create', '--name', name])
  if (token.code !== 0) throw new Error(token.err)
  const state = join(place.folder, 'state', name)
  return startDaemon(place, {
    name,
    args: ['node', '--join', '-', '--state', state, '--listen', '127.0.0.1:0'],
    input: token.out,
    readyText: 'joined ',
  })
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function best(walks: readonly Walk[], field: keyof Walk): number {
  return Math.min(...walks.map((each) => each[field]))
}
