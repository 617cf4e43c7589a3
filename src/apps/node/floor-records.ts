import type { Clock, Log, Refusal } from '../../foundation/base/index.ts'
import type { AuditLog } from '../../trust/audit/index.ts'
import type { OnFloorRefused } from './floor-gate.ts'
import { recordSoon } from './recorders.ts'

/** The same refusal of the same peer is recorded once in this time: dialling again must not fill logs. */
const RECORD_INTERVAL_MS = 60_000
/** Most peers and rules that are told apart. */
const MAX_TOLD = 4096

/**
 * Records peers that came with a lower floor than they have: somebody tries an old certificate, or an
 * authority came back from an old backup. Each is an alarm.
 *
 * @param deps - clock, log and audit log
 * @param target - URI of the own principal
 */
export function floorRecorder(
  deps: { readonly clock: Clock; readonly log: Log; readonly audit: AuditLog },
  target: string,
): OnFloorRefused {
  const told = new Map<string, number>()
  return ({ principal, floor }, { code, rule }) => {
    const nowMs = deps.clock.monotonicMs()
    const key = `${rule} ${principal.uri}`
    if (nowMs - (told.get(key) ?? -Infinity) < RECORD_INTERVAL_MS) return
    if (told.size >= MAX_TOLD) told.clear()
    told.set(key, nowMs)
    deps.log.event('floor.refused', { peer: principal.uri, code, rule }, 'error')
    recordSoon(deps.audit, deps.log, {
      type: 'refusal',
      actor: principal.uri,
      target,
      action: 'floor',
      outcome: 'refused',
      code,
      rule,
      detail: { alarm: 'downgrade', offered: floor.name },
    })
  }
}

/**
 * Records handshakes in which HELLO, leaf and listener named different profiles: once a minute per rule,
 * since nobody has authenticated yet.
 *
 * @param deps - clock, log and audit log
 * @param target - URI of the own principal
 */
export function profileRecorder(
  deps: { readonly clock: Clock; readonly log: Log; readonly audit: AuditLog },
  target: string,
): (refusal: Refusal) => void {
  const told = new Map<string, number>()
  return ({ code, rule, details }) => {
    const nowMs = deps.clock.monotonicMs()
    const isDue = nowMs - (told.get(rule) ?? -Infinity) >= RECORD_INTERVAL_MS
    if (code !== 'KOS_SESSION_PROFILE' || !isDue) return
    told.set(rule, nowMs)
    recordSoon(deps.audit, deps.log, {
      type: 'refusal',
      actor: '-',
      target,
      action: 'floor',
      outcome: 'refused',
      code,
      rule,
      ...(details && { detail: { ...details } }),
    })
  }
}
