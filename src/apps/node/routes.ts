import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { meeting, meetingWithAuthority, type ProfileName } from '../../foundation/profiles/index.ts'
import type { DirectoryEntry } from '../../trust/pki/index.ts'
import { parseHostPort } from './addresses.ts'
import type { PeerAddress } from './peer-runtime.ts'

/**
 * Where a peer is dialled: on its listener of the stricter floor of both.
 *
 * @param floor - of this end
 * @param entry - what the signed directory says of the peer
 * @returns its addresses in order, maybe none; or a refusal KOS_NODE_PEER_UNREACHABLE when the matrix
 * knows no session between both
 */
export function routesTo(
  floor: ProfileName,
  entry: Pick<DirectoryEntry, 'kind' | 'profile' | 'addresses' | 'listeners'>,
): readonly PeerAddress[] | Refusal {
  const isAuthority = entry.kind === 'authority'
  const met = isAuthority ? meetingWithAuthority(floor) : meeting(floor, entry.profile)
  if (!met.may) return refuse('KOS_NODE_PEER_UNREACHABLE', `matrix: ${met.rule}`)
  const { listener } = met
  const addresses = listener === entry.profile ? entry.addresses : entry.listeners?.[listener]
  return (addresses ?? []).flatMap((address) => {
    const at = parseHostPort(address)
    return at ? [{ ...at, profile: listener }] : []
  })
}
