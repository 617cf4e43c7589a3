import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PermissionCeiling, Profile } from '../../foundation/profiles/index.ts'
import type { Domain, PolicyRequest } from './decision.ts'
import { describeSubject, type SubjectFacts } from './subject.ts'

type Extent = 'none' | 'read' | 'change'
type Extents = Readonly<Record<Exclude<Domain, 'net' | 'update'>, Extent>>

/** How far an execution ceiling reaches. `net` and `update` follow other fields of the profile. */
const EXECUTION: ReadonlyMap<PermissionCeiling['execution'], Extents> = new Map([
  ['none', extents('none', 'none', 'none')],
  // A sensor runs sandboxed commands under its quota, but nobody writes its files through it.
  ['minimal', extents('change', 'read', 'none')],
  ['limited', extents('change', 'change', 'read')],
  ['full', extents('change', 'change', 'change')],
])

function extents(commands: Extent, file: Extent, memory: Extent): Extents {
  return Object.freeze({
    fabric: commands,
    rpc: commands,
    bus: commands,
    exec: commands,
    file,
    memory,
  })
}

/**
 * The profile ceiling: decided before any manifest and by none. Rights between two principals are
 * those that the profiles of both permit.
 *
 * @returns `undefined` when both profiles permit it, else a refusal KOS_POLICY_CEILING
 * @see device-security-profiles.md section 1, "Permissions Scope"
 */
export function ceilingRefusal(request: PolicyRequest): Refusal | undefined {
  return exceeded(request, request.from) ?? exceeded(request, request.to)
}

function exceeded(request: PolicyRequest, subject: SubjectFacts): Refusal | undefined {
  const { domain, catalogEntry } = request
  const extent = extentOf(subject.floor, domain)
  if (extent === 'change' || (extent === 'read' && catalogEntry.effects === 'read')) {
    return undefined
  }
  const what = extent === 'read' ? `changes in the domain ${domain}` : `the domain ${domain}`
  return refuse('KOS_POLICY_CEILING', 'profile-ceiling', {
    remedy:
      `The profile ${subject.floor.name} of ${describeSubject(subject)} does not permit ${what}; ` +
      'no manifest can grant more than a profile.',
    details: { profile: subject.floor.name, domain },
  })
}

function extentOf({ ceiling, updates }: Profile, domain: Domain): Extent {
  if (!ceiling.session) return 'none'
  // Traffic inside a verified cluster is not of this domain: it goes to principals, by `rpc` or `bus`.
  if (domain === 'net') return ceiling.externalTraffic === 'proxy-allow-list' ? 'change' : 'none'
  if (domain === 'update') return updates.mode === 'none' ? 'none' : 'change'
  return EXECUTION.get(ceiling.execution)?.[domain] ?? 'none'
}
