import {
  Authenticated,
  Authorised,
  Executed,
  type Filtered,
  mintRecorded,
  type Recordable,
  type Recorded,
  Validated,
} from '../../foundation/pipeline/index.ts'
import type { AuditLog } from './audit-log.ts'
import {
  AUDIT_EVENT_LIMITS,
  type AuditDetail,
  type AuditEvent,
  type AuditOutcome,
} from './event.ts'

/** How one call ended, as the executor reports it. */
export interface CallRecord {
  readonly outcome: 'ok' | 'refused' | 'failed' | 'intent'
  readonly code?: string
  readonly rule?: string
  readonly durationMs: number
  readonly command: string
  readonly callId: string
  /** SHA-256 of the canonical arguments; the log salts it. */
  readonly argumentDigest?: Uint8Array
  /** Further refusals of the same kind that got no record of their own. */
  readonly suppressed?: number
  /** Bytes that the caller took before the result; present when the call was streamed. */
  readonly streamedBytes?: number
  /** What the command noted; cut to the limits of an event. */
  readonly facts?: AuditDetail
}

/** Records calls; the port of the executor has this shape. */
export interface CallRecorder {
  readonly healthy: boolean
  /** Resolves when it is durable that the call is about to run. */
  intent(last: Recordable, record: CallRecord): Promise<void>
  /** Resolves when it is durable how the call ended. */
  outcome(last: Recordable, record: CallRecord): Promise<Recorded>
  /** Durable within the log's `flushMs`. */
  soon(last: Recordable, record: CallRecord): Recorded
}

/**
 * Makes the recorder of calls to one principal.
 *
 * @param log - its audit log
 * @param options - `target`: URI of the principal that is called
 * @returns the recorder; it mints {@link Recorded}
 */
export function createCallRecorder(
  log: Pick<AuditLog, 'append' | 'appendSoon' | 'healthy'>,
  options: { readonly target: string },
): CallRecorder {
  const { target } = options
  return Object.freeze({
    get healthy(): boolean {
      return log.healthy
    },
    intent: async (last: Recordable, record: CallRecord): Promise<void> => {
      await log.append(eventOf(last, record, { target, outcome: 'intent' }))
    },
    outcome: async (last: Recordable, record: CallRecord): Promise<Recorded> => {
      await log.append(eventOf(last, record, { target, outcome: record.outcome }))
      return mintRecorded(last)
    },
    soon: (last: Recordable, record: CallRecord): Recorded => {
      log.appendSoon(eventOf(last, record, { target, outcome: record.outcome }))
      return mintRecorded(last)
    },
  })
}

/** Texts that a peer chose are cut to the limits of an event: a record is never lost for its length. */
function eventOf(
  last: Recordable,
  record: CallRecord,
  facts: { readonly target: string; readonly outcome: AuditOutcome },
): AuditEvent {
  const limits = AUDIT_EVENT_LIMITS
  const { code, argumentDigest, durationMs } = record
  const rule = record.rule ?? grantedRule(last)
  if (facts.outcome === 'ok' && rule !== undefined && isPlain(record)) {
    return okEvent(last, record, { target: facts.target, rule })
  }
  return {
    type: record.outcome === 'refused' ? 'refusal' : 'call',
    actor: authenticatedOf(last).peer.principal.uri,
    target: facts.target,
    action: clip(record.command, limits.action),
    outcome: facts.outcome,
    ...(code !== undefined && { code }),
    ...(rule !== undefined && { rule: clip(rule, limits.rule) }),
    callId: clip(record.callId, limits.callId),
    ...(argumentDigest !== undefined && { argumentDigest }),
    durationMs: Math.max(0, durationMs),
    ...detailOf(record),
  }
}

function detailOf({ suppressed, streamedBytes, facts }: CallRecord): Pick<AuditEvent, 'detail'> {
  if (suppressed !== undefined) return { detail: { suppressed } }
  if (!facts) return streamedBytes === undefined ? {} : { detail: { streamedBytes } }
  const { details, detailKey, detailText } = AUDIT_EVENT_LIMITS
  const counted = streamedBytes === undefined ? facts : { streamedBytes, ...facts }
  const kept = Object.entries(counted).slice(0, details)
  const cut = kept.map(([name, value]) => [
    clip(name, detailKey),
    typeof value === 'string' ? clip(value, detailText) : value,
  ])
  return { detail: Object.fromEntries(cut) as AuditDetail }
}

/** Whether a record has nothing but what every record of a success has. */
function isPlain(record: CallRecord): boolean {
  return (
    record.code === undefined &&
    record.argumentDigest === undefined &&
    record.suppressed === undefined &&
    record.streamedBytes === undefined &&
    record.facts === undefined
  )
}

/** The usual event, in one shape: optional fields are costly to spread. */
function okEvent(
  last: Recordable,
  { command, callId, durationMs }: CallRecord,
  { target, rule }: { readonly target: string; readonly rule: string },
): AuditEvent {
  return {
    type: 'call',
    actor: authenticatedOf(last).peer.principal.uri,
    target,
    action: clip(command, AUDIT_EVENT_LIMITS.action),
    outcome: 'ok',
    rule: clip(rule, AUDIT_EVENT_LIMITS.rule),
    callId: clip(callId, AUDIT_EVENT_LIMITS.callId),
    durationMs: Math.max(0, durationMs),
  }
}

function clip(text: string, maxLength: number): string {
  if (text.length === 0) return '-'
  return (text.length <= maxLength ? text : text.slice(0, maxLength)).toWellFormed()
}

function authenticatedOf(last: Recordable): Authenticated {
  return last instanceof Authenticated ? last : authorisedOf(last).authenticated
}

function authorisedOf(last: Authorised | Validated | Executed | Filtered): Authorised {
  return last instanceof Authorised ? last : validatedOf(last).authorised
}

function validatedOf(last: Validated | Executed | Filtered): Validated {
  if (last instanceof Validated) return last
  return last instanceof Executed ? last.validated : last.executed.validated
}

/** The rule that allowed the call; the one on argument values, once it has decided. */
function grantedRule(last: Recordable): string | undefined {
  if (last instanceof Authenticated) return undefined
  return (last instanceof Authorised ? last : validatedOf(last)).grant.rule
}
