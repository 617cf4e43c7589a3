import type { CancelTimer, Log, Random } from '../../foundation/base/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'
import { renewMembership } from './enrol.ts'
import type { Member } from './member.ts'

/** Pause after a renewal that failed or was refused. */
const RETRY_MS = 30_000
/** Within this time all renew that the trust bundle asks to: not all at once. */
const TAINT_SPREAD_MS = 10 * 60 * 1000
/** Longest wait of one timer: the wall clock may be moved meanwhile. */
const MAX_WAIT_MS = 60 * 60 * 1000

/** What renewing needs. */
export interface RenewalDeps {
  readonly random: Random
  readonly log: Log
  readonly member: Member
  /** host:port under which peers reach the member now. */
  addresses(): readonly string[]
  /** The new certificate is to be presented from now on. */
  onRenewed(): void
}

/** Renews the certificate of a member whenever half of its life is over or its issuer is tainted. */
export interface RenewalSchedule {
  /** Looks at the clock, the certificate and the trust bundle, now and from now on. */
  arm(): void
  stop(): void
}

/**
 * Makes the renewal schedule of a running member.
 *
 * @see identity: Renewal and absence
 */
export function createRenewalSchedule(deps: RenewalDeps): RenewalSchedule {
  const { clock } = deps.member
  let cancel: CancelTimer | undefined
  let isStopped = false
  let dueMs = Number.NaN
  let dueOf = Number.NaN
  let taintedMs = Number.NaN
  /** One draw per certificate, however often the clock is looked at. */
  const due = (): number => {
    const { notBefore, notAfter } = deps.member.validity
    if (dueOf !== notAfter) dueMs = renewAtMs(notBefore, notAfter, deps.random)
    dueOf = notAfter
    if (!deps.member.isIssuerTainted) taintedMs = Number.NaN
    else if (Number.isNaN(taintedMs)) {
      taintedMs = clock.wallMs() + TAINT_SPREAD_MS * deps.random.fraction()
    }
    return Number.isNaN(taintedMs) ? dueMs : Math.min(dueMs, taintedMs)
  }
  const wait = (delayMs: number): void => {
    cancel?.()
    if (isStopped) return
    const boundedMs = Math.min(Math.max(delayMs, 0), MAX_WAIT_MS)
    cancel = clock.after(boundedMs, () => {
      if (clock.wallMs() < due()) wait(due() - clock.wallMs())
      else void renew(deps).then((isDone) => wait(isDone ? due() - clock.wallMs() : RETRY_MS))
    })
  }
  return {
    arm: () => wait(due() - clock.wallMs()),
    stop: (): void => {
      isStopped = true
      cancel?.()
    },
  }
}

async function renew(deps: RenewalDeps): Promise<boolean> {
  const { log, member } = deps
  try {
    const refusal = await renewMembership(member, { addresses: deps.addresses() })
    if (refusal) {
      log.event('certificate.renewal-refused', { rule: refusal.rule }, 'error')
      return false
    }
    deps.onRenewed()
    log.event('certificate.renewed', { number: member.membership.generation })
    return true
  } catch (error) {
    log.event('certificate.renewal-failed', { error: String(error) }, 'warn')
    return false
  }
}
