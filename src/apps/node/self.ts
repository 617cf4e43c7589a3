import { profileOf } from '../../foundation/profiles/index.ts'
import type { Member } from './member.ts'
import type { PeerSelf } from './peer-runtime.ts'
import { refuseUnpinned } from './pins.ts'

/** A member as its peers see it. */
export function memberSelf(member: Member): PeerSelf {
  const { fabric, locks, floors } = member
  return {
    profile: profileOf(member.membership.profile),
    certificateIdentity: () => member.certificateIdentity(),
    diallerIdentity: () => member.diallerIdentity(),
    authenticator: () => member.authenticator(),
    verifyPeer: member.verifyPeer,
    pin: (peer) => refuseUnpinned(fabric.directory, peer),
    // The one peer of a device with a pre-shared key is its authority, which has no leaf to it.
    recheck: (peer) =>
      locks.check(peer) ?? (member.membership.psk ? undefined : floors.check(peer)),
    refuseCall: (peer) => locks.checkAge(peer),
    helloState: () => ({
      directory: fabric.directory.current?.object,
      manifest: fabric.manifest,
      updateCounter: 0,
    }),
  }
}
