/** Two sessions on a channel in memory, with everything they tell. */
import type { Log, LogFields } from '../../src/foundation/base/index.ts'
import {
  createByteBudget,
  createPeerSession,
  type PeerSession,
  type PeerSessionOptions,
  SESSION_LIMITS,
  type SessionLimits,
} from '../../src/network/session/index.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { type ChannelPair, channelPair } from './memory-channel.ts'
import { createTestRandom } from './random.ts'
import { testAuthenticator, type TestPeer, testPeer } from './session-pair.ts'

export type Role = 'dialler' | 'listener'

export interface Sessions {
  readonly clock: TestClock
  readonly channels: ChannelPair
  readonly dialler: PeerSession
  readonly listener: PeerSession
  readonly peers: Readonly<Record<Role, TestPeer>>
  readonly events: { readonly name: string; readonly fields: LogFields | undefined }[]
}

/** Two sessions on one channel that have just started. */
export function start(
  options: {
    readonly limits?: Partial<SessionLimits>
    readonly side?: Partial<Record<Role, Partial<PeerSessionOptions>>>
    readonly listener?: TestPeer
  } = {},
): Sessions {
  const clock = createTestClock()
  const peers = { dialler: testPeer('dialler'), listener: options.listener ?? testPeer('listener') }
  const channels = channelPair(peers, peers.listener.own.floor)
  const events: Sessions['events'] = []
  const log: Log = { event: (name, fields) => void events.push({ name, fields }) }
  const limits = { ...SESSION_LIMITS, ...options.limits }
  const side = (role: Role): PeerSession => {
    const other = peers[role === 'dialler' ? 'listener' : 'dialler']
    const authenticator = { ...testAuthenticator(peers[role], [other]), admit: () => undefined }
    return createPeerSession(
      { clock, random: createTestRandom(role), log, authenticator, budget: createByteBudget(1e6) },
      {
        role,
        channel: channels[role],
        limits,
        state: { updateCounter: 4 },
        onCall: (call) => ({ status: 'ok', value: call.arguments as string }),
        ...options.side?.[role],
      },
    )
  }
  return { clock, channels, dialler: side('dialler'), listener: side('listener'), peers, events }
}

export async function ready(options: Parameters<typeof start>[0] = {}): Promise<Sessions> {
  const sessions = start(options)
  await sessions.channels.pump()
  return sessions
}
