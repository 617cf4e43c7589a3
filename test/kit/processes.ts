/**
 * A fabric of real processes: `kosd` and `kosctl` as users start them, through `bin/`, on a loopback
 * address and in folders of their own. Whatever still runs at the end of a test is asked to stop, and
 * must end with 0 and leave no process behind.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { main as kosctlMain } from '../../src/apps/cli/main.ts'
import { systemClock } from '../../src/foundation/base/index.ts'
import { captureTerminal, testWorld } from './fabric.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Bounds for broken code, no measurement: a loaded machine is slow. */
const PATIENCE_MS = 90_000
const POLL_MS = 150

/** What a command printed, and how it ended. */
export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A `kosd` in a process of its own. */
export interface Daemon {
  readonly name: string
  readonly pid: number
  /** What it printed so far. */
  readonly out: string
  readonly err: string
  readonly isRunning: boolean
  /** Waits until it printed something; fails when it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
  /** How it ended, once it has. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  /** SIGTERM; fails unless it ends with 0 and leaves no process behind. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: the kernel answers for it, it does not. */
  pause(): void
  /** SIGCONT. */
  resume(): void
}

/** How one daemon is started. */
export interface DaemonStart {
  readonly name: string
  readonly args: readonly string[]
  readonly input?: string
}

/** How a node is started. */
export interface NodeStart {
  /** More arguments of `kosd node`. */
  readonly args?: readonly string[]
  /** The join line; none after the first start. */
  readonly line?: string
}

/** How one `kosctl` is run. */
export interface KosctlOptions {
  readonly input?: string
  /** Another configuration folder than the first operator's. */
  readonly config?: string
}

