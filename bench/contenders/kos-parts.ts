/** The parts of a real node, wired as `kosd` wires them; only rates are raised, no check is left out. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import {
  createLog,
  isRefusal,
  type Log,
  type Refusal,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import type { Authenticated, CallRequest, PeerFacts } from '../../src/foundation/pipeline/index.ts'
import { type Profile, profileOf } from '../../src/foundation/profiles/index.ts'
import { openStore, type Store } from '../../src/foundation/storage/index.ts'
import {
  type Command,
  createBuiltins,
  createCatalog,
  readHostInfo,
  readHostStatus,
  type SystemPort,
} from '../../src/commands/catalog/index.ts'
import {
  type CallOutcome,
  createExecutor,
  DEFAULT_EXECUTOR_LIMITS,
  type Executor,
  type ExecutorLimits,
} from '../../src/commands/execution/index.ts'
import { type Admission, createAdmission } from '../../src/network/admission/index.ts'
import {
  createByteBudget,
  createPeerSession,
  type PeerAuthenticator,
  type PeerSession,
  SESSION_LIMITS,
  type SessionLimits,
} from '../../src/network/session/index.ts'
import {
  createDialler,
  createListener,
  type Dialler,
  type Listener,
  type SecureChannel,
  type VerifyPeer,
} from '../../src/network/transport/index.ts'
import {
  type AuditLog,
  auditSegments,
  auditTables,
  createAuditLog,
  createCallRecorder,
} from '../../src/trust/audit/index.ts'
import { createLockState, createPeerVerifier } from '../../src/trust/pki/index.ts'
import {
  createAuthorisePort,
  createManifestVerifier,
  createPolicyEngine,
  type PolicyEngine,
  type SubjectFacts,
  subjectFacts,
} from '../../src/trust/policy/index.ts'
import type { EndSetup } from '../harness/contender.ts'
import { type BenchMember, must } from '../harness/fleet.ts'

const PROFILE: Profile = profileOf('SEC-2')
/** What a manifest would grant to a peer that may load a device fully. */
const RATE = Object.freeze({ perSecond: 10_000_000, burst: 10_000_000 })
const LIMITS: SessionLimits = Object.freeze({ ...SESSION_LIMITS, opens: RATE })
/** More connections of one device, because one device plays a fleet here. */
const CONNECTIONS = Object.freeze({
  connectionsPerDevice: 64,
  connectionRate: Object.freeze({ perSecond: 1000, burst: 1000 }),
})

const NO_COMMANDS: CallOutcome = Object.freeze({
  status: 'refused',
  code: 'KOS_CATALOG_UNKNOWN',
  rule: 'no-commands',
})

/** The part of a node that both ends have. */
interface KosEnd {
  readonly log: Log
  readonly admission: Admission
  readonly verifyPeer: VerifyPeer
  session(
    channel: SecureChannel,
    role: 'dialler' | 'listener',
    handlers: {
      admit(peer: PeerFacts): Refusal | undefined
      onCall(call: CallRequest, from: Authenticated): CallOutcome | Promise<CallOutcome>
    },
  ): PeerSession
}

function createEnd({ member, directory }: EndSetup): KosEnd {
  const log = createLog({
    // The default of kosd.
    level: 'warn',
    destination: createWriteStream(join(directory, 'log.jsonl'), { mode: 0o600 }),
    base: { name: member.role },
  })
  const budget = createByteBudget(SESSION_LIMITS.maxReceiveBytes)
  const { authenticator, verifyPeer } = createIdentity(member)
  const deps = {
    clock: systemClock,
    random: systemRandom,
    log,
    authenticator,
    budget,
    metKeys: new WeakMap(),
  }
  return {
    log,
    verifyPeer,
    admission: createAdmission(
      {
        clock: systemClock,
        onRefusals: (records) => log.event('refused', { count: records.length }),
      },
      { limits: CONNECTIONS },
    ),
    session: (channel, role, handlers) =>
      createPeerSession(deps, {
        role,
        channel,
        limits: LIMITS,
        state: { manifest: { era: 1, number: 1 }, updateCounter: 0 },
        ...handlers,
      }),
  }
}

function createIdentity(member: BenchMember): {
  readonly authenticator: PeerAuthenticator
  readonly verifyPeer: VerifyPeer
} {
  const { principal, trust, keys } = member
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
  const verifyPeer: VerifyPeer = (leafDer, purpose) => {
    const peer = authenticator.verifyPeer(leafDer, purpose, systemClock.wallMs())
    return isRefusal(peer) ? peer : undefined
  }
  return { authenticator, verifyPeer }
}

/** A node that serves. */
export interface KosServer {
  readonly port: number
  close(): Promise<void>
}

/** Starts a node: self-test, listener, policy, executor, audit log in SQLite. */
export async function startKosServer(setup: EndSetup): Promise<KosServer> {
  const end = createEnd(setup)
  const { member, directory } = setup
  const { store, audit } = await openAudit(member, { directory, log: end.log })
  const executor = createNodeExecutor(member, { log: end.log, audit })
  const listener = must(
    createListener(
      { clock: systemClock, log: end.log, admission: end.admission, verifyPeer: end.verifyPeer },
      {
        host: '0.0.0.0',
        port: 0,
        profile: PROFILE,
        identity: () => member.tls,
        onChannel: (channel, ticket) => {
          const session = end.session(channel, 'listener', {
            admit: (peer) => ticket.ready(peer.principal.uri),
            onCall: (call, from) => executor.execute(from, call),
          })
          void session.ready.then((ready) => {
            if (isRefusal(ready)) ticket.failed('authentication', ready.code)
            else
              recordSessions(audit, { session, authenticated: ready, target: member.principal.uri })
          })
        },
      },
    ),
  )
  return { port: await open(listener), close: () => close({ listener, executor, audit, store }) }
}

