import { auditErrors } from './errors.ts'

/** What kinds of event a log holds. Types are added, never given another meaning. */
export const AUDIT_TYPES = [
  'call',
  'refusal',
  'session',
  'enrolment',
  'credential',
  'lock',
  'policy',
  'admin',
  'alert',
  'system',
] as const
/** One of {@link AUDIT_TYPES}. */
export type AuditType = (typeof AUDIT_TYPES)[number]

/** How the recorded thing ended; `intent`: it is about to begin. */
export const AUDIT_OUTCOMES = ['ok', 'allowed', 'refused', 'failed', 'intent'] as const
/** One of {@link AUDIT_OUTCOMES}. */
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

/** Further facts: flat, small, never a secret and never the arguments of a command. */
export type AuditDetail = Readonly<Record<string, string | number | boolean>>

/** One thing that happened. The log adds index and time, and salts the digest. */
export interface AuditEvent {
  readonly type: AuditType
  /** Principal URI of who acted, or `-`. */
  readonly actor: string
  /** Principal URI or name of what was acted on, or `-`. */
  readonly target: string
  /** The command, or a dotted verb such as `lock.add`. */
  readonly action: string
  readonly outcome: AuditOutcome
  /** Error or refusal code. */
  readonly code?: string
  /** The rule, limit or check that decided. */
  readonly rule?: string
  readonly callId?: string
  readonly detail?: AuditDetail
  /** SHA-256 of the canonical arguments, 32 bytes, not salted. */
  readonly argumentDigest?: Uint8Array
  readonly durationMs?: number
}

/** Upper bounds of an event's fields, in UTF-16 units where they are texts. */
export interface AuditEventLimits {
  readonly name: number
  readonly action: number
  readonly code: number
  readonly rule: number
  readonly callId: number
  readonly details: number
  readonly detailKey: number
  readonly detailText: number
}

/** The limits of every event; what exceeds one is refused when it is appended. */
export const AUDIT_EVENT_LIMITS: AuditEventLimits = Object.freeze({
  name: 512,
  action: 128,
  code: 64,
  rule: 256,
  callId: 64,
  details: 16,
  detailKey: 32,
  detailText: 512,
})

const DIGEST_BYTES = 32
const TYPES: ReadonlySet<string> = new Set(AUDIT_TYPES)
const OUTCOMES: ReadonlySet<string> = new Set(AUDIT_OUTCOMES)

/** Whether a text is a type of {@link AUDIT_TYPES}. */
export function isAuditType(text: string): text is AuditType {
  return TYPES.has(text)
}

/** Whether a text is an outcome of {@link AUDIT_OUTCOMES}. */
export function isAuditOutcome(text: string): text is AuditOutcome {
  return OUTCOMES.has(text)
}

/** Whether two events have the same fields from the type up to the rule. */
export function hasSameNames(a: AuditEvent, b: AuditEvent): boolean {
  return (
    a.actor === b.actor &&
    a.target === b.target &&
    a.action === b.action &&
    a.rule === b.rule &&
    a.type === b.type &&
    a.outcome === b.outcome &&
    a.code === b.code
  )
}

/**
 * Refuses an event that the log could not encode or that would be too large. On the hot path: no
 * allocation.
 *
 * @param known - an event that was accepted: its names are not looked at again
 * @throws {@link KosError} KOS_AUDIT_EVENT; the rule names the field
 */
export function requireEvent(event: AuditEvent, known?: AuditEvent): void {
  if (known === undefined || !hasSameNames(known, event)) requireNames(event)
  const { callId, durationMs, argumentDigest, detail } = event
  if (callId !== undefined && !isText(callId, AUDIT_EVENT_LIMITS.callId)) throw invalid('callId')
  if (durationMs !== undefined && !isDuration(durationMs)) throw invalid('durationMs')
  if (argumentDigest !== undefined && argumentDigest.length !== DIGEST_BYTES) {
    throw invalid('argumentDigest')
  }
  if (detail !== undefined) requireDetail(detail)
}

function requireNames(event: AuditEvent): void {
  const limits = AUDIT_EVENT_LIMITS
  if (!TYPES.has(event.type)) throw invalid('type')
  if (!OUTCOMES.has(event.outcome)) throw invalid('outcome')
  if (!isText(event.actor, limits.name)) throw invalid('actor')
  if (!isText(event.target, limits.name)) throw invalid('target')
  if (!isText(event.action, limits.action)) throw invalid('action')
  if (event.code !== undefined && !isText(event.code, limits.code)) throw invalid('code')
  if (event.rule !== undefined && !isText(event.rule, limits.rule)) throw invalid('rule')
}

function requireDetail(detail: AuditDetail): void {
  const keys = Object.keys(detail)
  if (keys.length > AUDIT_EVENT_LIMITS.details) throw invalid('detail: too many')
  for (const key of keys) {
    if (!isText(key, AUDIT_EVENT_LIMITS.detailKey)) throw invalid('detail: key')
    const value = detail[key]
    const isValid =
      typeof value === 'boolean' ||
      (typeof value === 'number' && Number.isFinite(value)) ||
      (typeof value === 'string' && isWellFormedWithin(value, AUDIT_EVENT_LIMITS.detailText))
    if (!isValid) throw invalid(`detail: ${key}`)
  }
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length > 0 && isWellFormedWithin(value, maxLength)
}

function isWellFormedWithin(text: string, maxLength: number): boolean {
  return text.length <= maxLength && text.isWellFormed()
}

function isDuration(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && value < Number.MAX_SAFE_INTEGER / 1000
}

function invalid(rule: string): Error {
  return auditErrors.error('KOS_AUDIT_EVENT', { rule })
}
