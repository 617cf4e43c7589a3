import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPeerClient, type PeerClient } from '../../test/kit/peer-client.ts'
import { type Daemon, kosctl, type Place } from '../../tools/demo/processes.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, median } from '../harness/rounds.ts'
import { type SshServer, sshdRefusal, startSshd } from '../harness/sshd.ts'
import { environment, startFabric } from './cli.ts'

const OWN = 'process.run'
const SSH = 'ssh ControlMaster'
/** Runs of each contender in one round. */
const RUNS = 5
/**
 * Between two runs: calls of one principal have a rate, and the sandbox that the node makes ahead shall
 * disturb nobody's run.
 */
const PAUSE_MS = 60
const RULE = {
  id: 'bench-runs',
  effect: 'allow',
  domain: 'rpc',
  from: ['owner'],
  to: ['kind:device'],
  actions: ['process.run'],
}

type Run = () => Promise<void> | void

interface Contender {
  /** Not measured. */
  readonly before?: Run
  readonly run: Run
}

/**
 * `true` on another machine over what is open already: sandboxed and recorded durably by a kOS node,
 * and as it is by an OpenSSH server behind a ControlMaster. In turn in every round. Of two runs of the
 * node, the second finds no sandbox that was made ahead: it shows what a burst costs.
 */
export async function measureProcessRun(options: ProcessOptions, effort: Effort): Promise<Report> {
  const place: Place = { folder: mkdtempSync(join(options.fleet, 'run-')) }
  const daemons: Daemon[] = []
  const refusal = sshdRefusal()
  const sshd = refusal === undefined ? await startSshd() : undefined
  let client: PeerClient | undefined
  try {
    const programs = join(place.folder, 'programs.json')
    writeFileSync(programs, JSON.stringify({ true: { path: '/usr/bin/true' } }), { mode: 0o600 })
    daemons.push(...(await startFabric(place, ['--programs', programs])))
    await allowRuns(place)
    client = await openPeerClient(environment(place)['KOS_CONFIG'] ?? '', 'device-1')
    const run = runOver(client)
    const contenders = new Map<string, Contender>([
      [OWN, { run }],
      ['process.run right behind another', { before: run, run }],
    ])
    if (sshd) contenders.set(SSH, { run: runOverSsh(sshd, place) })
    return report(await measure(contenders, effort), refusal)
  } finally {
    await client?.close()
    if (sshd) endMaster(sshd, place)
    for (const daemon of daemons.toReversed()) await daemon.stop()
    await sshd?.stop()
    rmSync(place.folder, { recursive: true, force: true })
  }
}

async function allowRuns(place: Place): Promise<void> {
  const shown = await kosctl(place, ['policy', 'show'])
  const manifest = JSON.parse(shown.out) as { rules: unknown[] }
  const file = join(place.folder, 'manifest.json')
  writeFileSync(file, JSON.stringify({ ...manifest, rules: [...manifest.rules, RULE] }))
  await kosctl(place, ['policy', 'apply', file])
  for (let turn = 0; turn < 100; turn++) {
    const { code } = await kosctl(place, ['exec', 'device-1', 'process.run', 'true'])
    if (code === 0) return
    await sleep(100)
  }
  throw new Error('device-1 runs no program')
}

function runOver({ session }: PeerClient): Run {
  return async () => {
    const result = await session.call('process.run', { program: 'true' }, { deadlineMs: 10_000 })
    if (result.status !== 'ok') throw new Error(`process.run: ${result.code} ${result.rule ?? ''}`)
  }
}

function runOverSsh(sshd: SshServer, place: Place): Run {
  const control = [controlPath(place), 'ControlMaster=auto', 'ControlPersist=120']
  const [file = '', ...args] = sshd.client(['true'], control)
  return () => {
    // The master that the first run leaves behind would hold a pipe open.
    const { status } = spawnSync(file, args, { stdio: 'ignore' })
    if (status !== 0) throw new Error(`ssh ended with ${status}`)
  }
}

/** Ends the master, and so the last process of the server's user. */
function endMaster(sshd: SshServer, place: Place): void {
  const [file = '', ...args] = sshd.client([], [controlPath(place)])
  spawnSync(file, ['-O', 'exit', ...args], { stdio: 'ignore' })
}

function controlPath({ folder }: Place): string {
  return `ControlPath=${join(folder, 'ssh')}`
}

async function measure(
  contenders: ReadonlyMap<string, Contender>,
  effort: Effort,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>([...contenders.keys()].map((name) => [name, []]))
  for (let round = -1; round < effort.rounds * RUNS; round++) {
    for (const [name, { before, run }] of contenders) {
      await before?.()
      const begin = performance.now()
      await run()
      // The first run opens what stays open.
      if (round >= 0) times.get(name)?.push(performance.now() - begin)
      await sleep(PAUSE_MS)
    }
  }
  return times
}

function report(
  times: ReadonlyMap<string, readonly number[]>,
  refusal: string | undefined,
): Report {
  const [own = [], ssh = []] = [OWN, SSH].map((name) => times.get(name))
  const ratio = median(own.map((ms, round) => ms / (ssh[round] ?? Number.NaN)))
  const without = refusal === undefined ? '' : `; without ssh: ${refusal}`
  return {
    suite: 'process-run',
    title: `\`true\` over an open session, milliseconds of wall time (${own.length} each)${without}`,
    columns: ['median', 'best'],
    rows: [...times].map(([name, values]) => [name, median([...values]), Math.min(...values)]),
    goals: refusal === undefined ? [atMost('process.run / ssh ControlMaster', 0.9, ratio)] : [],
  }
}
