import { refuse, type Refusal } from '../../foundation/base/index.ts'

const BUSY_RETRY_MS = 250
const CLOSED_RETRY_MS = 5000

/** The refusals and failures of this room, each with the rule that decided. */
export const callMalformed: Refusal = refuse('KOS_EXECUTION_CALL', 'execution/call')

/** The profile executes nothing. */
export const profileExecutesNothing: Refusal = refuse(
  'KOS_EXECUTION_PROFILE',
  'profile/execution',
  { remedy: 'Join the device with a profile of SEC-1 or higher.' },
)

/** The daemon is shutting down. */
export const closed: Refusal = refuse('KOS_EXECUTION_CLOSED', 'execution/closed', {
  retryAfterMs: CLOSED_RETRY_MS,
})

/** A call id that stands for another call. */
export const duplicateDiffers: Refusal = refuse('KOS_EXECUTION_DUPLICATE', 'execution/call-id', {
  remedy: 'Send the new call with a new call id.',
})

/** A change that was executed, whose result is no longer kept. */
export const resultGone: Refusal = refuse('KOS_EXECUTION_RESULT_GONE', 'execution/stored-result')

/** A call that streamed its result: the bytes went once, and are not kept. */
export const streamGone: Refusal = refuse('KOS_EXECUTION_RESULT_GONE', 'execution/streamed')

/** The deadline has passed. */
export const timedOut: Refusal = refuse('KOS_EXECUTION_TIMEOUT', 'execution/deadline', {
  remedy: 'Call with a longer deadline, within the limits of the command and of the profile.',
})

/** The caller reset the call, or its connection ended. */
export const cancelled: Refusal = refuse('KOS_EXECUTION_CANCELLED', 'execution/cancelled')

/** The command threw, or one of our own invariants broke: nothing of it is shown. */
export const failedInside: Refusal = refuse('KOS_EXECUTION_FAILED', 'execution/exception')

/** The result does not fit its schema. */
export const resultInvalid: Refusal = refuse(
  'KOS_EXECUTION_RESULT_INVALID',
  'execution/result-schema',
)

/** The result is too large. */
export const resultTooLarge: Refusal = refuse(
  'KOS_EXECUTION_RESULT_TOO_LARGE',
  'execution/result-size',
  { remedy: 'Ask for a smaller part.' },
)

/** The audit log takes no records. */
export const auditUnavailable: Refusal = refuse(
  'KOS_EXECUTION_AUDIT_UNAVAILABLE',
  'execution/audit',
  { remedy: 'Repair the audit log of the device: kosctl doctor', retryAfterMs: CLOSED_RETRY_MS },
)

/** A bound on calls at the same time or in memory is reached. */
export function busy(rule: string): Refusal {
  return refuse('KOS_EXECUTION_BUSY', rule, { retryAfterMs: BUSY_RETRY_MS })
}

/** The caller is too fast. */
export function tooFast(waitMs: number): Refusal {
  return refuse('KOS_EXECUTION_RATE', 'execution/call-rate', { retryAfterMs: Math.ceil(waitMs) })
}
