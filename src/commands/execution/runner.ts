import type { Clock, Refusal } from '../../foundation/base/index.ts'
import type { Filtered, Validated } from '../../foundation/pipeline/index.ts'
import { type Command, DataKeeper } from '../catalog/index.ts'
import { type Attempt, MAX_DEADLINE_MS } from './attempt.ts'
import type { StoreBudget, StoredCall } from './call-memory.ts'
import { CallContext, type Ending, Flight } from './flight.ts'
import type { PeerState, PeerTable } from './peers.ts'
import { type CallOutcome, outcomeOf } from './ports.ts'
import type { CallRecorder } from './recorder.ts'
import { auditUnavailable, busy, cancelled, resultGone, timedOut } from './refusals.ts'
import type { ResultFilter } from './result.ts'

/** A call that passed every check and may run. */
export interface Admitted {
  readonly attempt: Attempt
  readonly peer: PeerState
  readonly command: Command
  readonly validated: Validated
  /** From arrival, in milliseconds; of a stream: since bytes moved last. */
  readonly deadlineMs: number
  /** From arrival, in milliseconds, however much is streamed. */
  readonly longestMs: number
  /** Whether intent and outcome must be durable before the next step. */
  readonly durable: boolean
}

/** What the runner works with. */
export interface RunnerDeps {
  readonly clock: Clock
  readonly recorder: CallRecorder
  readonly filter: ResultFilter
  readonly peers: PeerTable
  readonly budget: StoreBudget
}

/** How long a result outlives the deadline of its call. @see docs/protocol.md */
const RESULT_GRACE_MS = 60_000
/** Memory of a kept call beside arguments and result, roughly. */
const STORED_CALL_BYTES = 384

/**
 * Runs admitted calls: at once where nothing waits, else as a {@link Flight} that duplicates join.
 */
export class CallRunner {
  readonly #deps: RunnerDeps
  readonly #maxRunningPerPeer: number
  /** By name: a definition may be replaced while it runs. */
  readonly #runningOf = new Map<string, number>()
  readonly #flights = new Map<Flight, Admitted>()
  readonly #keeper = new DataKeeper()
  #running = 0

  constructor(deps: RunnerDeps, maxRunningPerPeer: number) {
    this.#deps = deps
    this.#maxRunningPerPeer = maxRunningPerPeer
  }

  /** Commands that run now, with those that no longer have a caller. */
  get running(): number {
    return this.#running
  }

