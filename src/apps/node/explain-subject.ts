import { type Principal, PRINCIPAL_KINDS, principalOf } from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { DirectoryEntry } from '../../trust/pki/index.ts'
import { type SubjectFacts, subjectFacts } from '../../trust/policy/index.ts'
import type { Member } from './member.ts'
import { directoryFacts } from './policy-facts.ts'

/** Who knows the directory. */
type SubjectSource = Pick<Member, 'fabric' | 'membership'>

/** A principal of a question to policy. */
export interface ExplainedSubject {
  readonly facts: SubjectFacts
  /** What is not so but was assumed. */
  readonly note?: string
}

/**
 * Finds the principal that a question to policy names.
 *
 * @param member - whose directory counts
 * @param text - a name or id of the directory, a principal URI, `kind/id`, or `role/id`: a user who
 * has this role and no other, whether the directory lists one or not
 * @returns `undefined`: there is nobody of that name
 */
export function explainedSubject(
  member: SubjectSource,
  text: string,
): ExplainedSubject | undefined {
  const entry = entryOf(member, text)
  if (entry) return { facts: factsOf(entry) }
  const [role = '', id = '', ...more] = text.split('/')
  const isRole = id !== '' && more.length === 0 && !PRINCIPAL_KINDS.some((kind) => kind === role)
  const { trustDomain } = member.fabric.bundle
  const user = isRole ? principalOf(trustDomain, 'user', id) : undefined
  return user && userWithRole(member, user, role)
}

function entryOf(member: SubjectSource, text: string): DirectoryEntry | undefined {
  const { directory, bundle } = member.fabric
  const uri = text.startsWith('spiffe://') ? text : `spiffe://${bundle.trustDomain}/${text}`
  return directory.byName(text) ?? directory.byId(text) ?? directory.byUri(uri)
}

function factsOf(entry: DirectoryEntry, changes: Partial<DirectoryEntry> = {}): SubjectFacts {
  const changed = { ...entry, ...changes }
  return subjectFacts(
    { uri: entry.uri, kind: entry.kind, id: entry.id },
    profileOf(changed.profile),
    directoryFacts(changed),
  )
}

function userWithRole(member: SubjectSource, user: Principal, role: string): ExplainedSubject {
  const entry = member.fabric.directory.byUri(user.uri)
  const { profile } = member.membership
  if (!entry) {
    return {
      facts: subjectFacts(user, profileOf(profile), { roles: [role] }),
      note: `The directory lists no user ${user.id}: taken as one of profile ${profile} with the role ${role}.`,
    }
  }
  const facts = factsOf(entry, { roles: [role] })
  if (entry.roles.length === 1 && entry.roles[0] === role) return { facts }
  const held = entry.roles.length > 0 ? `the roles ${entry.roles.join(', ')}` : 'no role'
  return {
    facts,
    note: `The directory gives user ${user.id} ${held}: taken as one with the role ${role} alone.`,
  }
}
