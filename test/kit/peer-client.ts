/** A client that stays connected: the session of `kosctl exec`, held open by a test. */
import assert from 'node:assert/strict'
import { openPeers } from '../../src/apps/cli/peers.ts'
import { openMember } from '../../src/apps/node/index.ts'
import { systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import type { CallResult, PeerSession } from '../../src/network/session/index.ts'

/** An open session with a peer. */
export interface PeerClient {
  readonly session: PeerSession
  /** Runs a command; `calc 1+2` by default. */
  call(command?: string, args?: Readonly<Record<string, string | number>>): Promise<CallResult>
  close(): Promise<void>
}

/**
 * Connects straight to a peer as the principal of a folder.
 *
 * @param folder - state or configuration folder, also of a running daemon
 * @param peer - its name in the directory
 */
export async function openPeerClient(folder: string, peer: string): Promise<PeerClient> {
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  assert.ok(member, `${folder} holds a member`)
  const peers = openPeers({ random: systemRandom }, member)
  try {
    const { open } = await peers.connect(peer)
    return {
      session: open.session,
      call: (command = 'calc', args = { expression: '1+2' }) => open.session.call(command, args),
      close: () => peers.close().finally(() => member.close()),
    }
  } catch (error) {
    member.close()
    throw error
  }
}
