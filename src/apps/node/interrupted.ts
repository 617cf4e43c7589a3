import type { AuditEntry, AuditEvent, AuditLog } from '../../trust/audit/index.ts'

const PAGE = 1024
/** Code of the record that an interrupted call gets. */
const INTERRUPTED = 'KOS_EXECUTION_INTERRUPTED'

/**
 * Completes the record of a daemon that was killed: every call whose intent is durable and whose
 * outcome is not gets one that says so. It may have taken effect or not.
 *
 * Called before the start is recorded: only what stands behind the start before is looked at, so what
 * was completed once is not looked at again.
 *
 * @param audit - the node's own log, to which nothing else is appended meanwhile
 * @returns how many calls were interrupted
 * @throws {@link KosError} KOS_AUDIT_UNAVAILABLE
 */
export async function recordInterrupted(audit: AuditLog): Promise<number> {
  const interrupted = await findInterrupted(audit)
  await Promise.all(interrupted.map((intent) => audit.append(outcomeOf(intent))))
  return interrupted.length
}

async function findInterrupted(audit: AuditLog): Promise<readonly AuditEvent[]> {
  const ended = new Set<string>()
  const interrupted: AuditEvent[] = []
  for (let end = audit.size; end > 0; end -= PAGE) {
    const from = Math.max(0, end - PAGE)
    const page = await audit.entries(from, end - from)
    for (const entry of page.toReversed()) {
      if (isStart(entry)) return interrupted.toReversed()
      const { event } = entry
      const call = `${event.actor} ${event.callId ?? ''}`
      if (isEnd(event)) ended.add(call)
      else if (event.outcome === 'intent' && event.callId !== undefined && !ended.has(call)) {
        interrupted.push(event)
      }
    }
  }
  return interrupted.toReversed()
}

function isStart({ event }: AuditEntry): boolean {
  return event.type === 'system' && event.action === 'node.start'
}

/** Of the records that bear one call id, those with a digest are of the call that ran. */
function isEnd({ outcome, code, argumentDigest }: AuditEvent): boolean {
  return outcome !== 'intent' && (argumentDigest !== undefined || code === INTERRUPTED)
}

function outcomeOf({ actor, target, action, callId }: AuditEvent): AuditEvent {
  return {
    type: 'call',
    actor,
    target,
    action,
    outcome: 'failed',
    code: INTERRUPTED,
    rule: 'execution/interrupted',
    ...(callId !== undefined && { callId }),
  }
}
