import { constants } from 'node:os'
import { type Clock, type Log, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { ProgramResult, ProgramRun, ProgramRunner } from '../catalog/index.ts'
import type { BrokerEnd } from './broker.ts'
import { sandboxErrors } from './errors.ts'
import { GUARANTEE_NAMES, notInForce } from './guarantees.ts'
import type { ProbeHost, ProcessIdentity } from './host.ts'
import { isolationOptions } from './isolation.ts'
import { launchRequest } from './launcher.ts'
import { type PooledSandbox, SandboxPool, type SandboxView } from './pool.ts'
import { type ProbeOptions, probeSandbox, type SandboxReport } from './probe.ts'

/** Runs programs in the sandbox of this host. */
export interface SandboxRunner extends ProgramRunner {
  /** What the probe at start found; runs wait for it. */
  readonly report: Promise<SandboxReport>
  /** Process id of the broker; `undefined` before there is one, and once it is known to be gone. */
  readonly brokerPid: number | undefined
  /** Kills what runs and ends the broker. Later runs are refused. */
  close(): Promise<void>
}

/** Bounds of a runner. */
export interface SandboxRunnerOptions {
  readonly probe: ProbeOptions
  /** Runs at the same time; one where the daemon is not root, because all have its own user. */
  readonly maxRuns: number
}

/** How soon a caller may try again when every place is taken. */
const BUSY_RETRY_MS = 250
const MAX_REASON_LENGTH = 200
/** Standard output that is read ahead of a reader. */
const WINDOW_BYTES = 256 * 1024
/** Of several names of a number, the first. @see wait(2): the low seven bits of a status */
const SIGNALS: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name]),
)

/**
 * Makes the runner of programs. It looks at the host and starts its broker at once, without waiting:
 * call it while the daemon is small.
 *
 * Every run is a bubblewrap of its own: all namespaces, no capability, an empty network, `/usr` and
 * the named paths read-only, a private `/tmp`, the environment of the run and nothing else. Where the
 * daemon is root, each run at the same time has another unprivileged user of the host.
 *
 * A run whose output is too long is killed; one whose reader is slow waits at its pipe. After a run
 * that saw no more than `/usr`, the sandbox of the next such run is made ahead; none is used twice.
 *
 * **Security:** no filter of system calls, no Landlock, no control groups: `missing` names what is
 * not in force. `/usr` is visible as a whole; a program can read what its user may read there.
 *
 * @param deps - the host, clock for wall time, log
 * @param options - places, users, number of runs
 * @returns the runner; `run` refuses with KOS_SANDBOX_MISSING, _UNTRUSTED, _START, _PROGRAM or _BUSY
 * and rejects with KOS_SANDBOX_BROKER
 * @example
 * ```ts
 * import { createProgramRunner, DEFAULT_PROBE_OPTIONS, systemProbeHost } from 'kos/sandbox'
 * const runner = createProgramRunner(
 *   { host: systemProbeHost, clock, log },
 *   { probe: DEFAULT_PROBE_OPTIONS, maxRuns: 2 },
 * )
 * ```
 */
export function createProgramRunner(
  deps: { readonly host: ProbeHost; readonly clock: Clock; readonly log: Log },
  options: SandboxRunnerOptions,
): SandboxRunner {
  return new BubblewrapRunner(deps, options)
}

class BubblewrapRunner implements SandboxRunner {
  readonly report: Promise<SandboxReport>
  readonly #clock: Clock
  readonly #log: Log
  readonly #maxRuns: number
  #running = 0
  #missing: readonly string[] = GUARANTEE_NAMES
  #pool: SandboxPool | undefined
  #isClosed = false

  constructor(
    deps: { readonly host: ProbeHost; readonly clock: Clock; readonly log: Log },
    { probe, maxRuns }: SandboxRunnerOptions,
  ) {
    const { host, clock, log } = deps
    this.#clock = clock
    this.#log = log
    this.#maxRuns = host.userId === 0 ? Math.min(probe.users.count, maxRuns) : 1
    this.report = this.#prepare(host, probe)
  }

  get missing(): readonly string[] {
    return this.#missing
  }

  get brokerPid(): number | undefined {
    return this.#pool?.brokerPid
  }

