import type { AuditEntry, AuditEvent, AuditLog } from '../../trust/audit/index.ts'

const PAGE = 1024
/** Code of the record that an interrupted call gets. */
const INTERRUPTED = 'KOS_EXECUTION_INTERRUPTED'
/** No call runs nearly as long: an older intent has its outcome. */
const LONGEST_MS = 60 * 60_000
/** So many entries are looked at whatever their times say: a clock may have been set. */
const LEAST_ENTRIES = 65_536

/**
 * Completes the record of a daemon that was killed: every call, join or change of an operator whose
 * intent is durable and whose outcome is not gets one that says so. It may have taken effect or not.
 *
 * Called before the start is recorded, and that before anything is served: only what stands behind the
 * start before is looked at, so what was completed once is not looked at again. What members forwarded
 * is theirs to complete.
 *
 * @param audit - the daemon's own log, to which nothing else is appended meanwhile
 * @param start - action of the daemon's own record of its start, `node.start`
 * @returns how many were interrupted
 * @throws {@link KosError} KOS_AUDIT_UNAVAILABLE
 */
export async function recordInterrupted(audit: AuditLog, start: string): Promise<number> {
  const interrupted = await findInterrupted(audit, start)
  await Promise.all(interrupted.map((intent) => audit.append(outcomeOf(intent))))
  return interrupted.length
}

async function findInterrupted(audit: AuditLog, start: string): Promise<readonly AuditEvent[]> {
  const { size } = audit
  /** Outcomes that no intent was found for yet, by what began. */
  const ended = new Map<string, number>()
  const interrupted: AuditEvent[] = []
  let newestMs: number | undefined
  for (let end = size; end > 0; end -= PAGE) {
    const from = Math.max(0, end - PAGE)
    const page = await audit.entries(from, end - from)
    for (const { event, forwarded, timeMs } of page.toReversed()) {
      newestMs ??= timeMs
      if (forwarded) continue
      if (event.type === 'system' && event.action === start) return interrupted.toReversed()
      const isIntent = event.outcome === 'intent'
      if (!isIntent && !isEnd(event)) continue
      const key = keyOf(event)
      const ends = ended.get(key) ?? 0
      if (isIntent && ends === 0) interrupted.push(event)
      else ended.set(key, ends + (isIntent ? -1 : 1))
    }
    if (size - from >= LEAST_ENTRIES && isOld(page, newestMs ?? 0)) break
  }
  return interrupted.toReversed()
}

function isOld([first]: readonly AuditEntry[], newestMs: number): boolean {
  return first !== undefined && newestMs - first.timeMs > LONGEST_MS
}

/** What an intent and its outcome share: without a call id the names, and of a join its token. */
function keyOf({ type, actor, target, action, callId, detail }: AuditEvent): string {
  if (callId !== undefined) return `${actor} ${callId}`
  return `${type} ${actor} ${action} ${detail?.['token'] ?? target}`
}

/** Of the records that bear one call id, those with a digest are of the call that ran. */
function isEnd({ type, code, callId, argumentDigest }: AuditEvent): boolean {
  if (callId === undefined) return type === 'admin' || type === 'enrolment'
  return argumentDigest !== undefined || code === INTERRUPTED
}

function outcomeOf({ type, actor, target, action, callId, detail }: AuditEvent): AuditEvent {
  return {
    type,
    actor,
    target,
    action,
    outcome: 'failed',
    code: INTERRUPTED,
    rule: 'execution/interrupted',
    ...(callId !== undefined && { callId }),
    ...(detail && { detail }),
  }
}
