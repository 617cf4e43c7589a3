import { constants } from 'node:os'
import { type Clock, type Log, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { ProgramResult, ProgramRun, ProgramRunner } from '../catalog/index.ts'
import { Broker, type BrokerEnd, type BrokerRun } from './broker.ts'
import { sandboxErrors } from './errors.ts'
import { GUARANTEE_NAMES, notInForce } from './guarantees.ts'
import type { ProbeHost, ProcessIdentity } from './host.ts'
import { isolationOptions, LIMITER, limitedProgram } from './isolation.ts'
import { type ProbeOptions, probeSandbox, type SandboxReport } from './probe.ts'

/** Runs programs in the sandbox of this host. */
export interface SandboxRunner extends ProgramRunner {
  /** What the probe at start found; runs wait for it. */
  readonly report: Promise<SandboxReport>
  /** Process id of the broker, once there is one. */
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
/** What prlimit says when there is nothing to become. */
const NOT_STARTED = 'failed to execute '
/** Of several names of a number, the first. */
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
 * A run whose output is too long is killed. An exit code above 128 is taken for the signal that
 * shells and bubblewrap write so, because they cannot be told apart.
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
  /** Users that no run has now. */
  readonly #free: (ProcessIdentity | undefined)[]
  #missing: readonly string[] = GUARANTEE_NAMES
  #broker: Broker | undefined
  #isClosed = false

  constructor(
    deps: { readonly host: ProbeHost; readonly clock: Clock; readonly log: Log },
    { probe, maxRuns }: SandboxRunnerOptions,
  ) {
    const { host, clock, log } = deps
    this.#clock = clock
    this.#log = log
    this.#free = host.userId === 0 ? userPool(probe, maxRuns) : [undefined]
    this.report = this.#prepare(host, probe)
  }

  get missing(): readonly string[] {
    return this.#missing
  }

  get brokerPid(): number | undefined {
    return this.#broker?.pid
  }

  async run(run: ProgramRun): Promise<ProgramResult | Refusal> {
    const report = await this.report
    const { refusal, program } = report
    if (refusal || program === undefined) return refusal ?? notStarted('sandbox/start')
    const problem = this.#isClosed ? busy('sandbox/closed') : problemOf(run)
    if (problem) return problem
    if (this.#free.length === 0) return busy('sandbox/runs')
    const identity = this.#free.pop()
    try {
      return await this.#execute(run, lineOf(run, { report, program, identity }))
    } finally {
      this.#free.push(identity)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.report
    await this.#broker?.close()
  }

  async #prepare(host: ProbeHost, options: ProbeOptions): Promise<SandboxReport> {
    const report = await probeSandbox({ host }, options)
    this.#missing = notInForce(report.guarantees)
    if (report.usable && !this.#isClosed) this.#broker = new Broker()
    if (report.refusal) {
      this.#log.event('sandbox.unusable', { code: report.refusal.code, rule: report.refusal.rule })
    }
    return report
  }

  #execute(run: ProgramRun, line: BrokerRun): Promise<ProgramResult | Refusal> {
    if (!this.#broker?.isAlive) this.#broker = new Broker()
    const broker = this.#broker
    const { promise, resolve, reject } = Promise.withResolvers<ProgramResult | Refusal>()
    const startedMs = this.#clock.monotonicMs()
    const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
    let killed: ProgramResult['reason'] | undefined
    const started = broker.start(line, {
      onOutput: (stream, bytes) => {
        output[stream].push(bytes)
        run.onOutput?.(stream, bytes)
      },
      onEnd: (end) => {
        cancelWall()
        run.signal.removeEventListener('abort', cancel)
        if (!end) return reject(sandboxErrors.error('KOS_SANDBOX_BROKER'))
        const stdout = Buffer.concat(output.stdout)
        const stderr = Buffer.concat(output.stderr)
        const durationMs = this.#clock.monotonicMs() - startedMs
        resolve(this.#resultOf(end, { killed, stdout, stderr, durationMs }))
      },
    })
    const kill = (reason: ProgramResult['reason']): void => {
      killed ??= reason
      started.kill()
    }
    const cancel = (): void => kill('cancelled')
    const cancelWall = this.#clock.after(run.limits.wallMs, () => kill('wall-time'))
    if (run.signal.aborted) cancel()
    else run.signal.addEventListener('abort', cancel, { once: true })
    return promise
  }

  #resultOf(end: BrokerEnd, seen: Seen): ProgramResult | Refusal {
    const { killed, ...rest } = seen
    const truncated = end.isOutputFull
    if (end.isKilled) {
      const reason = truncated && !killed ? 'output' : (killed ?? 'cancelled')
      return { exitCode: null, signal: 'SIGKILL', reason, truncated, ...rest }
    }
    if (end.isBubblewrapKilled) {
      return { exitCode: null, signal: 'SIGKILL', reason: 'exit', truncated, ...rest }
    }
    const failure = failureOf(end, seen.stderr)
    if (failure === undefined) return { ...exitOf(end.exitCode ?? 0), truncated, ...rest }
    this.#log.event('sandbox.not-started', { reason: failure.slice(0, MAX_REASON_LENGTH) }, 'warn')
    return notStarted('sandbox/program')
  }
}

interface Seen {
  readonly killed: ProgramResult['reason'] | undefined
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  readonly durationMs: number
}

function userPool({ users }: ProbeOptions, maxRuns: number): ProcessIdentity[] {
  const { first, count } = users
  return Array.from({ length: Math.min(count, maxRuns) }, (_, index) => ({
    userId: first + index,
    groupId: first + index,
  }))
}

function lineOf(
  run: ProgramRun,
  how: {
    readonly report: SandboxReport
    readonly program: string
    readonly identity: ProcessIdentity | undefined
  },
): BrokerRun {
  const { features } = how.report
  const { limits, environment } = run
  const line = isolationOptions(features, { bytes: limits.maxFileBytes, environment })
  const byPath = features.bindByDescriptor
    ? []
    : run.readOnlyPaths.flatMap((path) => ['--ro-bind', path, path])
  return {
    identity: how.identity,
    before: [how.program, ...line.before, ...byPath],
    paths: features.bindByDescriptor ? run.readOnlyPaths : [],
    after: [...line.after, ...limitedProgram(run)],
    input: run.input,
    maxOutputBytes: limits.maxOutputBytes,
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

/** Why nothing was started; `undefined` when the program ran. */
function failureOf(end: BrokerEnd, stderr: Uint8Array): string | undefined {
  if (end.failure !== '') return end.failure
  const said = Buffer.from(stderr.subarray(0, 512)).toString('utf8')
  if (end.exitCode === undefined) return said === '' ? 'bubblewrap did not start' : said
  const isLimiter = said.startsWith(`${LIMITER.split('/').at(-1) ?? ''}: `)
  // 126 and 127: prlimit found nothing that it could become; 1: a limit that it may not set.
  const isNotFound = [126, 127].includes(end.exitCode) && said.includes(NOT_STARTED)
  const isNotLimited = end.exitCode === 1 && said.includes('failed to set')
  return isLimiter && (isNotFound || isNotLimited) ? said : undefined
}

/** bubblewrap, like shells, tells an end by signal as 128 + its number. */
function exitOf(code: number): Pick<ProgramResult, 'exitCode' | 'signal' | 'reason'> {
  const signal = code > 128 ? SIGNALS.get(code - 128) : undefined
  return signal === undefined
    ? { exitCode: code, signal: null, reason: 'exit' }
    : { exitCode: null, signal, reason: 'exit' }
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
