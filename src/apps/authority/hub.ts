import {
  type Clock,
  equalBytes,
  isRefusal,
  type Log,
  parsePrincipal,
  type Random,
  refuse,
  type Refusal,
  sha256,
  unixMs,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { createCatalog } from '../../commands/catalog/index.ts'
import { createExecutor, DEFAULT_EXECUTOR_LIMITS } from '../../commands/execution/index.ts'
import { createPskKeyService, type PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  type Admission,
  type AdmissionLimits,
  createAdmission,
} from '../../network/admission/index.ts'
import { SESSION_LIMITS } from '../../network/session/index.ts'
import type { CertificateIdentity } from '../../network/transport/index.ts'
import { createCallRecorder } from '../../trust/audit/index.ts'
import {
  createPeerVerifier,
  createTrustState,
  issueNodeToken,
  type ListenerAddresses,
  signLockFreshness,
} from '../../trust/pki/index.ts'
import {
  createAuthorisePort,
  createManifestVerifier,
  createPolicyEngine,
} from '../../trust/policy/index.ts'
import {
  authorityFabricCommands,
  callLog,
  createFabricState,
  createPeerRuntime,
  createPolicyFacts,
  disagreementRecorder,
  enforceHandshake,
  type FabricState,
  type LoadedEnforcement,
  type ObjectKind,
  type OpenSession,
  type PeerRuntime,
  type PeerSelf,
  profileRecorder,
  recordSoon,
  refusalRecorder,
  refuseUnpinned,
  sessionRecorder,
} from '../node/index.ts'
import { type AuditMembers, createAuditMembers } from './audit-members.ts'
import { AUTHORITY_PROFILE, type AuthorityState } from './authority-state.ts'
import { type CertificateRotation, createCertificateRotation } from './certificate-rotation.ts'
import { createPskMembers, type PskMembers } from './psk-members.ts'
import { createPskRotation, type PskRotation } from './psk-rotation.ts'
import type { FloorGuard } from './floor-guard.ts'
import { createNotices } from './notices.ts'
import type { AuthorityPublisher } from './publisher.ts'
import { createSessionList, type SessionList } from './session-list.ts'
import type { Standbys } from './standbys.ts'

/** The sessions of an authority with its members. */
export interface Hub {
  readonly admission: Admission
  readonly enforcement: LoadedEnforcement
  readonly auditMembers: AuditMembers
  readonly sessions: SessionList
  /** Replaces the keys of devices that have no certificate. */
  readonly pskRotation: PskRotation
  /** Asks nodes for a new certificate. */
  readonly certificateRotation: CertificateRotation
  /** Takes over the objects that the publisher made. */
  refresh(): void
  /** Opens the listener of a profile; see {@link PeerRuntime}. */
  listen: PeerRuntime['listen']
  /** The active principal behind a leaf, or why there is none. */
  identify(leafDer: Uint8Array, purpose: 'client' | 'server'): PrincipalRecord | Refusal
  isConnected(uri: string): boolean
  /** URIs of all who are connected. */
  connected(): ReadonlySet<string>
  disconnect(uri: string): void
  /** Tells every connected member that objects changed, and cuts off who is no longer welcome. */
  notify(kinds: readonly ObjectKind[]): void
  updateIdentity(): void
  close(): Promise<void>
}

interface HubDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface HubOptions {
  readonly state: AuthorityState
  readonly identity: () => CertificateIdentity
  readonly publisher: () => AuthorityPublisher
  readonly floors: FloorGuard
  readonly standbys: Standbys
  readonly admission?: Partial<AdmissionLimits>
  readonly enforcement: LoadedEnforcement
}

/** How old the last-seen time of a principal may get before it is written again. */
const SEEN_INTERVAL_MS = 60_000

/** Makes the hub: one gate, one session listener, the fabric commands and the notices. */
export function createHub(deps: HubDeps, options: HubOptions): Hub {
  const { state, enforcement } = options
  const fabric = ownFabric(state)
  const members = createMembership({ ...deps, floors: options.floors }, state, fabric)
  const { uri } = state.principal
  const admission = createAdmission(
    { clock: deps.clock, enforcement, onRefusals: refusalRecorder(deps.log, state.audit, uri) },
    options.admission ? { limits: options.admission } : {},
  )
  const record = sessionRecorder(deps.log, state.audit, uri)
  const isConnected = (peer: string): boolean =>
    runtime.sessions.values().some((open) => uriOf(open) === peer)
  const auditMembers = createAuditMembers({
    clock: deps.clock,
    audit: state.audit,
    registry: state.registry,
    trustDomain: state.ca.trustDomain,
    isConnected,
  })
  const executor = createHubExecutor(deps, options, { fabric, auditMembers })
  const psk = createHubPsk(deps, state, members)
  const rotations = createHubRotations(deps, state, () => runtime.sessions)
  const runtime = createPeerRuntime(
    {
      ...deps,
      admission,
      self: hubSelf({ ...options, fabric, members, psk }),
      enforce: enforceHandshake({ ...deps, enforcement, audit: state.audit }, uri),
      onCall: (authenticated, call) => executor.execute(authenticated, call),
      resumes: true,
      onDisagreement: disagreementRecorder(deps.log, state.audit, uri),
      onRefused: profileRecorder({ ...deps, audit: state.audit }, uri),
      onSession: (open, phase, reason) => {
        record(open, phase, reason)
        psk.noted(open, phase)
        if (phase === 'opened') for (const noted of [sessions, rotations]) noted.opened(open)
        members.seen(open)
      },
    },
    SESSION_LIMITS,
  )
  const sessions = createSessionList(deps.clock, () => runtime.sessions)
  const notices = createNotices(deps.clock, options.publisher, runtime.sessions)
  return {
    admission,
    enforcement,
    auditMembers,
    sessions,
    pskRotation: rotations.pskRotation,
    certificateRotation: rotations.certificateRotation,
    refresh: () => takeOver(fabric, options.publisher(), HELD),
    listen: (profile, candidates, identity) =>
      profile.transport?.authentication === 'psk'
        ? runtime.listen(profile, candidates, () => psk.identity)
        : runtime.listen(profile, candidates, identity),
    identify: (leafDer, purpose) => members.identify(leafDer, purpose),
    isConnected,
    connected: () => new Set(runtime.sessions.values().map(uriOf)),
    disconnect: (peer) => runtime.disconnect(peer, 'locked'),
    notify: (kinds) => {
      takeOver(fabric, options.publisher(), kinds)
      if (kinds.includes('locks')) runtime.recheckSessions()
      notices.changed(kinds)
    },
    updateIdentity: () => runtime.updateIdentity(),
    close: async (): Promise<void> => {
      notices.stop()
      await runtime.close()
      await executor.close()
    },
  }
}

function uriOf({ authenticated }: OpenSession): string {
  return authenticated.peer.principal.uri
}

/** What the hub goes by itself; the first says who signs the others. */
const HELD = ['bundle', 'directory', 'locks'] as const

/** Locks are signed anew every few seconds: a large directory is not verified with each of them. */
function takeOver(
  fabric: FabricState,
  publisher: AuthorityPublisher,
  kinds: readonly ObjectKind[],
): void {
  for (const kind of HELD) if (kinds.includes(kind)) fabric.apply(kind, publisher[kind]())
}

function ownFabric(state: AuthorityState): FabricState {
  const trust = createTrustState({ pin: state.ca.pin })
  trust.apply(state.ca.bundle)
  return createFabricState(trust, {
    onGenuine: () => undefined,
    acceptManifest: () => undefined,
  })
}

function createHubExecutor(
  deps: HubDeps,
  options: HubOptions,
  parts: { readonly fabric: FabricState; readonly auditMembers: AuditMembers },
): ReturnType<typeof createExecutor> {
  const { state, publisher } = options
  const { fabric, auditMembers } = parts
  const engine = createPolicyEngine({
    clock: deps.clock,
    log: deps.log,
    verify: createManifestVerifier(() => fabric.bundle),
  })
  const facts = createPolicyFacts(fabric.directory, () => ({
    principal: state.principal,
    floor: AUTHORITY_PROFILE,
  }))
  const recordOf = (uri: string): PrincipalRecord | undefined =>
    state.registry.principal(parsePrincipal(uri)?.id ?? '')
  return createExecutor(
    {
      catalog: createCatalog(
        authorityFabricCommands({
          object: (kind) => publisher()[kind](),
          fresh: (nonce) =>
            signLockFreshness(publisher().lockObject(), nonce, state.ca.signers.lock.coseSigner()),
          report: async (uri, { addresses, listeners }) => {
            const record = recordOf(uri)
            if (!record || isWhere(record, { addresses, listeners })) return
            await state.registry.change(record.id, { addresses: [...addresses], listeners })
            publisher().refreshDirectory()
          },
          audit: (uri, batch) => {
            const record = recordOf(uri)
            return record
              ? auditMembers.ingest(record, batch)
              : Promise.resolve(refuse('KOS_AUTHORITY_NOT_FOUND', 'principal/unknown'))
          },
          token: (peer, audience) => nodeToken(deps, state, { peer, audience }),
          standby: (peer, offer) => options.standbys.offered(peer, offer),
        }),
      ),
      authorise: createAuthorisePort(engine, {
        selfFacts: () => facts.self(),
        peerFacts: (authenticated) => facts.peer(authenticated),
      }),
      record: createCallRecorder(callLog(state.audit), { target: state.principal.uri }),
      clock: deps.clock,
      log: deps.log,
    },
    { profile: AUTHORITY_PROFILE, limits: DEFAULT_EXECUTOR_LIMITS },
  )
}

/** After an outage everybody comes back and says where it is: mostly where it was. */
function isWhere(
  record: PrincipalRecord,
  said: {
    readonly addresses: readonly string[]
    readonly listeners?: ListenerAddresses | undefined
  },
): boolean {
  const places = ({ addresses, listeners = {} }: typeof said): string =>
    JSON.stringify([addresses, listeners])
  return places(record) === places(said)
}

/** Says to one other node that a member is one, with the identity key that its session proved. */
function nodeToken(
  deps: HubDeps,
  state: AuthorityState,
  { peer, audience }: { readonly peer: PeerFacts; readonly audience: string },
): Uint8Array | Refusal {
  const named = parsePrincipal(audience)
  const record = named && state.registry.principal(named.id)
  if (!named || record?.state !== 'active' || record.uri !== audience) {
    return refuse('KOS_AUTHORITY_NOT_FOUND', 'principal/unknown')
  }
  return issueNodeToken(
    {
      issuer: state.principal,
      subject: peer.principal,
      audience: named,
      identityKeyHash: peer.identityKeyHash,
    },
    { id: deps.random.bytes(16), now: deps.clock.wallMs() },
    state.ca.signers.directory.coseSigner(),
  )
}

/** Who is a member, as certificate, lock list and registry say together. */
interface Members {
  verify(leafDer: Uint8Array, purpose: 'client' | 'server'): PeerFacts | Refusal
  identify(leafDer: Uint8Array, purpose: 'client' | 'server'): PrincipalRecord | Refusal
  check(peer: PeerFacts): Refusal | undefined
  seen(open: OpenSession): void
}

function createMembership(
  deps: HubDeps & { readonly floors: FloorGuard },
  state: AuthorityState,
  fabric: FabricState,
): Members {
  const recordOf = (peer: PeerFacts): PrincipalRecord | Refusal => {
    const record = state.registry.principal(peer.principal.id)
    const isActive = record?.state === 'active' && record.uri === peer.principal.uri
    if (!record || !isActive) return refuse('KOS_AUTHORITY_NOT_FOUND', 'principal/inactive')
    return record
  }
  const verifier = createPeerVerifier()
  const verify = (leafDer: Uint8Array, purpose: 'client' | 'server'): PeerFacts | Refusal => {
    const nowMs = deps.clock.wallMs()
    const verified = verifier.verify(leafDer, { bundle: fabric.bundle, purpose, nowMs })
    if (isRefusal(verified)) return verified
    return check(verified) ?? verified
  }
  const check = (peer: PeerFacts): Refusal | undefined => {
    const locked = fabric.locks.check(peer)
    if (locked) return locked
    if (peer.principal.uri === state.principal.uri) return undefined
    const record = recordOf(peer)
    return isRefusal(record) ? record : deps.floors.check(peer, record)
  }
  return {
    verify,
    check,
    identify: (leafDer, purpose) => {
      const verified = verify(leafDer, purpose)
      if (isRefusal(verified)) return verified
      const record = recordOf(verified)
      if (isRefusal(record)) return record
      // From here on the registered identity key is the one that the certificate names.
      if (!equalBytes(sha256(record.identitySpki), verified.identityKeyHash)) {
        return refuse('KOS_AUTHORITY_NOT_FOUND', 'principal/identity-key')
      }
      deps.floors.proven(verified, record)
      markSeen(deps, { state, record }, verified)
      return recordOf(verified)
    },
    seen: ({ authenticated }) => {
      const record = recordOf(authenticated.peer)
      if (isRefusal(record)) return
      deps.floors.proven(authenticated.peer, record)
      markSeen(deps, { state, record }, authenticated.peer)
    },
  }
}

/** The newest generation counts as used from its first appearance on. */
function markSeen(
  deps: HubDeps,
  of: { readonly state: AuthorityState; readonly record: PrincipalRecord },
  peer: PeerFacts,
): void {
  const { state, record } = of
  const now = deps.clock.wallMs()
  const isFirstUse = peer.generation === record.generation && !record.generationUsed
  const isStale = now - (record.lastSeenAt ?? 0) > SEEN_INTERVAL_MS
  if (!isFirstUse && !isStale) return
  state.registry
    .change(record.id, {
      lastSeenAt: unixMs(now),
      ...(isFirstUse && { generationUsed: true }),
    })
    .catch((error: unknown) => {
      deps.log.event('registry.failed', { error: String(error) }, 'error')
    })
}

/** New pre-shared keys that were handed out, and that were used first, are recorded. */
function createHubRotations(
  deps: HubDeps,
  state: AuthorityState,
  sessions: () => ReadonlySet<OpenSession>,
): Pick<Hub, 'pskRotation' | 'certificateRotation'> & { opened(open: OpenSession): void } {
  const { registry, audit, store } = state
  const pskRotation = createPskRotation({
    ...deps,
    registry,
    keys: createPskKeyService({ ...deps, store: registry, vault: state.pskVault }),
    sessions,
    onRotation: (peer, action, generation) =>
      recordSoon(audit, deps.log, {
        type: 'credential',
        actor: peer,
        target: peer,
        action,
        outcome: 'ok',
        detail: { generation },
      }),
  })
  const certificateRotation = createCertificateRotation({ ...deps, store, sessions })
  return {
    pskRotation,
    certificateRotation,
    opened: (open) => {
      pskRotation.opened(open)
      certificateRotation.opened(open)
    },
  }
}

/** What only a copied key explains is recorded as an alarm. */
function createHubPsk(deps: HubDeps, state: AuthorityState, members: Members): PskMembers {
  return createPskMembers({
    ...deps,
    registry: state.registry,
    vault: state.pskVault,
    principal: state.principal,
    check: (peer) => members.check(peer),
    onAlarm: (uri, rule, handle) => {
      deps.log.event('psk.alarm', { peer: uri, rule }, 'error')
      recordSoon(state.audit, deps.log, {
        type: 'alert',
        actor: uri,
        target: state.principal.uri,
        action: 'psk.alarm',
        outcome: 'refused',
        code: 'KOS_SESSION_AUTH',
        rule,
        detail: { handle },
      })
    },
  })
}

function hubSelf(
  parts: HubOptions & {
    readonly fabric: FabricState
    readonly members: Members
    readonly psk: PskMembers
  },
): PeerSelf {
  const { state, fabric, members, psk } = parts
  const own = {
    principal: state.principal,
    floor: AUTHORITY_PROFILE,
    identitySpki: state.identity.spki,
    identitySigner: state.identity.coseSigner(),
  }
  return {
    profile: AUTHORITY_PROFILE,
    certificateIdentity: parts.identity,
    authenticator: () => ({
      own: () => own,
      verifyPeer: (leafDer, purpose) => members.verify(leafDer, purpose),
      psk: psk.authenticator,
    }),
    verifyPeer: (leafDer, purpose) => {
      const verified = members.verify(leafDer, purpose)
      return isRefusal(verified) ? verified : undefined
    },
    pin: (peer) => refuseUnpinned(fabric.directory, peer),
    recheck: (peer) => members.check(peer) ?? psk.recheck(peer),
    helloState: () => ({ directory: fabric.directory.current?.object, updateCounter: 0 }),
  }
}
