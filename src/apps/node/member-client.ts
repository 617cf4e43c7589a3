import type { Random } from '../../foundation/base/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { type AuthorityClient, type ClientIdentity, connectAuthority } from './authority-client.ts'
import { bringNews } from './consult.ts'
import { nodeErrors } from './errors.ts'
import type { FabricState } from './fabric-state.ts'
import type { FloorClock } from './floor-clock.ts'
import type { Membership } from './membership.ts'
import { signedClient } from './signed-client.ts'

/** What of a member its connection to the authority is made of. */
export interface ConnectingMember {
  readonly folder: string
  readonly keys: KeyStore
  readonly fabric: FabricState
  readonly membership: Membership
  readonly clock: FloorClock
  readonly identity: ClientIdentity
  /** Of the leaf in use. */
  readonly leafSpki: Uint8Array
}

/**
 * Connects a member to its authority with its certificate; requests are signed. An authority that was
 * restored learns first what it lacks: its new bundle must not be taken before that.
 *
 * @throws {@link KosError} KOS_NODE_AUTHORITY_RESTORED while that one waits for others, and as
 *   {@link connectAuthority}
 */
export async function connectMember(
  deps: { readonly random: Random },
  member: ConnectingMember,
  timeoutMs: number,
): Promise<AuthorityClient> {
  const { folder, keys, fabric, membership, clock, identity, leafSpki } = member
  const { host, port, pin } = membership
  const target = { host, port, pin, timeoutMs, held: fabric.bundle, identity }
  const client = await connectAuthority({ clock }, target)
  const { isWaiting } = await bringNews(member, client)
  if (isWaiting) {
    client.close()
    throw nodeErrors.error('KOS_NODE_AUTHORITY_RESTORED')
  }
  return signedClient(client, {
    clock,
    random: deps.random,
    folder,
    host: `${host}:${port}`,
    identity: keys.require('identity').coseSigner(),
    leafSpki,
  })
}
