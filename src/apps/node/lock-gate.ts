import { type Clock, type Refusal } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { LockState } from '../../trust/pki/index.ts'

/** What the lock list says about a peer, asked at every accept and dial, and of open sessions. */
export interface LockGate {
  /**
   * Refuses a locked peer, and any peer when the list is too old for the profile of an end. An
   * authority and a standby signer are reached all the same: they can make it young again.
   */
  check(peer: PeerFacts): Refusal | undefined
  /**
   * The age alone: asked before every call, since it changes without an event. Calls of a standby
   * signer are calls of a member: they wait until the list is young.
   */
  checkAge(peer: PeerFacts): Refusal | undefined
}

/**
 * Makes the gate of one principal.
 *
 * @param deps - the own monotonic clock, the lock list in force, and who is a standby signer; absent:
 *   nobody
 * @param own - the own profile
 */
export function createLockGate(
  deps: {
    readonly clock: Clock
    readonly locks: LockState
    readonly isStandby?: (uri: string) => boolean
  },
  own: () => Profile,
): LockGate {
  const { clock, locks, isStandby = (): boolean => false } = deps
  const checkAge = ({ principal, floor }: PeerFacts): Refusal | undefined =>
    // Only a session with an authority makes an old list fresh again.
    principal.kind === 'authority' ? undefined : locks.checkAge([own(), floor], clock.monotonicMs())
  return {
    checkAge,
    check: (peer) =>
      locks.check(peer) ?? (isStandby(peer.principal.uri) ? undefined : checkAge(peer)),
  }
}
