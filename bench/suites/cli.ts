import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Daemon,
  kosctl,
  type Place,
  program,
  startDaemon,
} from '../../tools/demo/processes.ts'
import { once } from 'node:events'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, median } from '../harness/rounds.ts'
import { type SshServer, sshdRefusal, startSshd } from '../harness/sshd.ts'

/** Starts of each program in one round. */
const STARTS = 3

interface Contender {
  readonly name: string
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/**
 * Starts of the command line as a user types them: help beside an empty Node, and one command on
 * another machine beside `ssh host true`, which authenticates both sides and starts a process there.
 * All contenders run in turn in every round; ratios are taken within a round.
 */
export async function measureCli(options: ProcessOptions, effort: Effort): Promise<Report> {
  const place: Place = { folder: mkdtempSync(join(options.fleet, 'cli-')) }
  const daemons: Daemon[] = []
  const refusal = sshdRefusal()
  const sshd = refusal === undefined ? await startSshd() : undefined
  const ended: (() => Promise<void>)[] = []
  try {
    daemons.push(...(await startFabric(place)))
    ended.push(await startAgent(place))
    return measure(contenders(place, sshd), effort, refusal)
  } finally {
    for (const end of ended) await end()
    for (const daemon of daemons.toReversed()) await daemon.stop()
    await sshd?.stop()
    rmSync(place.folder, { recursive: true, force: true })
  }
}

function contenders(place: Place, sshd: SshServer | undefined): readonly Contender[] {
  const env = environment(place)
  const kosctl = installedKosctl(place)
  const exec = [kosctl, 'exec', 'device-1', 'calc', '1+2']
  const curve = ['KexAlgorithms=curve25519-sha256']
  return [
    { name: 'node -e 0', command: [process.execPath, '-e', '0'], env },
    { name: 'node, tls loaded', command: [process.execPath, '-e', "require('tls')"], env },
    { name: 'kosctl --help', command: [kosctl, '--help'], env },
    { name: 'kosctl exec', command: exec, env: { ...env, KOS_AGENT: '' } },
    { name: 'kosctl exec, agent', command: exec, env },
    ...(sshd
      ? [
          { name: 'ssh host true', command: sshd.client(['true']), env },
          { name: 'ssh host true, curve25519', command: sshd.client(['true'], curve), env },
        ]
      : []),
  ]
}

/** As a package is installed: in a clone the launcher looks for newer sources first. */
function installedKosctl({ folder }: Place): string {
  const [root, installed] = [join(import.meta.dirname, '../..'), join(folder, 'installed')]
  for (const part of ['bin', 'dist']) {
    cpSync(join(root, part), join(installed, part), { recursive: true })
  }
  mkdirSync(join(installed, 'node_modules/.bin'), { recursive: true })
  symlinkSync(process.execPath, join(installed, 'node_modules/.bin/node'))
  return join(installed, 'bin/kosctl')
}

function measure(all: readonly Contender[], effort: Effort, refusal: string | undefined): Report {
  const times = new Map(all.map(({ name }) => [name, [] as number[]]))
  for (let round = -1; round < effort.rounds * STARTS; round++) {
    for (const contender of all) {
      const tookMs = runOnce(contender)
      // The first start fills the compile cache.
      if (round >= 0) times.get(contender.name)?.push(tookMs)
    }
  }
  const ratio = (above: string, below: string): number =>
    median(
      (times.get(above) ?? []).map((ms, round) => ms / (times.get(below)?.[round] ?? Number.NaN)),
    )
  const ssh = 'ssh host true'
  return {
    suite: 'cli',
    title: `Starts of the command line, milliseconds of wall time (${effort.rounds * STARTS} each)${refusal === undefined ? '' : `; without ssh: ${refusal}`}`,
    columns: ['median', 'best'],
    rows: [...times].map(([name, values]) => [name, median(values), Math.min(...values)]),
    goals: [
      atMost('kosctl --help / node -e 0', 1.3, ratio('kosctl --help', 'node -e 0')),
      ...(refusal === undefined
        ? [
            atMost('kosctl exec / ssh host true', 0.55, ratio('kosctl exec', ssh)),
            atMost('kosctl exec, agent / ssh host true', 0.55, ratio('kosctl exec, agent', ssh)),
          ]
        : []),
    ],
  }
}

function runOnce({ name, command, env }: Contender): number {
  const [file = '', ...args] = command
  const begin = performance.now()
  const { status, stderr } = spawnSync(file, args, { env, encoding: 'utf8' })
  const tookMs = performance.now() - begin
  if (status !== 0) throw new Error(`${name}: ${stderr}`)
  return tookMs
}

/** An authority and a node that answers, with more options of the node. */
export async function startFabric(
  place: Place,
  more: readonly string[] = [],
): Promise<readonly Daemon[]> {
  const listen = ['--listen', '127.0.0.1:0']
  const authority = await startDaemon(place, {
    name: 'authority',
    args: ['authority', ...listen, '--session', '127.0.0.1:0'],
    input: '',
    readyText: 'pin ',
  })
  const token = await kosctl(place, ['token', 'create', '--name', 'device-1'])
  const state = join(place.folder, 'state', 'device-1')
  const node = await startDaemon(place, {
    name: 'device-1',
    args: ['node', '--join', '-', '--state', state, ...listen, ...more],
    input: token.out,
    readyText: 'address ',
  })
  // Its address is in the directory once a call reaches it; the directory is fresh from then on.
  for (let turn = 0; turn < 100; turn++) {
    const { code } = await kosctl(place, ['exec', 'device-1', 'calc', '1+2'])
    if (code === 0) return [authority, node]
    await sleep(100)
  }
  throw new Error('device-1 cannot be called')
}

async function startAgent(place: Place): Promise<() => Promise<void>> {
  const child = spawn(program('kosctl'), ['agent'], {
    env: environment(place),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

/** Where the programs of a place keep their state. */
export function environment({ folder }: Place): NodeJS.ProcessEnv {
  return { ...process.env, KOS_STATE: join(folder, 'state'), KOS_CONFIG: join(folder, 'config') }
}
