import type { Principal } from '../../foundation/base/index.ts'
import type { Authenticated } from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { DirectoryEntry, DirectoryState } from '../../trust/pki/index.ts'
import { type DirectoryFacts, type SubjectFacts, subjectFacts } from '../../trust/policy/index.ts'

/** Most peers whose facts are kept between two directories. */
const MAX_KEPT = 10_000

/** What policy knows of this end and of its peers. */
export interface PolicyFacts {
  self(): SubjectFacts
  peer(authenticated: Authenticated): SubjectFacts
}

/**
 * Joins what a certificate proves with what the signed directory says. Facts are kept until the
 * directory changes, so that decisions on them can be remembered.
 *
 * @param directory - the directory in force
 * @param self - the own name and profile
 */
export function createPolicyFacts(
  directory: DirectoryState,
  self: () => { readonly principal: Principal; readonly floor: Profile },
): PolicyFacts {
  let seen = directory.current
  const kept = new Map<string, SubjectFacts>()
  const factsOf = (principal: Principal, floor: Profile): SubjectFacts => {
    if (seen !== directory.current || kept.size > MAX_KEPT) {
      kept.clear()
      seen = directory.current
    }
    const known = kept.get(principal.uri)
    if (known?.floor === floor) return known
    const facts = subjectFacts(principal, floor, directoryFacts(directory.byUri(principal.uri)))
    kept.set(principal.uri, facts)
    return facts
  }
  return {
    self: () => {
      const { principal, floor } = self()
      return factsOf(principal, floor)
    },
    peer: ({ peer }) => factsOf(peer.principal, peer.floor),
  }
}

/** What the directory adds to a proven principal; nothing when it does not list it. */
export function directoryFacts(entry: DirectoryEntry | undefined): DirectoryFacts {
  if (!entry) return {}
  const { name, roles, groups, labels, owner } = entry
  return { name, roles, groups, labels, ...(owner !== undefined && { owner }) }
}
