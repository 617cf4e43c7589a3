import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { ceilingRefusal } from './ceiling.ts'
import { obligationBits } from './compile.ts'
import type { PolicyRequest } from './decision.ts'
import { FABRIC_PREFIX } from './fabric.ts'
import { parseAction } from './pattern.ts'
import { owns } from './subject.ts'

/** A request that manifests or the system table can decide, prepared once for all layers. */
export interface Question {
  readonly request: PolicyRequest
  /** Segments of the action. */
  readonly action: readonly string[]
  /** Segments of the permission, where it is not the action itself. */
  readonly permission: readonly string[] | undefined
  /** Whether the caller owns the target. */
  readonly owner: boolean
  readonly changes: boolean
  /** Bits of the obligations that are fulfilled. */
  readonly obligations: number
}

/**
 * Prepares a request: well-formed names, then the profile ceiling.
 *
 * @returns the question, or a refusal that no manifest has a say in
 */
export function questionOf(request: PolicyRequest): Question | Refusal {
  const { domain, from, to, catalogEntry, fulfilled } = request
  const same = catalogEntry.permission === request.action
  const action = parseAction(request.action)
  const permission = same ? action : parseAction(catalogEntry.permission)
  // A malformed action has no pattern that could deny it, so it is refused as it stands.
  if (action === undefined || permission === undefined) {
    return refuse('KOS_POLICY_REQUEST', 'malformed-action')
  }
  if (domain !== 'fabric' && (action[0] === FABRIC_PREFIX || permission[0] === FABRIC_PREFIX)) {
    return refuse('KOS_POLICY_REQUEST', 'reserved-action')
  }
  return (
    ceilingRefusal(request) ?? {
      request,
      action,
      permission: same ? undefined : permission,
      owner: owns(from, to),
      changes: catalogEntry.effects !== 'read',
      obligations: fulfilled === undefined ? 0 : obligationBits(fulfilled),
    }
  )
}