async function open(listener: Listener): Promise<number> {
  const weak = await listener.selfTest()
  if (weak) must(weak)
  return must(await listener.listen()).port
}

async function close(parts: {
  readonly listener: Listener
  readonly executor: Executor
  readonly audit: AuditLog
  readonly store: Store<object>
}): Promise<void> {
  await parts.listener.close()
  await parts.executor.close()
  await parts.audit.close()
  parts.store.close()
}

/** The audit log of a member in a store of its own. */
export async function openAudit(
  { keys, principal }: BenchMember,
  { directory, log }: { readonly directory: string; readonly log: Log },
): Promise<{ readonly store: Store<object>; readonly audit: AuditLog }> {
  const store = openStore<object>(
    { clock: systemClock, log },
    {
      path: join(directory, 'node.sqlite'),
      migrations: [
        { version: 1, ...auditTables },
        { version: 2, ...auditSegments },
      ],
    },
  )
  const logKeys = { ed25519: keys.require('log-ed25519'), mlDsa44: keys.require('log-ml-dsa-44') }
  const audit = await createAuditLog(
    { store, keys: logKeys, clock: systemClock, random: systemRandom, log },
    { origin: `kos.internal/device/${principal.id}` },
  )
  return { store, audit }
}

function recordSessions(
  audit: AuditLog,
  open: {
    readonly session: PeerSession
    readonly authenticated: Authenticated
    readonly target: string
  },
): void {
  const { session, authenticated, target } = open
  const actor = authenticated.peer.principal.uri
  const record = (action: string): void =>
    audit.appendSoon({ type: 'session', actor, target, action, outcome: 'ok' })
  record('session.opened')
  void session.closed.then(() => record('session.closed'))
}

/**
 * The executor of a node behind its policy.
 *
 * @param parts - `commands`: beside the built-in ones; `limits`: in place of the defaults
 */
export function createNodeExecutor(
  member: BenchMember,
  parts: {
    readonly log: Log
    readonly audit: AuditLog
    readonly commands?: readonly Command[]
    readonly limits?: ExecutorLimits
  },
): Executor {
  const { log, audit, commands = [], limits = DEFAULT_EXECUTOR_LIMITS } = parts
  const target = member.principal.uri
  const system: SystemPort = {
    status: () => ({
      ...readHostStatus(),
      daemonUptimeMs: Math.round(process.uptime() * 1000),
      residentBytes: process.memoryUsage.rss(),
      sessions: 1,
      runningCalls: 0,
      auditHealthy: audit.healthy,
      locksFreshBy: 'nobody',
    }),
    info: () => ({ ...readHostInfo(), kosVersion: '0.1.0', profile: PROFILE.name }),
  }
  return createExecutor(
    {
      catalog: createCatalog([...createBuiltins({ system }, { fileRoots: [] }), ...commands]),
      authorise: createAuthorisePort(loadPolicy(member, log), policyFacts(member)),
      record: createCallRecorder(audit, { target }),
      clock: systemClock,
      log,
    },
    { profile: PROFILE, limits, callRateOf: () => RATE },
  )
}

function loadPolicy({ trust, manifest }: BenchMember, log: Log): PolicyEngine {
  const engine = createPolicyEngine({
    clock: systemClock,
    log,
    verify: createManifestVerifier(() => trust),
  })
  must(engine.loadSigned(manifest, { layer: 'fleet' }))
  return engine
}

/** Facts of both ends, kept as long as they hold. */
function policyFacts({ principal, owner }: BenchMember): Parameters<typeof createAuthorisePort>[1] {
  const self = subjectFacts(principal, PROFILE, { owner: owner.uri })
  const kept = new Map<string, SubjectFacts>()
  return {
    selfFacts: () => self,
    peerFacts: ({ peer }) => {
      const known = kept.get(peer.principal.uri)
      if (known?.floor === peer.floor) return known
      const facts = subjectFacts(peer.principal, peer.floor)
      kept.set(peer.principal.uri, facts)
      return facts
    },
  }
}

/** Dials a node and waits for READY. */
export function createKosClient(
  setup: EndSetup,
  port: number,
): (localAddress?: string) => Promise<PeerSession> {
  const end = createEnd(setup)
  const dialler: Dialler = must(
    createDialler(
      { clock: systemClock, admission: end.admission, verifyPeer: end.verifyPeer },
      { profile: PROFILE, identity: () => setup.member.tls },
    ),
  )
  return async (localAddress = '127.0.0.1') => {
    const channel = must(
      await dialler.dial({ host: '127.0.0.1', port, timeoutMs: 5000, localAddress }),
    )
    const session = end.session(channel, 'dialler', {
      admit: () => undefined,
      onCall: () => NO_COMMANDS,
    })
    must(await session.ready)
    return session
  }
}