  /** The bound on calls at the same time that another run would break. */
  refuseAnother(command: Command, peer: PeerState): Refusal | undefined {
    if (peer.running >= this.#maxRunningPerPeer) return busy('execution/peer-concurrency')
    const running = this.#runningOf.get(command.name) ?? 0
    return running < command.limits.concurrency ? undefined : busy('execution/command-concurrency')
  }

  /** Runs a call. Synchronous commands that need no durable record end before this returns. */
  run(admitted: Admitted): CallOutcome | Promise<CallOutcome> {
    const { attempt, deadlineMs, durable } = admitted
    const { authenticated, call, stream } = attempt
    // Looking at a signal makes it: a synchronous command ends before anybody can abort it.
    if (durable && call.signal.aborted) {
      return this.#deps.recorder.end(attempt, 'refused', cancelled)
    }
    const context = new CallContext(authenticated.peer, call, { deadlineMs, stream })
    this.#enter(admitted)
    if (durable) return this.#launch(admitted, context, undefined)
    const started = this.#start(admitted, context)
    if (started instanceof Promise) return this.#launch(admitted, context, started)
    const filtered = this.#filtered(admitted, context, started)
    const outcome = this.#deps.recorder.release(attempt, filtered)
    this.#keep(admitted, outcome)
    return outcome
  }

  /** Stops every flight and waits until all have landed. */
  async stop(refusal: Refusal): Promise<void> {
    const flights = [...this.#flights.keys()]
    for (const flight of flights) flight.stop(refusal)
    await Promise.all(flights.map((flight) => flight.landed))
  }

  /** Stops the flights that a reason is found against. @returns how many */
  stopWhere(refuse: (admitted: Admitted) => Refusal | undefined): number {
    let stopped = 0
    for (const [flight, admitted] of this.#flights) {
      const refusal = refuse(admitted)
      if (!refusal) continue
      stopped += 1
      flight.stop(refusal)
    }
    return stopped
  }

  #launch(
    admitted: Admitted,
    context: CallContext,
    started: Promise<unknown> | undefined,
  ): Promise<CallOutcome> {
    const { attempt, peer } = admitted
    const { clock } = this.#deps
    const flight = new Flight(clock, context, {
      late: () => timedOut,
      left: () => (leftMs(admitted, clock) > 0 ? cancelled : timedOut),
      leftMs: () => leftMs(admitted, clock),
    })
    attempt.stream?.onExcess((refusal) => flight.stop(refusal))
    const stored = this.#storedCall(admitted, flight)
    this.#flights.set(flight, admitted)
    peer.calls.keep(stored, attempt.startedMs)
    const waiting = flight.wait(attempt.call.signal)
    void this.#fly(admitted, flight, started).then((outcome) => {
      this.#flights.delete(flight)
      this.#settle(admitted, stored, outcome)
      flight.land(outcome)
    })
    return waiting
  }

  /** From take-off to landing; never rejects, because every step inside answers with an outcome. */
  async #fly(
    admitted: Admitted,
    flight: Flight,
    started: Promise<unknown> | undefined,
  ): Promise<CallOutcome> {
    const { attempt, durable, validated } = admitted
    const { recorder } = this.#deps
    if (durable && !(await recorder.intend(attempt, validated.grant.rule))) {
      this.#leave(admitted)
      return recorder.end(attempt, 'refused', auditUnavailable)
    }
    const ending = await (started ? flight.follow(started) : this.#depart(admitted, flight))
    const filtered = this.#filtered(admitted, flight.context, ending)
    return durable
      ? recorder.releaseDurably(attempt, filtered)
      : recorder.release(attempt, filtered)
  }

  /** Starts a run whose intent is durable now, unless it was stopped meanwhile. */
  #depart(admitted: Admitted, flight: Flight): Ending | Promise<Ending> {
    const refusal = flight.context.stoppedBy
    if (refusal) {
      this.#leave(admitted)
      return { kind: 'stopped', refusal }
    }
    const started = this.#start(admitted, flight.context)
    return started instanceof Promise ? flight.follow(started) : started
  }

  /** Calls the command. Its place is free again when it really ends, not when its caller leaves. */
  #start(admitted: Admitted, context: CallContext): Ending | Promise<unknown> {
    const { command, validated } = admitted
    let running: unknown
    try {
      running = command.run(context, validated.arguments)
    } catch (error) {
      this.#leave(admitted)
      return { kind: 'error', error }
    }
    if (running instanceof Promise) {
      const leave = (): void => this.#leave(admitted)
      running.then(leave, leave)
      return running
    }
    this.#leave(admitted)
    return { kind: 'value', value: running }
  }

  #filtered(admitted: Admitted, context: CallContext, ending: Ending): Filtered {
    const { attempt, command, validated } = admitted
    const { filter, recorder } = this.#deps
    attempt.facts = context.facts
    if (ending.kind === 'error') recorder.report(attempt, ending.error)
    try {
      return filter.filter(filter.execute(validated, command, ending), command, context)
    } catch (error) {
      recorder.report(attempt, error)
      const failed = filter.execute(validated, command, { kind: 'error', error })
      return filter.filter(failed, command, context)
    }
  }

  #enter({ command, peer }: Admitted): void {
    this.#running++
    peer.running++
    this.#runningOf.set(command.name, (this.#runningOf.get(command.name) ?? 0) + 1)
  }

  #leave({ command, peer }: Admitted): void {
    this.#running--
    peer.running--
    this.#runningOf.set(command.name, (this.#runningOf.get(command.name) ?? 1) - 1)
  }

  #storedCall({ attempt, command, validated }: Admitted, flight: Flight | undefined): StoredCall {
    const { call, startedMs, stream } = attempt
    const kept = this.#keeper.keep(validated.arguments)
    return {
      callId: call.callId,
      command: command.name,
      arguments: kept,
      change: command.effects === 'change',
      streamed: stream !== undefined,
      expiresAtMs: startedMs + Math.min(call.deadlineMs, MAX_DEADLINE_MS) + RESULT_GRACE_MS,
      bytes: STORED_CALL_BYTES + this.#keeper.bytes,
      flight,
      outcome: undefined,
      next: undefined,
    }
  }

  /** Keeps the end of a call that never was a flight. */
  #keep(admitted: Admitted, outcome: CallOutcome): void {
    const stored = this.#storedCall(admitted, undefined)
    stored.outcome = this.#keeper.keep(outcome)
    stored.bytes += this.#keeper.bytes
    admitted.peer.calls.keep(stored, admitted.attempt.startedMs)
  }

  /** Keeps the end of a flight; a change stays known even where there is no room for its result. */
  #settle({ attempt, peer }: Admitted, stored: StoredCall, outcome: CallOutcome): void {
    const { budget, peers } = this.#deps
    const { calls } = peer
    if (outcome.status === 'refused') return calls.forget(stored.callId)
    if (budget.bytesFull && stored.change) peers.relieve(attempt.startedMs)
    if (!budget.bytesFull)
      return calls.finish(stored, this.#keeper.keep(outcome), this.#keeper.bytes)
    if (stored.change) calls.finish(stored, outcomeOf('failed', resultGone), 0)
    else calls.forget(stored.callId)
  }
}

/** How long a run may still go on; bytes that move begin the deadline of a stream anew. */
function leftMs({ attempt, deadlineMs, longestMs }: Admitted, clock: Clock): number {
  const { startedMs, stream } = attempt
  const dueMs = (stream?.movedMs ?? startedMs) + deadlineMs
  return Math.min(dueMs, startedMs + longestMs) - clock.monotonicMs()
}
