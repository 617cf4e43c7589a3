/** Two runtimes of real nodes: sessions that are resumed and replaced, behind policy and audit. */
import { silentLog, isRefusal, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import {
  createPeerRuntime,
  type OpenSession,
  type PeerRuntime,
  type PeerSelf,
} from '../../src/apps/node/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import {
  type PeerAuthenticator,
  SESSION_LIMITS,
  type SessionLimits,
} from '../../src/network/session/index.ts'
import { createLockState, createPeerVerifier } from '../../src/trust/pki/index.ts'
import {
  type ClientEnd,
  type EndSetup,
  payloadOf,
  requireEcho,
  type ServerEnd,
} from '../harness/contender.ts'
import { type BenchMember, loadMember, must } from '../harness/fleet.ts'
import { createNodeExecutor, openAudit } from './kos-parts.ts'

const PROFILE = profileOf('SEC-2')
const RATE = Object.freeze({ perSecond: 10_000_000, burst: 10_000_000 })
/** One device plays a fleet here. */
const ADMISSION = Object.freeze({
  connectionsPerDevice: 10_000,
  connectionsPerSource: 64,
  connectionsTotal: 10_000,
  connectionRate: Object.freeze({ perSecond: 10_000, burst: 10_000 }),
})

/** A runtime as `kosd` wires it; only rates are raised. */
export function benchRuntime(
  member: BenchMember,
  options: Partial<Pick<Parameters<typeof createPeerRuntime>[0], 'onCall' | 'clock'>> & {
    readonly limits?: Partial<SessionLimits>
  } = {},
): PeerRuntime {
  const { limits, clock = systemClock, ...more } = options
  return createPeerRuntime(
    {
      clock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission({ clock, onRefusals: () => undefined }, { limits: ADMISSION }),
      self: selfOf(member),
      resumes: true,
      ...more,
    },
    { ...SESSION_LIMITS, opens: RATE, ...limits },
  )
}

function selfOf(member: BenchMember): PeerSelf {
  const { principal, trust, keys, tls } = member
  const locks = createLockState({ trust: () => trust })
  must<'newer' | 'same'>(locks.apply(member.locks))
  const verifier = createPeerVerifier()
  const identity = keys.require('identity')
  const identitySigner = identity.coseSigner()
  const authenticator: PeerAuthenticator = {
    own: () => ({ principal, floor: PROFILE, identitySpki: identity.spki, identitySigner }),
    verifyPeer: (leafDer, purpose, nowMs) => {
      const peer = verifier.verify(leafDer, { bundle: trust, purpose, nowMs })
      return isRefusal(peer) ? peer : (locks.check(peer) ?? peer)
    },
  }
  return {
    profile: PROFILE,
    certificateIdentity: () => tls,
    authenticator: () => authenticator,
    verifyPeer: (leafDer, purpose) => {
      const peer = authenticator.verifyPeer(leafDer, purpose, systemClock.wallMs())
      return isRefusal(peer) ? peer : undefined
    },
    pin: () => undefined,
    recheck: (peer) => locks.check(peer),
    helloState: () => ({ manifest: { era: 1, number: 1 }, updateCounter: 0 }),
  }
}

/** Starts a node that serves. */
export async function startRuntimeServer({ member, directory }: EndSetup): Promise<ServerEnd> {
  const { store, audit } = await openAudit(member, { directory, log: silentLog })
  const executor = createNodeExecutor(member, { log: silentLog, audit })
  const runtime = benchRuntime(member, {
    onCall: (authenticated, call) => executor.execute(authenticated, call),
  })
  const { port } = must(await runtime.listen(PROFILE, [{ host: '0.0.0.0', port: 0 }]))
  return {
    port,
    close: async () => {
      await runtime.close()
      await executor.close()
      await audit.close()
      store.close()
    },
  }
}

/** A client whose one session makes checked calls. */
export async function startRuntimeClient(
  { member, directory }: EndSetup,
  port: number,
  limits: Partial<SessionLimits>,
): Promise<ClientEnd & { readonly open: OpenSession }> {
  const runtime = benchRuntime(member, { limits })
  const server = loadMember(`${directory}/..`, 'server').principal
  const open = must(await runtime.dial({ host: '127.0.0.1', port }, server.uri))
  return {
    open,
    operate: async (sequence) => {
      const payload = payloadOf(sequence)
      const result = await open.session.call('echo', { value: payload })
      if (result.status !== 'ok') throw new Error(`${result.code} ${result.rule}`)
      requireEcho(payload, (result.value as { value: unknown }).value)
    },
    close: () => runtime.close(),
  }
}
