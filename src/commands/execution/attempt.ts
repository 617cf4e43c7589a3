import type { Authenticated, CallRequest, Recordable } from '../../foundation/pipeline/index.ts'
import { isCommandName, type RecordFacts } from '../catalog/index.ts'
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
  /** What the command noted for its record, once it has ended. */
  facts: RecordFacts | undefined
}

/** How an attempt ended, as its record says it. */
export interface AttemptEnd {
  readonly outcome: CallRecord['outcome']
  readonly code?: string | undefined
  readonly rule?: string | undefined
  readonly suppressed?: number | undefined
}

const CALL_ID_LENGTH = 32
/** Longest deadline that is kept; a longer one is cut. @see docs/protocol.md: Limits */
export const MAX_DEADLINE_MS = 300_000

/** Whether a text is 16 bytes in lower-case hexadecimal. By a loop: a pattern takes five times as long. */
export function isCallId(text: string): boolean {
  if (text.length !== CALL_ID_LENGTH) return false
  for (let index = 0; index < CALL_ID_LENGTH; index += 1) {
    const code = text.charCodeAt(index)
    const isHex = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66)
    if (!isHex) return false
  }
  return true
}

/** Whether the envelope of a call has the accepted form; its arguments are the catalog's business. */
export function isWellFormed({ callId, traceId, deadlineMs }: CallRequest): boolean {
  return isCallId(callId) && traceId.length <= 64 && deadlineMs >= 1
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
  const { call, argumentDigest, stream, facts } = attempt
  const { outcome, code, rule, suppressed } = end
  const named = attempt.last !== attempt.authenticated
  const durationMs = Math.round((nowMs - attempt.startedMs) * 1000) / 1000
  // Past authorisation the names are those of the catalog and of a well-formed call.
  const command = named || isCommandName(call.command) ? call.command : '-'
  const callId = named || isCallId(call.callId) ? call.callId : '-'
  const isPlain = !argumentDigest && !facts && suppressed === undefined
  if (outcome === 'ok' && rule !== undefined && isPlain) {
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
    ...(facts && { facts }),
  }
}
