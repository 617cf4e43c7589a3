import { type Clock, type Refusal } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { LockState } from '../../trust/pki/index.ts'

/** What the lock list says about a peer, asked at every accept and dial, and of open sessions. */
export interface LockGate {
  /** Refuses a locked peer, and any peer when the list is too old for the profile of an end. */
  check(peer: PeerFacts): Refusal | undefined
  /** The age alone: asked before every call, since it changes without an event. */
  checkAge(peer: PeerFacts): Refusal | undefined
}

/**
 * Makes the gate of one principal.
 *
 * @param deps - the own monotonic clock, and the lock list in force
 * @param own - the own profile
 */
export function createLockGate(
  deps: { readonly clock: Clock; readonly locks: LockState },
  own: () => Profile,
): LockGate {
  const { clock, locks } = deps
  const checkAge = ({ principal, floor }: PeerFacts): Refusal | undefined =>
    // Only a session with an authority makes an old list fresh again.
    principal.kind === 'authority' ? undefined : locks.checkAge([own(), floor], clock.monotonicMs())
  return { checkAge, check: (peer) => locks.check(peer) ?? checkAge(peer) }
}
