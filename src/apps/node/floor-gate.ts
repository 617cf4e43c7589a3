import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type Profile, profileOf, PROFILES } from '../../foundation/profiles/index.ts'
import type { FloorSighting } from '../../trust/pki/index.ts'
import type { FabricState } from './fabric-state.ts'
import type { FloorFile } from './floor-file.ts'

/** Told of a peer that came with a lower floor than it has. */
export type OnFloorRefused = (peer: PeerFacts, refusal: Refusal) => void

/** What is known of floors, asked at every accept and dial, and of open sessions. */
export interface FloorGate {
  /**
   * Refuses a peer whose leaf carries a lower floor than the directory or the own memory knows.
   *
   * @returns `undefined`, or a refusal KOS_PKI_FLOOR with the rule `floor/no-certificate`,
   *   `floor/directory`, `floor/remembered` or `floor/identity-key`
   */
  check(peer: PeerFacts): Refusal | undefined
  /** Remembers the floor of a verified leaf that nothing stands against; durable on return. */
  seen(peer: PeerFacts): void
  /** Remembers the floors of the directory and the lock list in force; durable on return. */
  learn(): void
}

/** The weakest profile that has certificates: a leaf cannot carry less, so it need not be remembered. */
const WEAKEST: number = Math.min(
  ...Object.values(PROFILES)
    .filter(({ certificateLifeMs }) => certificateLifeMs !== undefined)
    .map(({ level }) => level),
)

/**
 * Makes the gate of one principal.
 *
 * @param deps - the durable memory, the signed objects in force, and who records refusals
 * @see identity: Lock list
 */
export function createFloorGate(deps: {
  readonly memory: FloorFile
  readonly fabric: FabricState
  /** The own principal: what it had itself is in its own membership, not in what others say. */
  readonly own: () => string
  readonly onRefused: OnFloorRefused
}): FloorGate {
  const { memory, fabric, own, onRefused } = deps
  const lower = (peer: PeerFacts): Refusal | undefined => {
    const { floor, principal } = peer
    if (floor.certificateLifeMs === undefined) return refused('floor/no-certificate', floor)
    const listed = fabric.directory.byUri(principal.uri)
    // A higher one is a directory that is older than the leaf.
    if (listed && profileOf(listed.profile).level > floor.level) {
      return refused('floor/directory', floor)
    }
    return memory.check(peer)
  }
  return {
    check: (peer): Refusal | undefined => {
      const refusal = lower(peer)
      if (refusal) onRefused(peer, refusal)
      return refusal
    },
    seen: ({ principal, identityKeyHash, floor }): void => {
      if (floor.level > WEAKEST) memory.note([{ uri: principal.uri, identityKeyHash, floor }])
    },
    learn: (): void => {
      const self = own()
      memory.note(sightings(fabric).filter(({ uri }) => uri !== self))
    },
  }
}

function sightings({ directory, locks }: FabricState): readonly FloorSighting[] {
  const listed = (directory.current?.value.entries ?? []).map(
    ({ uri, identityKeyHash, profile }) => ({ uri, identityKeyHash, floor: profileOf(profile) }),
  )
  const locked = Object.entries(locks.current?.value.minimum ?? {}).map(([uri, minimum]) => ({
    uri,
    floor: profileOf(minimum.floor),
  }))
  return [...listed, ...locked].filter(({ floor }) => floor.level > WEAKEST)
}

function refused(rule: string, offered: Profile): Refusal {
  return refuse('KOS_PKI_FLOOR', rule, { details: { offered: offered.name } })
}
