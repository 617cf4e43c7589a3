import {
  type Clock,
  isRefusal,
  type Log,
  type Refusal,
  refuse,
  sha256,
  takeGcra,
} from '../../foundation/base/index.ts'
import { encodeCbor } from '../../foundation/codec/index.ts'
import {
  Authenticated,
  Authorised,
  type CallRequest,
  pipelineErrors,
  requireStage,
  type Validated,
} from '../../foundation/pipeline/index.ts'
import {
  type Catalog,
  catalogErrors,
  type Command,
  type DataLimits,
  DataMeter,
  isCommandName,
  sameData,
  WIRE_SHAPE,
} from '../catalog/index.ts'
import { type Attempt, endOf, isWellFormed } from './attempt.ts'
import { CallStream } from './call-stream.ts'
import { StoreBudget, type StoredCall } from './call-memory.ts'
import { checkLimits, type ExecutorOptions } from './options.ts'
import { type PeerState, PeerTable, takeRateRecord } from './peers.ts'
import { type AuthorisePort, type CallOutcome, outcomeOf, type RecordPort } from './ports.ts'
import { CallRecorder } from './recorder.ts'
import {
  auditUnavailable,
  busy,
  callMalformed,
  closed,
  duplicateDiffers,
  failedInside,
  profileExecutesNothing,
  streamGone,
  tooFast,
} from './refusals.ts'
import { ResultFilter } from './result.ts'
import { CallRunner } from './runner.ts'

/** What an executor works with. */
export interface ExecutorDeps {
  readonly catalog: Catalog
  readonly authorise: AuthorisePort
  readonly record: RecordPort
  readonly clock: Clock
  readonly log: Log
}

/** Takes calls of authenticated peers from authorisation to the record of their end. */
export interface Executor {
  /**
   * Executes one call, or answers it as a duplicate. A synchronous read command that needs no durable
   * record is answered synchronously: nothing is awaited.
   *
   * A call id stands for one call of one principal, whichever session brings it: the same call again
   * joins the running one or gets its stored result, until the deadline and 60 s have passed.
   *
   * **Security:** `call` is not trusted, `authenticated` must be genuine. A caller that gives up ends
   * its wait; a run that nobody waits for is aborted, but a command that ignores its signal goes on
   * and keeps its place until it really ends.
   *
   * @param authenticated - minted by network/session
   * @param call - as decoded; arguments are plain data
   * @returns exactly one outcome per call; every one is recorded
   * @throws {@link KosError} KOS_PIPELINE_SKIPPED when `authenticated` is a forgery
   */
  execute(authenticated: Authenticated, call: CallRequest): CallOutcome | Promise<CallOutcome>
  /**
   * Stops calls whose permission went away, after policy or the facts it decides on changed; what is
   * still permitted is not disturbed.
   *
   * @returns how many were stopped
   */
  recheck(): number
  /** Commands that run now. */
  readonly runningCalls: number
  /** Refuses new calls, stops the running ones and resolves when all have their outcome. */
  close(): Promise<void>
}

/**
 * Makes the executor of a daemon.
 *
 * @param deps - catalog, ports to policy and audit, clock, log
 * @param options - the device's profile and limits, see {@link DEFAULT_EXECUTOR_LIMITS}
 * @throws {@link KosError} KOS_EXECUTION_OPTIONS when a limit is not a positive number
 */
export function createExecutor(deps: ExecutorDeps, options: ExecutorOptions): Executor {
  checkLimits(options.limits)
  return new CallExecutor(deps, options)
}

/** Canonical arguments are measured anew: a canonical form may be longer than what was sent. */
const DIGEST_LIMITS: DataLimits = Object.freeze({
  ...WIRE_SHAPE,
  maxBytes: 65_536,
  refuseControls: false,
})

class CallExecutor implements Executor {
  readonly #deps: ExecutorDeps
  readonly #options: ExecutorOptions
  readonly #recorder: CallRecorder
  readonly #budget: StoreBudget
  readonly #peers: PeerTable
  readonly #runner: CallRunner
  readonly #meter = new DataMeter(DIGEST_LIMITS)
  #closed = false

