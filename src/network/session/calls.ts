import type { KosErrorCode } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'

/** A "no" as it stands in a RESULT, or as this end decided it. */
export interface CallFailure {
  readonly status: 'refused' | 'failed'
  readonly code: string
  /** The rule, limit or check that decided. */
  readonly rule?: string
  /** What would allow it, in one sentence. */
  readonly remedy?: string
  /** After how many milliseconds a retry can succeed; absent: never. */
  readonly retryAfterMs?: number
}

/** What a handler answers: the value, or a "no". Structurally the outcome of commands/execution. */
export type SessionCallOutcome = { readonly status: 'ok'; readonly value: CborInput } | CallFailure

/**
 * How an own call ended. `origin` tells a "no" of the peer from one of this end (deadline, closed
 * connection, limits): a peer cannot forge the latter.
 */
export type CallResult =
  | {
      readonly status: 'ok'
      /** Plain data: maps are objects without prototype. */
      readonly value: unknown
      readonly origin: 'peer'
    }
  | (CallFailure & { readonly origin: 'local' | 'peer' })

/** Takes the bytes of a streamed result; a returned promise holds the sender back until it settles. */
export type DataSink = (bytes: Uint8Array) => void | Promise<void>

/** Ends a call on this side without the peer. */
export function localFailure(
  code: KosErrorCode,
  rule: string,
  retryAfterMs?: number,
): CallResult & CallFailure {
  return retryAfterMs === undefined
    ? { status: 'failed', code, rule, origin: 'local' }
    : { status: 'failed', code, rule, retryAfterMs, origin: 'local' }
}

/** A refusal of this room as an outcome for the peer. */
export function refusedOutcome(
  code: KosErrorCode,
  rule: string,
  retryAfterMs?: number,
): CallFailure {
  return retryAfterMs === undefined
    ? { status: 'refused', code, rule }
    : { status: 'refused', code, rule, retryAfterMs: Math.ceil(retryAfterMs) }
}
