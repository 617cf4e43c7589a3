import type { Member } from '../node/index.ts'
import type { CliWorld } from './context.ts'
import { openCredential, withCredential } from './credential.ts'
import type { PeerCalls } from './peer-calls.ts'
import { openPeers, type PeerConnection } from './peers.ts'

/**
 * Runs work that calls peers over sessions of its own, which end with it.
 *
 * @param world - clock, randomness, environment
 * @param identity - another principal's folder; the operator's when absent
 * @param work - see {@link PeerCalls}
 */
export function withDirectCalls<T>(
  world: CliWorld,
  identity: string | undefined,
  work: (calls: PeerCalls) => Promise<T>,
): Promise<T> {
  return actAs(world, identity, async (member) => {
    const peers = openPeers(world, member)
    const opened = new Map<string, Promise<PeerConnection>>()
    const connect = (name: string): Promise<PeerConnection> => {
      const connection = opened.get(name) ?? peers.connect(name)
      opened.set(name, connection)
      return connection
    }
    try {
      return await work({
        call: async ({ peer, command, arguments: args, deadlineMs }, signal, onData) => {
          const { open } = await connect(peer)
          return open.session.call(command, args, {
            deadlineMs,
            ...(signal && { signal }),
            ...(onData && { onData }),
          })
        },
      })
    } finally {
      await peers.close()
    }
  })
}

/** The credential of a node is its daemon's to renew. */
async function actAs<T>(
  world: CliWorld,
  folder: string | undefined,
  work: (member: Member) => Promise<T>,
): Promise<T> {
  if (folder === undefined) return withCredential(world, work)
  const member = openCredential(world, folder)
  try {
    return await work(member)
  } finally {
    member.close()
  }
}