  async run(run: ProgramRun): Promise<ProgramResult | Refusal> {
    const report = await this.report
    const { refusal, program } = report
    const pool = this.#pool
    if (refusal || program === undefined) return refusal ?? notStarted('sandbox/start')
    const problem = this.#isClosed ? busy('sandbox/closed') : problemOf(run)
    if (problem) return problem
    const view = viewOf(run, { report, program })
    const sandbox = this.#running < this.#maxRuns ? pool?.take(view) : undefined
    if (!sandbox) return busy('sandbox/runs')
    this.#running++
    try {
      return await this.#execute(run, sandbox)
    } finally {
      this.#running--
      // What a run may read besides could be replaced before the next one.
      const isPlain = run.readOnlyPaths.length === 0 && !this.#isClosed
      if (isPlain) pool?.prepare(view, () => this.#maxRuns - this.#running)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.report
    await this.#pool?.close()
  }

  async #prepare(host: ProbeHost, options: ProbeOptions): Promise<SandboxReport> {
    const report = await probeSandbox({ host }, options)
    this.#missing = notInForce(report.guarantees)
    if (report.usable && !this.#isClosed) {
      this.#pool = new SandboxPool(usersOf(host, options, this.#maxRuns))
    }
    if (report.refusal) {
      this.#log.event('sandbox.unusable', { code: report.refusal.code, rule: report.refusal.rule })
    }
    return report
  }

  async #execute(run: ProgramRun, sandbox: PooledSandbox): Promise<ProgramResult | Refusal> {
    const startedMs = this.#clock.monotonicMs()
    const output = new RunOutput(run, sandbox)
    let killed: ProgramResult['reason'] | undefined
    const kill = (reason: ProgramResult['reason']): void => {
      killed ??= reason
      sandbox.kill()
    }
    const cancel = (): void => kill('cancelled')
    const cancelWall = this.#clock.after(run.limits.wallMs, () => kill('wall-time'))
    sandbox.run({
      request: launchRequest(run),
      input: run.input,
      maxOutputBytes: run.limits.maxOutputBytes,
      windowBytes: run.onStdout && WINDOW_BYTES,
      onOutput: (stream, bytes) => output.take(stream, bytes),
    })
    if (run.signal.aborted) cancel()
    else run.signal.addEventListener('abort', cancel, { once: true })
    const end = await sandbox.ended
    cancelWall()
    run.signal.removeEventListener('abort', cancel)
    const durationMs = this.#clock.monotonicMs() - startedMs
    await output.end()
    if (!end) throw sandboxErrors.error('KOS_SANDBOX_BROKER')
    return this.#resultOf(end, { killed, ...output.kept(), durationMs })
  }

  #resultOf(end: BrokerEnd, seen: Seen): ProgramResult | Refusal {
    const { killed, ...rest } = seen
    const truncated = end.isOutputFull
    if (end.isKilled) {
      const reason = truncated && !killed ? 'output' : (killed ?? 'cancelled')
      return { exitCode: null, signal: 'SIGKILL', reason, truncated, ...rest }
    }
    const ended = exitOf(end)
    if (ended) return { ...ended, reason: 'exit', truncated, ...rest }
    const reason = failureOf(end, seen.stderr)
    this.#log.event('sandbox.not-started', { reason: reason.slice(0, MAX_REASON_LENGTH) }, 'warn')
    return notStarted('sandbox/program')
  }
}

/** What a program wrote: kept for its result, or handed to a reader in order. */
class RunOutput {
  readonly #run: ProgramRun
  readonly #sandbox: PooledSandbox
  readonly #kept = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  readonly #waiting: Uint8Array[] = []
  #reading: Promise<void> | undefined
  #broken: { readonly error: unknown } | undefined

  constructor(run: ProgramRun, sandbox: PooledSandbox) {
    this.#run = run
    this.#sandbox = sandbox
  }

  take(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    const { onStdout } = this.#run
    if (stream === 'stderr' || !onStdout) {
      this.#kept[stream].push(bytes)
      return
    }
    this.#waiting.push(bytes)
    this.#reading ??= this.#hand(onStdout)
  }

