import type { CancelTimer, Log, Random } from '../../foundation/base/index.ts'
import { createBackoff } from '../../network/transport/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'
import { renewMembership } from './enrol.ts'
import type { Member } from './member.ts'

/**
 * Pauses after renewals that failed or were refused: a fleet whose authority was away does not come back
 * in step.
 */
const RETRY = Object.freeze({ minMs: 30_000, maxMs: 120_000 })
/** Within this time all renew that the trust bundle asks to: not all at once. */
const TAINT_SPREAD_MS = 10 * 60 * 1000
/** Longest wait of one timer: the wall clock may be moved meanwhile. */
const MAX_WAIT_MS = 60 * 60 * 1000

/** What renewing needs. */
export interface RenewalDeps {
  readonly random: Random
  readonly log: Log
  readonly member: Member
  /** Within so many milliseconds all renew whose issuer is tainted; ten minutes when absent. */
  readonly taintSpreadMs?: number
  /** host:port under which peers reach the member now. */
  addresses(): readonly string[]
  /** The new certificate is to be presented from now on. */
  onRenewed(): void
}

/** Renews the certificate of a member whenever half of its life is over or its issuer is tainted. */
export interface RenewalSchedule {
  /** Looks at the clock, the certificate and the trust bundle, now and from now on. */
  arm(): void
  /** Renews now, whatever the certificate says, until it is another one or the authority says no. */
  now(): void
  stop(): void
}

/**
 * Makes the renewal schedule of a running member.
 *
 * @see identity: Renewal and absence
 */
export function createRenewalSchedule(deps: RenewalDeps): RenewalSchedule {
  const { clock } = deps.member
  const { taintSpreadMs = TAINT_SPREAD_MS } = deps
  const backoff = createBackoff(deps, RETRY)
  let cancel: CancelTimer | undefined
  let isStopped = false
  let dueMs = Number.NaN
  let dueOf = Number.NaN
  let taintedMs = Number.NaN
  /** Generation of a certificate that is to be replaced at once. */
  let unwanted = Number.NaN
  /** One draw per certificate, however often the clock is looked at. */
  const due = (): number => {
    const { notBefore, notAfter } = deps.member.validity
    if (dueOf !== notAfter) dueMs = renewAtMs(notBefore, notAfter, deps.random)
    dueOf = notAfter
    if (unwanted === deps.member.membership.generation) return clock.wallMs()
    if (!deps.member.isIssuerTainted) taintedMs = Number.NaN
    else if (Number.isNaN(taintedMs)) {
      taintedMs = clock.wallMs() + taintSpreadMs * deps.random.fraction()
    }
    return Number.isNaN(taintedMs) ? dueMs : Math.min(dueMs, taintedMs)
  }
  const wait = (delayMs: number): void => {
    cancel?.()
    if (isStopped) return
    const boundedMs = Math.min(Math.max(delayMs, 0), MAX_WAIT_MS)
    cancel = clock.after(boundedMs, () => {
      if (clock.wallMs() < due()) wait(due() - clock.wallMs())
      else void renew(deps).then((outcome) => wait(pauseAfter(outcome)))
    })
  }
  const pauseAfter = (outcome: Outcome): number => {
    // A "no" stays one: whoever asked for another certificate asks again.
    if (outcome.isRefused) unwanted = Number.NaN
    if (!outcome.isDone) return backoff.next(outcome.retryAfterMs)
    backoff.reset()
    return due() - clock.wallMs()
  }
  return {
    arm: () => wait(due() - clock.wallMs()),
    now: (): void => {
      unwanted = deps.member.membership.generation
      wait(0)
    },
    stop: (): void => {
      isStopped = true
      cancel?.()
    },
  }
}

/** How an attempt ended, and what the authority asked for when it was refused. */
interface Outcome {
  readonly isDone: boolean
  /** The authority said no, and not for now only. */
  readonly isRefused?: boolean
  readonly retryAfterMs?: number | undefined
}

async function renew(deps: RenewalDeps): Promise<Outcome> {
  const { log, member } = deps
  try {
    const refusal = await renewMembership(member, { addresses: deps.addresses() })
    if (refusal) {
      log.event('certificate.renewal-refused', { rule: refusal.rule }, 'error')
      const { retryAfterMs } = refusal
      return { isDone: false, isRefused: retryAfterMs === undefined, retryAfterMs }
    }
    deps.onRenewed()
    log.event('certificate.renewed', { number: member.membership.generation })
    return { isDone: true }
  } catch (error) {
    log.event('certificate.renewal-failed', { error: String(error) }, 'warn')
    return { isDone: false }
  }
}
