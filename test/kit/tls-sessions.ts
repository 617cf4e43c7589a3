/** Two sessions over real TLS sockets and a relay that can cut them: streams, stalls, lost connections. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { X509Certificate } from 'node:crypto'
import { isRefusal, sha256, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import type { CallRequest } from '../../src/foundation/pipeline/index.ts'
import {
  createByteBudget,
  createPeerSession,
  createResumption,
  type PeerAuthenticator,
  type PeerSession,
  type Resumption,
  type Role,
  SESSION_LIMITS,
  type SessionCallOutcome,
  type SessionLimits,
} from '../../src/network/session/index.ts'
import type { SecureChannel } from '../../src/network/transport/index.ts'
import type { TestClock } from './clock.ts'
import { type TestPeer, testPeer } from './session-pair.ts'
import { startTcpProxy } from './tcp-proxy.ts'
import { createTestTlsFleet } from './tls.ts'
import { must, startTestListener } from './transport.ts'

/** Answers a call. */
export type Handler = (call: CallRequest) => SessionCallOutcome | Promise<SessionCallOutcome>

/** One connection: both ends are ready. */
export interface TlsConnection {
  readonly dialler: PeerSession
  readonly listener: PeerSession
  readonly channels: Readonly<Record<Role, SecureChannel>>
}

/** Two principals that can connect again and again. */
export interface TlsSessions {
  readonly clock: TestClock
  readonly stores: Readonly<Record<Role, Resumption>>
  connect(): Promise<TlsConnection>
  /** Cuts every connection, as a reset in the network does. */
  cut(): void
}

/** What both ends do. */
export interface TlsSessionsOptions {
  readonly onCall?: Partial<Record<Role, Handler>>
  readonly limits?: Partial<SessionLimits>
}

const NOTHING: SessionCallOutcome = { status: 'refused', code: 'KOS_CATALOG_UNKNOWN' }

/** Starts a listener and a relay in front of it; all ends with the test. */
export async function startTlsSessions(
  context: TestContext,
  options: TlsSessionsOptions = {},
): Promise<TlsSessions> {
  const fleet = createTestTlsFleet()
  const limits = { ...SESSION_LIMITS, ...options.limits }
  const peers = { dialler: testPeer('dialler'), listener: testPeer('listener') }
  const accepted: ((channel: SecureChannel) => void)[] = []
  const server = await startTestListener(context, {
    fleet,
    onChannel: ({ channel, ticket }) => {
      ticket.ready('spiffe://kos.internal/user/dialler')
      accepted.shift()?.(channel)
    },
  })
  const { clock } = server
  const relay = { host: '127.0.0.1', to: { host: '127.0.0.1', port: server.port } }
  const proxy = await startTcpProxy(context, { ...relay, holdAfterBytes: Infinity })
  const stores = { dialler: createResumption({ clock }), listener: createResumption({ clock }) }
  const session = (role: Role, channel: SecureChannel): PeerSession =>
    createPeerSession(
      {
        clock,
        random: systemRandom,
        log: silentLog,
        authenticator: authenticatorOf(peers[role], peers[other(role)]),
        budget: createByteBudget(limits.maxReceiveBytes),
        resumption: stores[role],
      },
      {
        role,
        channel,
        limits,
        state: { updateCounter: 0 },
        onCall: (call) => options.onCall?.[role]?.(call) ?? NOTHING,
      },
    )
  const dialler = server.dialler()
  context.after(() => {
    for (const store of Object.values(stores)) store.close()
  })
  return {
    clock,
    stores,
    async connect() {
      const { promise, resolve } = Promise.withResolvers<SecureChannel>()
      accepted.push(resolve)
      const at = { host: '127.0.0.1', port: proxy.port, timeoutMs: 5000 }
      const near = must(await dialler.dial(at))
      const far = await promise
      const ends = { dialler: session('dialler', near), listener: session('listener', far) }
      context.after(() => {
        near.destroy('end of test')
        far.destroy('end of test')
      })
      for (const { ready } of Object.values(ends)) assert.ok(!isRefusal(await ready))
      return { ...ends, channels: { dialler: near, listener: far } }
    },
    cut: () => proxy.release(),
  }
}

/** Waits for what sockets do, without a guess how long that takes. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let round = 0; round < 5000; round += 1) {
    if (isTrue()) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.fail(`not in 10 s: ${what}`)
}

/** Lets sockets work until a figure no longer changes. */
export async function steady(figure: () => number): Promise<number> {
  let [last, same] = [figure(), 0]
  while (same < 25) {
    await new Promise((resolve) => setTimeout(resolve, 4))
    same = figure() === last ? same + 1 : 0
    last = figure()
  }
  return last
}

function other(role: Role): Role {
  return role === 'dialler' ? 'listener' : 'dialler'
}

/** Identity keys of the session kit behind TLS leaves of the TLS kit. */
function authenticatorOf(own: TestPeer, peer: TestPeer): PeerAuthenticator {
  return {
    own: () => own.own,
    verifyPeer: (leafDer) => {
      const { publicKey } = new X509Certificate(leafDer)
      const tlsKeyHash = sha256(publicKey.export({ type: 'spki', format: 'der' }))
      return { ...peer.facts, tlsKeyHash }
    },
  }
}