  constructor(deps: ExecutorDeps, options: ExecutorOptions) {
    const { limits } = options
    const { clock } = deps
    const recorder = new CallRecorder(deps)
    const budget = new StoreBudget(limits.maxStoredCalls, limits.maxStoredBytes)
    const peers = new PeerTable(budget, limits.maxPeers, (last, suppressed) => {
      recorder.note(last, { ...endOf(outcomeOf('refused', tooFast(0)), undefined), suppressed })
    })
    const filter = new ResultFilter()
    this.#deps = deps
    this.#options = options
    this.#recorder = recorder
    this.#budget = budget
    this.#peers = peers
    this.#runner = new CallRunner(
      { clock, recorder, filter, peers, budget },
      limits.maxRunningPerPeer,
    )
  }

  get runningCalls(): number {
    return this.#runner.running
  }

  execute(authenticated: Authenticated, call: CallRequest): CallOutcome | Promise<CallOutcome> {
    requireStage(Authenticated, authenticated)
    const startedMs = this.#deps.clock.monotonicMs()
    const attempt: Attempt = {
      authenticated,
      call,
      startedMs,
      last: authenticated,
      argumentDigest: undefined,
      stream: undefined,
      facts: undefined,
    }
    try {
      return this.#attend(attempt)
    } catch (error) {
      this.#recorder.report(attempt, error)
      return this.#recorder.end(attempt, 'failed', failedInside)
    }
  }

  recheck(): number {
    const { authorise } = this.#deps
    return this.#runner.stopWhere(({ attempt, command, validated }) =>
      authorise.refuseRunning?.(attempt.authenticated, command, validated.arguments),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#runner.stop(closed)
    this.#peers.flush()
  }

  #attend(attempt: Attempt): CallOutcome | Promise<CallOutcome> {
    const { authenticated, call, startedMs } = attempt
    const peer = this.#peers.enter(authenticated.peer.principal.uri, startedMs)
    const early = this.#refuseEarly(attempt, peer)
    if (!peer || early) return this.#refuse(attempt, early ?? busy('execution/peers'))
    const waitMs = this.#takeRate(attempt, peer)
    if (waitMs > 0) return this.#refuseRate(attempt, peer, waitMs)
    const command = this.#deps.catalog.get(call.command)
    if (!command) return this.#refuse(attempt, this.#unknown(call.command))
    const authorised = this.#deps.authorise.authorise(authenticated, call, command)
    if (isRefusal(authorised)) return this.#refuse(attempt, authorised)
    requireFor(attempt, authorised)
    attempt.last = authorised
    const validated = this.#deps.catalog.validate(command, authorised)
    if (isRefusal(validated)) return this.#refuse(attempt, validated)
    attempt.last = validated
    // Asked after policy: a peer that lost a right gets no stored result either.
    const stored = peer.calls.find(call.callId, startedMs)
    if (stored) return this.#repeat(attempt, stored, validated)
    return this.#admit(attempt, peer, { command, validated })
  }

  #refuseEarly({ call }: Attempt, peer: PeerState | undefined): Refusal | undefined {
    if (this.#closed) return closed
    if (!peer) return busy('execution/peers')
    if (!isWellFormed(call)) return callMalformed
    return this.#options.profile.quota ? undefined : profileExecutesNothing
  }

  #admit(
    attempt: Attempt,
    peer: PeerState,
    { command, validated }: { readonly command: Command; readonly validated: Validated },
  ): CallOutcome | Promise<CallOutcome> {
    const { profile } = this.#options
    const { authenticated, call } = attempt
    attempt.stream = CallStream.of(this.#deps.clock, command, call)
    // The stricter of both ends decides whether an intent comes first. What is streamed leaves before
    // the record of the end, so that it was asked for must be durable.
    const durable =
      command.effects === 'change' ||
      attempt.stream !== undefined ||
      profile.audit.intentAlways ||
      authenticated.peer.floor.audit.intentAlways
    const refusal =
      (durable && !this.#recorder.healthy ? auditUnavailable : undefined) ??
      this.#runner.refuseAnother(command, peer) ??
      this.#refuseChange(attempt, peer, command)
    if (refusal) return this.#refuse(attempt, refusal)
    if (durable) attempt.argumentDigest = this.#digest(validated.arguments)
    const wallTimeMs = profile.quota?.wallTimeMs ?? 0
    const longestMs = Math.min(command.limits.timeoutMs, wallTimeMs)
    const deadlineMs = Math.min(call.deadlineMs, longestMs)
    return this.#runner.run({ attempt, peer, command, validated, deadlineMs, longestMs, durable })
  }

  /** A change must stay known until its time is over, so there must be room for it. */
  #refuseChange({ startedMs }: Attempt, peer: PeerState, command: Command): Refusal | undefined {
    if (command.effects !== 'change') return undefined
    if (peer.calls.changes >= this.#options.limits.maxStoredChangesPerPeer) {
      return busy('execution/stored-changes')
    }
    if (this.#budget.full) this.#peers.relieve(startedMs)
    return this.#budget.full ? busy('execution/stored-calls') : undefined
  }

  #repeat(
    attempt: Attempt,
    stored: StoredCall,
    validated: Validated,
  ): CallOutcome | Promise<CallOutcome> {
    const { call } = attempt
    // The values are kept and compared only here: the first arrival of a read pays for no digest.
    const same = stored.command === call.command && sameData(stored.arguments, validated.arguments)
    if (!same) return this.#refuse(attempt, duplicateDiffers)
    if (stored.streamed) return this.#recorder.end(attempt, 'failed', streamGone)
    const waiting = stored.flight?.wait(call.signal)
    if (waiting) return waiting.then((outcome) => this.#noteRepeat(attempt, outcome))
    return this.#noteRepeat(attempt, stored.outcome ?? outcomeOf('failed', failedInside))
  }

  #noteRepeat(attempt: Attempt, outcome: CallOutcome): CallOutcome {
    const end = endOf(outcome, 'execution/repeated')
    return this.#recorder.note(attempt, end) ? outcome : outcomeOf('failed', auditUnavailable)
  }

  #takeRate({ authenticated, startedMs }: Attempt, peer: PeerState): number {
    const granted = this.#options.callRateOf?.(authenticated.peer)
    return takeGcra(peer.rate, granted ?? this.#options.limits.callRate, startedMs)
  }

  #refuseRate(attempt: Attempt, peer: PeerState, waitMs: number): CallOutcome {
    const outcome = outcomeOf('refused', tooFast(waitMs))
    const suppressed = takeRateRecord(peer, attempt, attempt.startedMs)
    if (suppressed !== undefined) {
      this.#recorder.note(attempt, { ...endOf(outcome, undefined), suppressed })
    }
    return outcome
  }

  #unknown(command: string): Refusal {
    // Every command that anybody may call stands in the catalog: a well-formed stranger is reported.
    if (isCommandName(command)) {
      this.#deps.log.event('call.unknown-command', { command }, 'warn')
    }
    return refuse('KOS_CATALOG_UNKNOWN', 'catalog/unknown-command', {
      remedy: 'Check the spelling: docs/commands.md lists the commands.',
    })
  }

  #digest(canonical: unknown): Uint8Array {
    if (this.#meter.accepts(canonical, DIGEST_LIMITS)) return sha256(encodeCbor(canonical))
    throw catalogErrors.error('KOS_CATALOG_DEFINITION', { field: 'canonicalise' })
  }

  #refuse(attempt: Attempt, refusal: Refusal): CallOutcome {
    return this.#recorder.end(attempt, 'refused', refusal)
  }
}

/** Policy answers with the stage of this very caller and call, or the call stops here. */
function requireFor({ authenticated, call }: Attempt, authorised: Authorised): void {
  requireStage(Authorised, authorised)
  if (authorised.authenticated !== authenticated || authorised.call !== call) {
    throw pipelineErrors.error('KOS_PIPELINE_SKIPPED', { expected: 'Authorised' })
  }
}