  /** Resolves when the reader took everything; rejects with what the reader failed with. */
  async end(): Promise<void> {
    await this.#reading
    if (this.#broken) throw this.#broken.error
  }

  kept(): Pick<ProgramResult, 'stdout' | 'stderr'> {
    const { stdout, stderr } = this.#kept
    return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }
  }

  /** Hands over what waits, one piece after the other. */
  async #hand(onStdout: NonNullable<ProgramRun['onStdout']>): Promise<void> {
    try {
      for (let bytes = this.#waiting.shift(); bytes; bytes = this.#waiting.shift()) {
        if (this.#broken) continue
        await onStdout(bytes)
        this.#sandbox.taken(bytes.length)
      }
    } catch (error) {
      this.#broken = { error }
      this.#waiting.length = 0
      this.#sandbox.kill()
    }
    this.#reading = undefined
  }
}

interface Seen {
  readonly killed: ProgramResult['reason'] | undefined
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  readonly durationMs: number
}

/** As whom sandboxes run: one more than runs at the same time, for the one that is made ahead. */
function usersOf(
  { userId }: ProbeHost,
  { users: { first, count } }: ProbeOptions,
  maxRuns: number,
): readonly (ProcessIdentity | undefined)[] {
  if (userId !== 0) return Array.from({ length: maxRuns + 1 }, () => undefined)
  return Array.from({ length: Math.min(count, maxRuns + 1) }, (_, index) => ({
    userId: first + index,
    groupId: first + index,
  }))
}

function viewOf(
  { limits, readOnlyPaths }: ProgramRun,
  how: { readonly report: SandboxReport; readonly program: string },
): SandboxView {
  const { features } = how.report
  const line = isolationOptions(features, limits.maxFileBytes)
  const byPath = features.bindByDescriptor
    ? []
    : readOnlyPaths.flatMap((path) => ['--ro-bind', path, path])
  return {
    before: [how.program, ...line.before, ...byPath],
    paths: features.bindByDescriptor ? readOnlyPaths : [],
    after: line.after,
  }
}

/** A program that cannot be seen inside, or texts that would end early on the way there. */
function problemOf(run: ProgramRun): Refusal | undefined {
  const { program, readOnlyPaths, environment } = run
  const places = ['/usr', ...readOnlyPaths]
  const isVisible = places.some((place) => program === place || program.startsWith(`${place}/`))
  if (!isVisible) return notStarted('sandbox/not-visible')
  const texts = [program, ...run.arguments, ...readOnlyPaths, ...Object.values(environment)]
  if (texts.some((text) => text.includes('\0'))) return notStarted('sandbox/nul')
  const names = Object.keys(environment)
  return names.every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    ? undefined
    : notStarted('sandbox/environment')
}

/** How the program ended; `undefined` when none ran. */
function exitOf(end: BrokerEnd): Pick<ProgramResult, 'exitCode' | 'signal'> | undefined {
  const { failure, waitStatus, launcherCode = 0, isBubblewrapKilled } = end
  if (failure !== '') return undefined
  if (waitStatus === undefined) {
    // Somebody killed the sandbox from outside, for example the kernel for want of memory.
    const isLost = isBubblewrapKilled || launcherCode > 128
    return isLost ? { exitCode: null, signal: 'SIGKILL' } : undefined
  }
  const signal = waitStatus & 0x7f
  return signal === 0
    ? { exitCode: waitStatus >> 8, signal: null }
    : { exitCode: null, signal: SIGNALS.get(signal) ?? `SIG${signal}` }
}

function failureOf({ failure }: BrokerEnd, stderr: Uint8Array): string {
  if (failure !== '') return failure
  const said = Buffer.from(stderr.subarray(0, 512)).toString('utf8')
  return said === '' ? 'bubblewrap did not start' : said
}

function notStarted(rule: string): Refusal {
  return refuse('KOS_SANDBOX_PROGRAM', rule, {
    remedy: 'Check the configured path of the program; the log of the device has the reason.',
  })
}

function busy(rule: string): Refusal {
  return refuse('KOS_SANDBOX_BUSY', rule, {
    remedy: 'Wait until another program has ended.',
    retryAfterMs: BUSY_RETRY_MS,
  })
}
