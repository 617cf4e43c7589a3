import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { compareNumbered, type EraNumber, type LockState } from '../../trust/pki/index.ts'
import { FABRIC } from './fabric-commands.ts'
import type { OpenSession } from './peer-runtime.ts'

/** A peer with a large list may take so long to hand it over. */
const ASK_DEADLINE_MS = 10_000

/** The signed lock list, for a peer that holds an older one; `undefined`: it misses nothing. */
export function locksAfter(locks: LockState, held: EraNumber): Uint8Array | undefined {
  const own = locks.current
  return own && compareNumbered(own.object, held) > 0 ? own.signed : undefined
}

/**
 * Asks a peer for a newer lock list: locks reach a node that has lost its authority from those that
 * have not.
 *
 * **Security:** a peer hands on, and vouches for nothing: `take` verifies the signature and refuses
 * what is older, forked or of an era that the roots have not opened. The age of the list stays what
 * the last answer to the own nonce made it.
 *
 * @param open - a session with a peer
 * @param locks - the own lock list
 * @param take - gets a list that was handed over
 * @returns what `take` said, `same` when the peer has no newer one, or why it did not answer
 */
export async function askPeerForLocks(
  { session }: Pick<OpenSession, 'session'>,
  locks: LockState,
  take: (signed: Uint8Array) => 'newer' | 'same' | Refusal,
): Promise<'newer' | 'same' | Refusal> {
  const { era = 0, number = 0 } = locks.current?.object ?? {}
  const args = { era, number }
  const result = await session.call(FABRIC.locks, args, { deadlineMs: ASK_DEADLINE_MS })
  if (result.status !== 'ok') return refuse('KOS_NODE_PEER_UNREACHABLE', 'locks/not-answered')
  const { signed } = result.value as { readonly signed?: unknown }
  return signed instanceof Uint8Array ? take(signed) : 'same'
}

/** Whether a peer is one that hands lock lists on: operators' programs hold none for others. */
export function carriesLocks({ authenticated }: Pick<OpenSession, 'authenticated'>): boolean {
  const { kind } = authenticated.peer.principal
  return kind === 'device' || kind === 'agent' || kind === 'service'
}