/** An entry of `kosctl audit tail --json`. */
export interface AuditLine {
  readonly index: number
  readonly type: string
  readonly actor: string
  readonly target: string
  readonly action: string
  readonly outcome: string
  readonly code?: string
  readonly rule?: string
  readonly callId?: string
  readonly source?: string
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** A device of `kosctl devices --json`. */
export interface DeviceLine {
  readonly id: string
  readonly uri: string
  readonly kind: string
  readonly name: string
  readonly generation: number
  readonly connected: boolean
  readonly addresses: readonly string[]
  readonly identityKeyHash: string
  readonly certificateNotAfter: number
}

/** How a fabric of processes differs from an ordinary one. */
export interface PlaceOptions {
  /** Size of a disk of its own for the state folders; needs {@link mountRefusal} to be absent. */
  readonly diskBytes?: number
}

/** The folders of a fabric and everything that runs in them. */
export class Place {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'kos-test-'))
  /** A loopback address that no outgoing connection has: a port stays free while its daemon is away. */
  readonly host: string = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`
  readonly #daemons: Daemon[] = []
  readonly #addresses = new Map<string, string>()
  #isMounted = false

  /**
   * Makes the folders, and the programs if they are older than their sources.
   *
   * @param context - of the test that it ends with
   */
  constructor(context: TestContext, options: PlaceOptions = {}) {
    context.after(() => this.#end())
    mkdirSync(this.stateFolder, { mode: 0o700 })
    if (options.diskBytes !== undefined) this.#mount(options.diskBytes)
    const built = spawnSync(programPath('kosctl'), ['--version'], { encoding: 'utf8' })
    assert.equal(built.status, 0, built.stderr)
  }

  /** Environment of every program: folders, and no traces of the test runner. */
  get environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      KOS_STATE: this.stateFolder,
      KOS_CONFIG: this.config,
      // A killed process would leave half a coverage report, which spoils all of them.
      NODE_V8_COVERAGE: '',
      NODE_TEST_CONTEXT: undefined,
    }
  }

  /** Configuration folder of the first operator. */
  get config(): string {
    return join(this.folder, 'config')
  }

  /** The folder of all state folders: the disk, where there is one. */
  get stateFolder(): string {
    return join(this.folder, 'state')
  }

  /** State folder of the authority or of a node. */
  stateOf(name: string): string {
    return join(this.stateFolder, name)
  }

  /** Runs `kosctl` to its end. */
  async kosctl(args: readonly string[], options: KosctlOptions = {}): Promise<Finished> {
    const environment = { ...this.environment }
    if (options.config !== undefined) environment['KOS_CONFIG'] = options.config
    const child = spawn(programPath('kosctl'), args, { env: environment })
    const printed = collect(child)
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    const stuck = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(stuck)
      if (signal === null) resolve(code)
      else reject(new Error(`kosctl ${args.join(' ')} never ended:\n${printed().err}`))
    })
    return { code: await promise, ...printed() }
  }

  /** Runs `kosctl`, which must succeed; what it printed. */
  async done(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await this.kosctl(args)
    assert.equal(code, 0, `kosctl ${args.join(' ')}\n${out}${err}\n${this.report()}`)
    return out
  }

  /**
   * Asks as {@link done} does, with `kosctl` in this process: for what a test must know but is not
   * about. A process of its own costs twenty times as much.
   */
  async #ask(...args: readonly string[]): Promise<Finished> {
    const terminal = captureTerminal()
    const world = testWorld({ clock: systemClock, config: this.config })
    const code = await kosctlMain(args, terminal, world)
    return { code, ...terminal.printed }
  }

  async #answer(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await this.#ask(...args)
    assert.equal(code, 0, `kosctl ${args.join(' ')}\n${out}${err}\n${this.report()}`)
    return out
  }

  /** Runs `kosctl exec` on a peer as the principal of a state folder. */
  execAs(actor: string, peer: string, ...command: readonly string[]): Promise<Finished> {
    return this.kosctl(['exec', peer, ...command, '--identity', this.stateOf(actor)])
  }

  /** Starts the authority, again where it was before; resolves once it serves. */
  async startAuthority(...more: readonly string[]): Promise<Daemon> {
    const daemon = this.launchAuthority(...more)
    this.#addresses.set('api', (await daemon.printed(/^authority +(\S+)$/m))[1] ?? '')
    this.#addresses.set('session', (await daemon.printed(/^session +(\S+)$/m))[1] ?? '')
    await daemon.printed(/^pin +\S+$/m)
    return daemon
  }

  /** Starts the authority and does not wait for it. */
  launchAuthority(...more: readonly string[]): Daemon {
    const api = this.#addresses.get('api') ?? `${this.host}:0`
    const session = this.#addresses.get('session') ?? `${this.host}:0`
    const args = ['authority', '--listen', api, '--session', session, '--log-level', 'info']
    return this.start({ name: 'authority', args: [...args, ...more] })
  }

  /** A join line for a name. */
  async joinLine(name: string, ...more: readonly string[]): Promise<string> {
    return this.#answer('token', 'create', '--name', name, ...more)
  }

  /** Joins a node, starts it, and waits for its session with the authority. */
  async join(name: string, ...more: readonly string[]): Promise<Daemon> {
    const node = await this.startNode(name, { line: await this.joinLine(name, ...more) })
    await this.connected(name)
    return node
  }

  /** Starts a node, again where it was before; resolves once it serves. */
  async startNode(name: string, start: NodeStart = {}): Promise<Daemon> {
    const daemon = this.launchNode(name, start)
    this.#addresses.set(name, (await daemon.printed(/^address +(\S+)$/m))[1] ?? '')
    return daemon
  }

  /** Starts a node and does not wait for it. */
  launchNode(name: string, start: NodeStart = {}): Daemon {
    const listen = this.#addresses.get(name) ?? `${this.host}:0`
    const args = ['node', '--state', this.stateOf(name), '--listen', listen, '--log-level', 'info']
    const join_ = start.line === undefined ? [] : ['--join', '-']
    return this.start({
      name,
      args: [...args, ...join_, ...(start.args ?? [])],
      input: start.line ?? '',
    })
  }

  /** host:port where a node or the authority's `api` and `session` listened last. */
  addressOf(name: string): string {
    const address = this.#addresses.get(name)
    assert.ok(address, `${name} has listened`)
    return address
  }

  /** Waits until a node has its session with the authority and its address is known there. */
  async connected(...names: readonly string[]): Promise<void> {
    await this.eventually(`${names.join(', ')} connected`, async () => {
      if (!names.every((name) => this.#saysConnected(name))) return false
      const devices = await this.tryDevices()
      return names.every((name) =>
        devices?.some(
          (device) =>
            device.name === name &&
            device.connected &&
            device.addresses.includes(this.addressOf(name)),
        ),
      )
    })
  }

  /** The devices and agents that the authority knows. */
  async devices(): Promise<readonly DeviceLine[]> {
    return JSON.parse(await this.#answer('devices', '--json')) as DeviceLine[]
  }

  /** As {@link devices}; `undefined` when the authority does not answer. */
  async tryDevices(): Promise<readonly DeviceLine[] | undefined> {
    const { code, out } = await this.#ask('devices', '--json')
    return code === 0 ? (JSON.parse(out) as DeviceLine[]) : undefined
  }

  /** The newest entries of the authority's audit log, the oldest first. */
  async audit(count: number = 1000): Promise<readonly AuditLine[]> {
    const out = await this.#answer('audit', 'tail', '--all', '--json', '--count', String(count))
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditLine)
  }

  /** Verifies the authority's audit log through its daemon, and against what was seen before. */
  async verifyAudit(): Promise<void> {
    assert.match(await this.#answer('audit', 'verify'), /^verified$/m)
  }

  /** Adds rules to the fleet manifest; resolves when the authority has signed it. */
  async changeRules(change: (rules: readonly object[]) => readonly object[]): Promise<void> {
    const manifest = JSON.parse(await this.#answer('policy', 'show')) as { rules: object[] }
    const file = join(this.folder, 'fleet.json')
    writeFileSync(file, JSON.stringify({ ...manifest, rules: change(manifest.rules) }))
    await this.#answer('policy', 'apply', file)
  }

  /** Waits until something holds; a failure tells what the daemons said. */
  async eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS
    do {
      if (await holds()) return
      await sleep(POLL_MS)
    } while (performance.now() < untilMs)
    assert.fail(`never: ${what}\n${this.report()}`)
  }

  /** What the daemons said last, for the text of a failure. */
  report(): string {
    return this.#daemons
      .map(({ name, isRunning, out, err }) => {
        const state = isRunning ? 'runs' : 'has ended'
        return `--- ${name} ${state}\n${(out + err).split('\n').slice(-25).join('\n')}`
      })
      .join('\n')
  }

  /** Starts a `kosd` with any arguments and does not wait for it. */
  start(start: DaemonStart): Daemon {
    const daemon = new DaemonProcess(start, this.environment)
    this.#daemons.push(daemon)
    return daemon
  }

  /** What a daemon logs is cheaper to look at than what its authority says. */
  #saysConnected(name: string): boolean {
    const { err = '' } = this.#daemons.findLast((daemon) => daemon.name === name) ?? {}
    return err.lastIndexOf('authority.connected') > err.lastIndexOf('authority.lost')
  }

  #mount(bytes: number): void {
    mountDisk(this.stateFolder, bytes)
    this.#isMounted = true
  }

  /** Nodes first: they hand over their last entries. */
  async #end(): Promise<void> {
    try {
      const running = this.#daemons.filter(({ isRunning }) => isRunning)
      const nodes = running.filter(({ name }) => name !== 'authority')
      await Promise.all(nodes.map((node) => node.stop()))
      for (const daemon of running) if (daemon.isRunning) await daemon.stop()
    } finally {
      await Promise.all(this.#daemons.map((daemon) => daemon.kill()))
      if (this.#isMounted) run('umount', this.stateFolder)
      rmSync(this.folder, { recursive: true, force: true })
    }
  }
}

/** Why this machine lets no test mount a disk; `undefined` when it does. */
export function mountRefusal(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting a small disk needs root'
  const folder = mkdtempSync(join(tmpdir(), 'kos-test-'))
  try {
    mountDisk(folder, 1024 * 1024)
    run('umount', folder)
    return undefined
  } catch (error) {
    return `no small disk can be mounted: ${String(error)}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function mountDisk(folder: string, bytes: number): void {
  run('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', folder)
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(`${program}: ${stderr.trim()}`)
}

