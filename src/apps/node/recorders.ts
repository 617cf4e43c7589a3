import type { Log } from '../../foundation/base/index.ts'
import type { OnRefusals } from '../../network/admission/index.ts'
import type { AuditLog } from '../../trust/audit/index.ts'
import type { OpenSession } from './peer-runtime.ts'

/** Records the begin and end of every session, in log and audit log. */
export function sessionRecorder(
  log: Log,
  audit: AuditLog,
  target: string,
): (open: OpenSession, state: 'opened' | 'closed', reason: string) => void {
  return ({ authenticated, direction }, state, reason) => {
    const actor = authenticated.peer.principal.uri
    log.event(`session.${state}`, { peer: actor, reason, session: authenticated.sessionId })
    audit.appendSoon({
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
export function refusalRecorder(audit: AuditLog, target: string): OnRefusals {
  return (records) => {
    for (const { prefix, reason, count } of records) {
      audit.appendSoon({
        type: 'refusal',
        actor: '-',
        target,
        action: 'connect',
        outcome: 'refused',
        code: reason,
        detail: { prefix, count },
      })
    }
  }
}
