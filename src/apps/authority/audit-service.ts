import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  type AuditEntry,
  type AuditLog,
  type CheckpointVerifier,
  createCheckpointVerifier,
  type ForwardBatch,
} from '../../trust/audit/index.ts'
import type { AuditEntryView, AuditPage, AuditReport } from './api-schema.ts'

/** A page of the log for the API; a negative `from` counts from the end. */
export async function readAuditPage(
  audit: AuditLog,
  from: number,
  limit: number,
): Promise<AuditPage> {
  const { size } = audit
  const first = from < 0 ? Math.max(0, size + from) : Math.min(from, size)
  const entries = await audit.entries(first, limit)
  return { size, entries: entries.map(entryView) }
}

function entryView(entry: AuditEntry): AuditEntryView {
  const { event, forwarded } = entry
  const { type, actor, target, action, outcome, code, rule, callId, durationMs, detail } = event
  return {
    index: entry.index,
    timeMs: forwarded?.timeMs ?? entry.timeMs,
    type,
    actor,
    target,
    action,
    outcome,
    code,
    rule,
    callId,
    durationMs,
    ...(detail && { detail: { ...detail } }),
    source: forwarded?.source,
  }
}

/** Verifies the whole log and proves its continuity from a size that the caller has seen. */
export async function verifyAudit(audit: AuditLog, fromSize: number): Promise<AuditReport> {
  const result = await audit.verify()
  const checkpoint = await audit.checkpoint()
  const isProvable = result.ok && fromSize > 0 && fromSize <= checkpoint.size
  const proof = isProvable ? await audit.proveConsistency(fromSize, checkpoint.size) : []
  const { ok, entries, checkpoints, unsealed, firstBad } = result
  return {
    ok,
    entries,
    checkpoints,
    unsealed,
    ...(firstBad && { firstBad: { index: firstBad.index, reason: firstBad.reason } }),
    checkpoint: checkpoint.note,
    consistency: proof.map((hash) => Buffer.from(hash).toString('base64')),
  }
}

/** Name of a principal's log. */
export function auditOrigin(trustDomain: string, kind: string, id: string): string {
  return `${trustDomain}/${kind}/${id}`
}

/**
 * Takes in what a member forwards; its checkpoints are verified with the log keys it joined with. A gap
 * is recorded and answered with where to go on: a member that still has the entries sends them.
 */
export async function ingestForwarded(
  audit: AuditLog,
  from: { readonly record: PrincipalRecord; readonly trustDomain: string },
  batch: ForwardBatch,
): Promise<{ readonly nextIndex: number } | Refusal> {
  const { record, trustDomain } = from
  const source = auditOrigin(trustDomain, record.kind, record.id)
  const verifier = verifierOf(source, record)
  const result = await audit.ingest({ source, ...(verifier && { verifier }) }, batch)
  if (!isRefusal(result)) return { nextIndex: result.nextIndex }
  const nextIndex = result.code === 'KOS_AUDIT_GAP' ? result.details?.['nextIndex'] : undefined
  return typeof nextIndex === 'number' ? { nextIndex } : result
}

function verifierOf(origin: string, record: PrincipalRecord): CheckpointVerifier | undefined {
  const [ed25519, mlDsa44] = record.logSpkis
  return ed25519 && mlDsa44 ? createCheckpointVerifier(origin, { ed25519, mlDsa44 }) : undefined
}