/** The path of one of the two programs. */
export function programPath(name: 'kosd' | 'kosctl'): string {
  return join(ROOT, 'bin', name)
}

class DaemonProcess implements Daemon {
  readonly name: string
  readonly ended: Daemon['ended']
  readonly #child: ChildProcess
  readonly #printed: () => { readonly out: string; readonly err: string }

  constructor(start: DaemonStart, environment: NodeJS.ProcessEnv) {
    this.name = start.name
    // A process group of its own: what the daemon leaves behind is found in it.
    this.#child = spawn(programPath('kosd'), start.args, { env: environment, detached: true })
    this.#printed = collect(this.#child)
    const { promise, resolve } = Promise.withResolvers<Awaited<Daemon['ended']>>()
    this.ended = promise
    this.#child.once('exit', (code, signal) => resolve({ code, signal }))
    this.#child.once('error', () => resolve({ code: null, signal: null }))
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stdin?.end(start.input ?? '')
  }

  get pid(): number {
    const { pid } = this.#child
    assert.ok(pid !== undefined, `${this.name} was started`)
    return pid
  }

  get out(): string {
    return this.#printed().out
  }

  get err(): string {
    return this.#printed().err
  }

  get isRunning(): boolean {
    const { exitCode, signalCode, pid } = this.#child
    return pid !== undefined && exitCode === null && signalCode === null
  }

  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const untilMs = performance.now() + PATIENCE_MS
    while (performance.now() < untilMs) {
      const { isRunning } = this
      const match = pattern.exec(this.out)
      if (match) return match
      if (!isRunning) break
      await sleep(20)
    }
    return assert.fail(`${this.name} never printed ${String(pattern)}:\n${this.out}${this.err}`)
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return
    const { pid } = this
    this.resume()
    process.kill(pid, 'SIGTERM')
    const how = await Promise.race([this.ended, sleep(PATIENCE_MS, undefined, { ref: false })])
    const said = `${this.name} after SIGTERM:\n${this.out}${this.err}`
    assert.deepEqual(how, { code: 0, signal: null }, said)
    assert.throws(() => process.kill(-pid, 0), { code: 'ESRCH' }, `${this.name} left a process`)
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return
    process.kill(this.pid, 'SIGKILL')
    await this.ended
  }

  pause(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT')
  }
}

function collect(child: ChildProcess): () => { readonly out: string; readonly err: string } {
  const out: string[] = []
  const err: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => out.push(text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => err.push(text))
  return () => ({ out: out.join(''), err: err.join('') })
}
