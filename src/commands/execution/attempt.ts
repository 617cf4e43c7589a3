import type { Authenticated, CallRequest, Recordable } from '../../foundation/pipeline/index.ts'
import { isCommandName } from '../catalog/index.ts'
import type { CallStream } from './call-stream.ts'
import type { CallOutcome, CallRecord } from './ports.ts'

/** One arrival of a call, and how far it has come. */
export interface Attempt {
  readonly authenticated: Authenticated
  readonly call: CallRequest
  /** Monotonic milliseconds. */
  readonly startedMs: number
  /** The last stage that was minted. */
  last: Recordable
  argumentDigest: Uint8Array | undefined
  /** Where bytes go before the result; `undefined` when the command or the caller wants none. */
  stream: CallStream | undefined
}

/** How an attempt ended, as its record says it. */
export interface AttemptEnd {
  readonly outcome: CallRecord['outcome']
  readonly code?: string | undefined
  readonly rule?: string | undefined
  readonly suppressed?: number | undefined
}

const CALL_ID = /^[0-9a-f]{32}$/
/** Longest deadline that is kept; a longer one is cut. @see docs/protocol.md: Limits */
export const MAX_DEADLINE_MS = 300_000

/** Whether the envelope of a call has the accepted form; its arguments are the catalog's business. */
export function isWellFormed({ callId, traceId, deadlineMs }: CallRequest): boolean {
  return CALL_ID.test(callId) && traceId.length <= 64 && deadlineMs >= 1
}

/** The end of an attempt that gives a caller this outcome. */
export function endOf(outcome: CallOutcome, rule: string | undefined): AttemptEnd {
  if (outcome.status === 'ok') return { outcome: 'ok', rule }
  return { outcome: outcome.status, code: outcome.code, rule: outcome.rule }
}

/**
 * Makes the record of an attempt. Names that the caller chose are recorded in the accepted form only.
 *
 * @param nowMs - monotonic milliseconds
 */
export function recordOf(attempt: Attempt, end: AttemptEnd, nowMs: number): CallRecord {
  const { call, argumentDigest, stream } = attempt
  const { outcome, code, rule, suppressed } = end
  const named = attempt.last !== attempt.authenticated
  const durationMs = Math.round((nowMs - attempt.startedMs) * 1000) / 1000
  // Past authorisation the names are those of the catalog and of a well-formed call.
  const command = named || isCommandName(call.command) ? call.command : '-'
  const callId = named || CALL_ID.test(call.callId) ? call.callId : '-'
  if (outcome === 'ok' && rule !== undefined && !argumentDigest && suppressed === undefined) {
    return { outcome, rule, durationMs, command, callId }
  }
  return {
    outcome,
    ...(code !== undefined && { code }),
    ...(rule !== undefined && { rule }),
    durationMs,
    command,
    callId,
    ...(argumentDigest && { argumentDigest }),
    ...(suppressed !== undefined && suppressed > 0 && { suppressed }),
    ...(stream && outcome !== 'intent' && { streamedBytes: stream.bytes }),
  }
}
