import type { Principal, PrincipalKind } from '../../foundation/base/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import { policyErrors } from './errors.ts'

/**
 * What policy knows of one principal: proven by its certificate (uri, kind, id, floor) or said by
 * the signed directory (everything else).
 */
export interface SubjectFacts {
  readonly uri: string
  readonly kind: PrincipalKind
  readonly id: string
  /** The name a person uses; for explanations only, never for a decision. */
  readonly name?: string | undefined
  readonly roles: readonly string[]
  readonly groups: readonly string[]
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** URI of the owning user. */
  readonly owner?: string | undefined
  /** The profile that the leaf proves. */
  readonly floor: Profile
}

/** What the directory adds to a proven principal. */
export type DirectoryFacts = Pick<SubjectFacts, 'name' | 'labels' | 'owner'> &
  Partial<Pick<SubjectFacts, 'roles' | 'groups'>>

/** Most roles, groups and labels (each) of one principal. */
export const MAX_SUBJECT_FACTS = 256

/**
 * Copies facts into a deeply frozen object. Decisions are remembered for frozen facts only, so keep
 * the returned object as long as the facts hold, and make a new one when the directory changes.
 *
 * @param principal - the proven name
 * @param floor - the proven profile
 * @param directory - roles, groups, labels, owner and name from the signed directory
 * @throws {@link KosError} KOS_POLICY_FACTS above {@link MAX_SUBJECT_FACTS}
 */
export function subjectFacts(
  principal: Pick<Principal, 'uri' | 'kind' | 'id'>,
  floor: Profile,
  directory: DirectoryFacts = {},
): SubjectFacts {
  const { name, roles = [], groups = [], labels = {}, owner } = directory
  const labelEntries = Object.entries(labels)
  if (Math.max(roles.length, groups.length, labelEntries.length) > MAX_SUBJECT_FACTS) {
    throw policyErrors.error('KOS_POLICY_FACTS', { limit: MAX_SUBJECT_FACTS })
  }
  return Object.freeze({
    uri: principal.uri,
    kind: principal.kind,
    id: principal.id,
    name,
    roles: Object.freeze([...roles]),
    groups: Object.freeze([...groups]),
    labels: Object.freeze(Object.fromEntries(labelEntries)),
    owner,
    floor,
  })
}

/**
 * Whether facts can be remembered by object identity: only what nobody can change any more. Facts
 * that can change are compiled anew for every decision, so a change is never missed.
 */
export function isFrozenSubject(facts: SubjectFacts): boolean {
  return (
    Object.isFrozen(facts) &&
    Object.isFrozen(facts.roles) &&
    Object.isFrozen(facts.groups) &&
    (facts.labels === undefined || Object.isFrozen(facts.labels))
  )
}

/** Whether the caller owns the target. */
export function owns(from: SubjectFacts, to: SubjectFacts): boolean {
  return to.owner !== undefined && to.owner === from.uri
}

/** A principal as people name it: its directory name, else `kind/id`. */
export function describeSubject(facts: SubjectFacts): string {
  return facts.name ?? `${facts.kind}/${facts.id}`
}
