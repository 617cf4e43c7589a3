import { type PrincipalKind, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PolicyGrant, PolicyRequest } from './decision.ts'
import { describeSubject } from './subject.ts'

/** The first segment of the system's own commands; no manifest can name it. */
export const FABRIC_PREFIX = 'fabric'

interface FabricRow {
  readonly prefix: string
  readonly from: ReadonlySet<PrincipalKind>
  readonly to: ReadonlySet<PrincipalKind>
  readonly grant: PolicyGrant
}

const NODES: readonly PrincipalKind[] = ['device', 'agent', 'user', 'service']
const AUTHORITY: readonly PrincipalKind[] = ['authority']

/**
 * Who may call the commands that hold the fabric together. A constant of the program: a manifest
 * neither grants them (that would let it hand out the directory or the lock list) nor denies them
 * (that would cut devices off from the manifest that corrects it).
 */
const FABRIC_TABLE: readonly FabricRow[] = Object.freeze([
  row('push', AUTHORITY, NODES),
  row('node', NODES, AUTHORITY),
  row('peer', NODES, NODES),
])

function row(
  name: string,
  from: readonly PrincipalKind[],
  to: readonly PrincipalKind[],
): FabricRow {
  const rule = `fabric/${name}`
  return Object.freeze({
    prefix: `${FABRIC_PREFIX}.${name}.`,
    from: new Set(from),
    to: new Set(to),
    grant: Object.freeze({
      allow: true,
      rule,
      layer: 'system',
      manifestNumber: 0,
      manifestHash: '',
      rules: Object.freeze([rule]),
      limits: Object.freeze([]),
    }),
  })
}

/** Decides a request of the domain `fabric` by the table; the action is well-formed. */
export function decideFabric(request: PolicyRequest): PolicyGrant | Refusal {
  const { from, to, action } = request
  const row = FABRIC_TABLE.find(
    ({ prefix, ...kinds }) =>
      action.startsWith(prefix) && kinds.from.has(from.kind) && kinds.to.has(to.kind),
  )
  return (
    row?.grant ??
    refuse('KOS_POLICY_NOT_ALLOWED', 'fabric-table', {
      remedy:
        `${action} from ${describeSubject(from)} to ${describeSubject(to)} is no call of the ` +
        'fabric; no manifest can permit it.',
    })
  )
}
