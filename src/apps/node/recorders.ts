import type { Log } from '../../foundation/base/index.ts'
import type { OnRefusals } from '../../network/admission/index.ts'
import type { VerdictDisagreement } from '../../network/transport/index.ts'
import type { AuditEvent, AuditLog, createCallRecorder } from '../../trust/audit/index.ts'
import type { OpenSession } from './peer-runtime.ts'

/**
 * Records what may wait. An event that comes when the log is closed already, at the very end of a
 * daemon, is told to the daemon's log instead.
 */
export function recordSoon(audit: AuditLog, log: Log, event: AuditEvent): void {
  try {
    audit.appendSoon(event)
  } catch (error) {
    log.event('audit.lost', { name: event.action, error: String(error) }, 'warn')
  }
}

/** Records the begin and end of every session, in log and audit log. */
export function sessionRecorder(
  log: Log,
  audit: AuditLog,
  target: string,
): (open: OpenSession, state: 'opened' | 'closed', reason: string) => void {
  return ({ authenticated, direction }, state, reason) => {
    const actor = authenticated.peer.principal.uri
    log.event(`session.${state}`, { peer: actor, reason, session: authenticated.sessionId })
    recordSoon(audit, log, {
      type: 'session',
      actor,
      target,
      action: `session.${state}`,
      outcome: 'ok',
      detail: { direction, ...(reason !== '' && { reason }) },
    })
  }
}

/** Refusals before authentication become one record per prefix, reason and minute. */
export function refusalRecorder(log: Log, audit: AuditLog, target: string): OnRefusals {
  return (records) => {
    for (const { prefix, reason, rule, count } of records) {
      recordSoon(audit, log, {
        type: 'refusal',
        actor: '-',
        target,
        action: 'connect',
        outcome: 'refused',
        code: reason,
        ...(rule !== undefined && { rule }),
        detail: { prefix, count },
      })
    }
  }
}

/** A certificate about which OpenSSL and the own check disagree is an alarm, and leaves a record. */
export function disagreementRecorder(
  log: Log,
  audit: AuditLog,
  target: string,
): (found: VerdictDisagreement) => void {
  return ({ source, openssl, own, purpose }) =>
    recordSoon(audit, log, {
      type: 'refusal',
      actor: '-',
      target,
      action: 'certificate',
      outcome: 'refused',
      code: 'KOS_TRANSPORT_VERDICT',
      detail: { alarm: 'verdicts-differ', source, openssl, own, purpose },
    })
}

/**
 * The log as calls are recorded in it. What only keeps the fabric together, and worked, leaves no
 * entry: every member makes several such calls per minute, by itself, and a fleet would fill its disks
 * with them. Changes, refusals and failures are recorded like those of any other command.
 *
 * @see protocol: Recording
 */
export function callLog(audit: AuditLog): Parameters<typeof createCallRecorder>[0] {
  return {
    get healthy(): boolean {
      return audit.healthy
    },
    append: (event) => audit.append(event),
    appendSoon: (event): void => {
      const isUpkeep = event.outcome === 'ok' && event.action.startsWith('fabric.')
      if (!isUpkeep) audit.appendSoon(event)
    },
  }
}
