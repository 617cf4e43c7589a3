import { refuse, type Refusal, sha256 } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type Profile, profileOf, refuseDowngrade } from '../../foundation/profiles/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import { createDirectoryState, type DirectoryState, type LockList } from '../../trust/pki/index.ts'
import {
  type FloorFile,
  floorRecorder,
  nodeErrors,
  openFloorFile,
  recordSoon,
} from '../node/index.ts'
import type { AuthorityState, AuthorityStateDeps } from './authority-state.ts'
import { authorityErrors } from './errors.ts'
import type { AuthorityPublisher } from './publisher.ts'

/** Holds the registry against everything that was ever signed about floors. */
export interface FloorGuard {
  /** Principals whose floor the registry had too low at start, by name; it is right again. */
  readonly corrected: readonly string[]
  /**
   * Refuses a peer whose leaf carries a lower floor than the registry, and records it.
   *
   * @returns `undefined`, or a refusal KOS_PKI_FLOOR with the rule `floor/registry`
   */
  check(peer: PeerFacts, record: PrincipalRecord): Refusal | undefined
  /**
   * A peer proved a higher floor than the registry knows, or a later generation: the registry came back
   * from an older backup. Registry and lock list take it over, durably, before anything else is done for this peer.
   */
  proven(peer: PeerFacts, record: PrincipalRecord): void
  /** Remembers a floor outside the database. */
  note(record: Pick<PrincipalRecord, 'uri' | 'identitySpki' | 'profile'>): void
}

/**
 * Makes the guard. A registry that is behind the signed lock list, the signed directory or the memory
 * of floors beside the key store was edited or restored: it is corrected at once, and recorded as an
 * alarm. An authority never serves the lower floor.
 *
 * @throws {@link KosError} KOS_AUTHORITY_STORE with the rule `floors` when the memory was changed
 * @see identity: Eras
 */
export function createFloorGuard(
  deps: AuthorityStateDeps,
  { state, publisher }: { readonly state: AuthorityState; readonly publisher: AuthorityPublisher },
): FloorGuard {
  const memory = openMemory(deps, state)
  const record = floorRecorder({ ...deps, audit: state.audit }, state.principal.uri)
  const alarm = (principal: PrincipalRecord, rule: string, floor: Profile): void => {
    deps.log.event('floor.corrected', { peer: principal.uri, rule }, 'error')
    recordSoon(state.audit, deps.log, {
      type: 'alert',
      actor: state.principal.uri,
      target: principal.uri,
      action: 'floor.correct',
      outcome: 'ok',
      code: 'KOS_PKI_FLOOR',
      rule,
      detail: { alarm: 'downgrade', registry: principal.profile, floor: floor.name },
    })
  }
  const note: FloorGuard['note'] = ({ uri, identitySpki, profile }) =>
    memory.note([{ uri, identityKeyHash: sha256(identitySpki), floor: profileOf(profile) }])
  const signed = {
    memory,
    minimums: publisher.lockList().minimum,
    directory: directoryOf(state, publisher),
  }
  const corrected = state.registry.principals().flatMap((principal) => {
    const floor = signedFloor(signed, principal)
    const isLower = refuseDowngrade(floor, profileOf(principal.profile)) !== undefined
    if (isLower) {
      state.registry.atOnce((transaction) =>
        transaction.changePrincipal(principal.id, { profile: floor.name }),
      )
      alarm(principal, 'floor/registry-lowered', floor)
    }
    // The memory holds those alone that were raised: every other floor is the one of the token.
    if (isLower || signed.minimums[principal.uri]) note({ ...principal, profile: floor.name })
    return isLower ? [principal.name] : []
  })
  /** The CA certified a generation that the registry does not know: it came back from a backup. */
  const caughtUp = ({ generation }: PeerFacts, { id, uri }: PrincipalRecord): void => {
    state.registry.atOnce((transaction) =>
      transaction.changePrincipal(id, { generation, generationUsed: true }),
    )
    deps.log.event('generation.caught-up', { peer: uri, number: generation }, 'warn')
  }
  return {
    corrected,
    note,
    check: (peer, principal): Refusal | undefined => {
      if (!refuseDowngrade(profileOf(principal.profile), peer.floor)) return undefined
      const details = { offered: peer.floor.name, floor: principal.profile }
      const refusal = refuse('KOS_PKI_FLOOR', 'floor/registry', { details })
      record(peer, refusal)
      return refusal
    },
    proven: (peer, principal): void => {
      const { floor } = peer
      if (!refuseDowngrade(floor, profileOf(principal.profile))) {
        if (peer.generation > principal.generation) caughtUp(peer, principal)
        return
      }
      const generation = Math.max(peer.generation, principal.generation)
      publisher.raise((transaction) => {
        transaction.changePrincipal(principal.id, { profile: floor.name, generation })
        const minimum = { uri: principal.uri, generation: peer.generation, floor: floor.name }
        return { result: undefined, minimum }
      })
      note({ ...principal, profile: floor.name })
      publisher.refreshDirectory()
      alarm(principal, 'floor/registry-behind', floor)
    },
  }
}

interface Signed {
  readonly memory: FloorFile
  readonly minimums: LockList['minimum']
  readonly directory: DirectoryState
}

/** The strictest of all that was signed, and of what the registry says. */
function signedFloor(signed: Signed, { uri, identitySpki, profile }: PrincipalRecord): Profile {
  const minimum = signed.minimums[uri]
  const listed = signed.directory.byUri(uri)
  const known = [
    profileOf(profile),
    ...(minimum ? [profileOf(minimum.floor)] : []),
    ...(listed ? [profileOf(listed.profile)] : []),
    signed.memory.floorOf({ uri, identityKeyHash: sha256(identitySpki) }) ?? profileOf(profile),
  ]
  return known.reduce((strictest, one) => (one.level > strictest.level ? one : strictest))
}

function directoryOf(state: AuthorityState, publisher: AuthorityPublisher): DirectoryState {
  const directory = createDirectoryState({ trust: () => state.ca.trust })
  directory.apply(publisher.directory())
  return directory
}

function openMemory(deps: AuthorityStateDeps, state: AuthorityState): FloorFile {
  try {
    return openFloorFile(deps, state)
  } catch (cause) {
    if (!nodeErrors.has(cause)) throw cause
    throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: 'floors' }, cause)
  }
}
