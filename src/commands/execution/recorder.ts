import { type Clock, KosError, type Log, type Refusal } from '../../foundation/base/index.ts'
import {
  Filtered,
  pipelineErrors,
  Recorded,
  requireStage,
} from '../../foundation/pipeline/index.ts'
import { type Attempt, type AttemptEnd, endOf, recordOf } from './attempt.ts'
import { type CallOutcome, outcomeOf, type RecordPort } from './ports.ts'
import { auditUnavailable, failedInside } from './refusals.ts'

/**
 * Records how attempts end, and lets a result out only when its record was taken: what cannot be
 * recorded is withheld. Nothing here throws.
 */
export class CallRecorder {
  readonly #record: RecordPort
  readonly #clock: Clock
  readonly #log: Log

  constructor(deps: { readonly record: RecordPort; readonly clock: Clock; readonly log: Log }) {
    this.#record = deps.record
    this.#clock = deps.clock
    this.#log = deps.log
  }

  get healthy(): boolean {
    return this.#record.healthy
  }

  /** Ends an attempt that gives the caller no result. */
  end(attempt: Attempt, status: 'refused' | 'failed', refusal: Refusal): CallOutcome {
    const outcome = outcomeOf(status, refusal)
    this.note(attempt, endOf(outcome, undefined))
    return outcome
  }

  /** Records an end whose outcome does not depend on the record. */
  note(attempt: Attempt, end: AttemptEnd): boolean {
    try {
      requireStage(Recorded, this.#record.soon(attempt.last, this.#recordOf(attempt, end)))
      return true
    } catch (error) {
      this.report(attempt, error)
      return false
    }
  }

  /** Writes the intent to execute. Returns whether it is durable. */
  async intend(attempt: Attempt, rule: string): Promise<boolean> {
    try {
      const record = this.#recordOf(attempt, { outcome: 'intent', rule })
      await this.#record.intent(attempt.last, record)
      return true
    } catch (error) {
      this.report(attempt, error)
      return false
    }
  }

  /** Records the end of a run, durable within 50 ms, and releases its outcome. */
  release(attempt: Attempt, filtered: Filtered): CallOutcome {
    attempt.last = filtered
    const outcome = outcomeOfRun(filtered)
    try {
      const record = this.#recordOf(attempt, endOf(outcome, ruleOf(filtered)))
      requireComplete(attempt, filtered, this.#record.soon(filtered, record))
      return outcome
    } catch (error) {
      return this.#withhold(attempt, error)
    }
  }

  /** As {@link release}, but durable before the outcome is released. */
  async releaseDurably(attempt: Attempt, filtered: Filtered): Promise<CallOutcome> {
    attempt.last = filtered
    const outcome = outcomeOfRun(filtered)
    try {
      const record = this.#recordOf(attempt, endOf(outcome, ruleOf(filtered)))
      requireComplete(attempt, filtered, await this.#record.outcome(filtered, record))
      return outcome
    } catch (error) {
      return this.#withhold(attempt, error)
    }
  }

  /** Tells the local log of an exception by its name and code; its text may hold secrets. */
  report({ call }: Attempt, error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    const name = error instanceof Error ? error.name : typeof error
    this.#log.event('call.failed', { callId: call.callId, error: name, code }, 'error')
  }

  #withhold(attempt: Attempt, error: unknown): CallOutcome {
    this.report(attempt, error)
    const skipped = error instanceof KosError && pipelineErrors.has(error)
    return outcomeOf('failed', skipped ? failedInside : auditUnavailable)
  }

  #recordOf(attempt: Attempt, end: AttemptEnd): ReturnType<typeof recordOf> {
    return recordOf(attempt, end, this.#clock.monotonicMs())
  }
}

function ruleOf({ executed }: Filtered): string {
  return executed.validated.grant.rule
}

function outcomeOfRun({ outcome }: Filtered): CallOutcome {
  return outcome.status === 'ok' ? outcome : outcomeOf('failed', outcome.failure)
}

/** Checks after the run that every stage happened, for this very caller and call. */
function requireComplete(attempt: Attempt, filtered: Filtered, recorded: Recorded): void {
  requireStage(Filtered, filtered)
  requireStage(Recorded, recorded)
  const { authorised } = filtered.executed.validated
  const complete =
    recorded.last === filtered &&
    authorised.authenticated === attempt.authenticated &&
    authorised.call === attempt.call
  if (!complete) throw pipelineErrors.error('KOS_PIPELINE_SKIPPED')
}
