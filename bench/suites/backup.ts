import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { snapshotDatabase } from '../../src/foundation/storage/index.ts'
import { openMember } from '../../src/apps/node/index.ts'
import { createLargeAuthority } from '../harness/large-authority.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import type { Report } from '../harness/report.ts'
import { type Effort, median, quantile, timed } from '../harness/rounds.ts'

const DEVICES = 100_000
const ASK_EVERY_MS = 20
const PATIENCE_MS = 300_000
const BIN = fileURLToPath(new URL('../../bin/', import.meta.url))

/**
 * The backup of a large authority while it serves, beside a bare copy of its database by SQLite; and the way
 * back: restore, start in a new era, first session that a member has. All by the programs that people run.
 */
export async function measureBackup(options: ProcessOptions, effort: Effort): Promise<Report> {
  const count = options.inFlight?.[0] ?? DEVICES
  const rounds: Round[] = []
  for (let round = 0; round < Math.min(effort.rounds, 3); round += 1) {
    const place = join(options.fleet, `backup-${round}`)
    rounds.push(await measureOnce(place, count))
    rmSync(place, { recursive: true })
  }
  const of = (value: (round: Round) => number): number => median(rounds.map(value))
  const asked = rounds.flatMap(({ askedMs }) => askedMs)
  return {
    suite: 'backup',
    title: `Backup of an authority with ${count.toLocaleString('en-US')} devices while it serves, and the way back (${rounds.length} rounds)`,
    columns: ['median'],
    rows: [
      ['kosctl backup create, seconds', of(({ createMs }) => createMs / 1000)],
      ['bare copy of the database by SQLite, seconds', of(({ bareMs }) => bareMs / 1000)],
      ['backup ÷ bare copy', of(({ createMs, bareMs }) => createMs / bareMs)],
      ['size of the backup, megabytes', of(({ bytes }) => bytes / 1e6)],
      ['operator asks meanwhile, p50 milliseconds', quantile(asked, 0.5)],
      ['operator asks meanwhile, longest milliseconds', Math.max(...asked)],
      ['kosctl backup restore, seconds', of(({ restoreMs }) => restoreMs / 1000)],
      ['start to the first session of a member, seconds', of((one) => one.sessionMs / 1000)],
    ],
    goals: [],
  }
}

interface Round {
  readonly createMs: number
  readonly bareMs: number
  readonly bytes: number
  readonly askedMs: readonly number[]
  readonly restoreMs: number
  readonly sessionMs: number
}

async function measureOnce(place: string, count: number): Promise<Round> {
  const state = join(place, 'state')
  const folder = join(state, 'authority')
  mkdirSync(state, { recursive: true, mode: 0o700 })
  await createLargeAuthority(folder, count)
  const secret = join(place, 'passphrase')
  writeFileSync(secret, 'correct horse\n', { mode: 0o600 })
  const programs = programsIn(place, state)
  await using authority = programs.start('kosd', ['authority', ...LISTEN])
  const [, api = ''] = await authority.printed(/^authority +(\S+)$/m)
  const [, session = ''] = await authority.printed(/^session +(\S+)$/m)
  const line = (await programs.run('kosctl', ['token', 'create', '--name', 'probe'])).out
  await using node = programs.start(
    'kosd',
    ['node', '--join', '-', '--state', join(state, 'probe'), '--listen', '127.0.0.1:0', ...INFO],
    line,
  )
  await node.printed(/authority\.connected/)
  const bare = join(place, 'bare.sqlite')
  const bareMs = await timed(() => snapshotDatabase(join(folder, 'authority.sqlite'), bare))
  const file = join(place, 'kos.backup')
  const by = ['--passphrase-file', secret]
  const asking = new AbortController()
  const asked = askAgainAndAgain(join(place, 'config'), asking.signal)
  const createMs = await timed(() => programs.run('kosctl', ['backup', 'create', file, ...by]))
  asking.abort()
  const askedMs = await asked
  await authority.kill()
  rmSync(folder, { recursive: true })
  const restoreMs = await timed(() => programs.run('kosctl', ['backup', 'restore', file, ...by]))
  const before = node.text().length
  const at = ['--listen', api, '--session', session, '--recovery-wait', '1ms']
  let again: Program | undefined
  const sessionMs = await timed(async () => {
    again = programs.start('kosd', ['authority', ...at])
    await node.printed(/authority\.connected/, before)
  })
  await again?.kill()
  return { createMs, bareMs, bytes: statSync(file).size, askedMs, restoreMs, sessionMs }
}

const LISTEN = ['--listen', '127.0.0.1:0', '--session', '127.0.0.1:0', '--crl', '127.0.0.1:0']
const INFO = ['--log-level', 'info']

/** How long one small question of an operator takes, until the signal. */
async function askAgainAndAgain(folder: string, signal: AbortSignal): Promise<readonly number[]> {
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  if (!member) throw new Error('no operator')
  const client = await member.connectAuthority(60_000)
  const took: number[] = []
  try {
    while (!signal.aborted) {
      took.push(await timed(() => client.request('GET', '/v1/tokens')))
      await sleep(ASK_EVERY_MS)
    }
    return took
  } finally {
    client.close()
    member.close()
  }
}

interface Program extends AsyncDisposable {
  text(): string
  printed(pattern: RegExp, from?: number): Promise<RegExpExecArray>
  kill(): Promise<void>
}

interface Programs {
  run(name: string, args: readonly string[]): Promise<{ readonly out: string }>
  start(name: string, args: readonly string[], input?: string): Program
}

function programsIn(place: string, state: string): Programs {
  const env = { ...process.env, KOS_STATE: state, KOS_CONFIG: join(place, 'config') }
  const launch = (name: string, args: readonly string[], input: string): ChildProcess => {
    const child = spawn(join(BIN, name), args, { env, stdio: 'pipe' })
    child.stdin.end(input)
    return child
  }
  return {
    run: async (name, args) => {
      const child = launch(name, args, '')
      const text = collect(child)
      const [code] = (await once(child, 'close')) as [number | null]
      if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${text()}`)
      return { out: text() }
    },
    start: (name, args, input = '') => {
      const child = launch(name, args, input)
      const text = collect(child)
      const kill = async (): Promise<void> => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, 'close')
        child.kill('SIGKILL')
        await ended
      }
      return {
        text,
        kill,
        [Symbol.asyncDispose]: kill,
        printed: async (pattern, from = 0) => {
          const until = performance.now() + PATIENCE_MS
          for (;;) {
            const found = pattern.exec(text().slice(from))
            if (found) return found
            const isOver = child.exitCode !== null || performance.now() > until
            if (isOver) throw new Error(`${name}: never ${pattern.source}: ${text()}`)
            await sleep(5)
          }
        },
      }
    },
  }
}

function collect({ stdout, stderr }: ChildProcess): () => string {
  let text = ''
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  return () => text
}
