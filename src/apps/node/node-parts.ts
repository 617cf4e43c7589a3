import { type Clock, isRefusal, type Log, type Refusal } from '../../foundation/base/index.ts'
import { profileOf, type ProfileName } from '../../foundation/profiles/index.ts'
import type { Enforcement } from '../../foundation/pipeline/index.ts'
import type { Store } from '../../foundation/storage/index.ts'
import {
  type Catalog,
  type CommandSecrets,
  createBuiltins,
  DEFAULT_PROGRAMS,
  policyExplainCommand,
  type ProcessOptions,
  programLimits,
  readAllowedPrograms,
  readHostInfo,
  readHostStatus,
  type SystemPort,
} from '../../commands/catalog/index.ts'
import {
  createExecutor,
  DEFAULT_EXECUTOR_LIMITS,
  type Executor,
} from '../../commands/execution/index.ts'
import {
  createProgramRunner,
  DEFAULT_PROBE_OPTIONS,
  type SandboxRunner,
  type ProbeHost,
  systemProbeHost,
} from '../../commands/sandbox/index.ts'
import {
  type Admission,
  type AdmissionLimits,
  createAdmission,
} from '../../network/admission/index.ts'
import { SESSION_LIMITS } from '../../network/session/index.ts'
import { type AuditLog, createCallRecorder } from '../../trust/audit/index.ts'
import { ensureValueKey } from '../../trust/keys/index.ts'
import {
  createAuthorisePort,
  createManifestVerifier,
  createPolicyEngine,
  type PolicyEngine,
} from '../../trust/policy/index.ts'
import { formatHostPort, type HostPort, parseHostPort, reachableHosts } from './addresses.ts'
import { type AuthorityLink, createAuthorityLink } from './authority-link.ts'
import { consultAuthority } from './consult.ts'
import {
  enforceCalls,
  enforceHandshake,
  type LoadedEnforcement,
  loadEnforcement,
} from './enforcement.ts'
import { nodeErrors } from './errors.ts'
import { memberFabricCommands } from './fabric-commands.ts'
import type { FloorClock } from './floor-clock.ts'
import type { OnFloorRefused } from './floor-gate.ts'
import { floorRecorder, profileRecorder } from './floor-records.ts'
import { listenerAddresses, type OpenListeners } from './listeners.ts'
import { bindMachine, machineMarks, type MachineMarks } from './machine.ts'
import { type Member, openMember } from './member.ts'
import { openNodeLog, openNodeStore } from './node-store.ts'
import type { ObjectKind } from './object-files.ts'
import { askPeerForLocks, carriesLocks, locksAfter } from './peer-locks.ts'
import { createPeerRuntime, type OpenSession, type PeerRuntime } from './peer-runtime.ts'
import { createPolicyExplainer } from './policy-explainer.ts'
import { createPolicyFacts } from './policy-facts.ts'
import {
  callLog,
  disagreementRecorder,
  recordSoon,
  refusalRecorder,
  sessionRecorder,
} from './recorders.ts'
import { takePsk } from './psk-credential.ts'
import { type CertificateQuestion, createCertificateQuestion } from './refused-certificate.ts'
import { createRenewalSchedule, type RenewalSchedule } from './renewal.ts'
import { memberSelf } from './self.ts'
import { createStandbyLink, type StandbyLink } from './standby-link.ts'
import { lockFreshness, memberStandby, recordFreshBy, vouchWith } from './standby-parts.ts'
import type { StandbySigner } from './standby-signer.ts'
import { secretFoldersOf, type UserCommands } from './user-commands.ts'
import { createNodeCatalog, type NodeCatalog } from './user-commands-catalog.ts'
import { KOS_VERSION } from './version.ts'
import type { UnlockDeps } from './unlock.ts'

/** What a node needs of the world. */
export interface NodeDeps extends UnlockDeps {
  readonly clock: Clock
  readonly log: Log
  /** Where the sandbox looks for what it needs; this machine when absent. */
  readonly probeHost?: ProbeHost
}

/** How a node is configured. */
export interface NodeOptions {
  readonly folder: string
  readonly listen: HostPort
  /** Whether the port was asked for; otherwise a taken default port is replaced by a free one. */
  readonly isPortFixed: boolean
  /** Narrows the listeners beside that of the own floor; absent: all that the floor may have. */
  readonly listeners?: readonly ProfileName[] | undefined
  /** host:port that peers are told; the listener's own by default. */
  readonly advertise: string | undefined
  /** Folder that `files.list` and `files.read` offer as `share`. */
  readonly shareFolder: string
  /** Folder of the command files; `commands` in the state folder by default. */
  readonly commandsFolder?: string
  /** File of the programs that `process.run` may start; a few that only look by default. */
  readonly programsFile?: string
  /** 32 bytes that this machine is known by, for SEC-1; made of its MAC address and id by default. */
  readonly machine?: Uint8Array
  /** What tells this machine from others; looked up by default. */
  readonly marks?: MachineMarks
  /** The keys moved here with the disk, for good. */
  readonly isMoved?: boolean
  /** File of enforcement modules; none by default. */
  readonly enforcementFile?: string
  /** Bounds of the gate; the protocol's by default. */
  readonly admission?: Partial<AdmissionLimits>
  /** SHA-256 of the file that these options come from, in hexadecimal, for the record; none by default. */
  readonly configuration?: string | undefined
  /** Secrets that command files may hand to their programs; none by default. */
  readonly secrets?: CommandSecrets
  /** Offers itself as a standby signer, and vouches for the lock list once an operator permits it. */
  readonly standby?: boolean
}

/** Longest silence of the authority when it is asked for the time. */
export const TIME_TIMEOUT_MS = 3000

/** Everything a running node is made of. */
export interface NodeParts {
  readonly clock: FloorClock
  readonly member: Member
  readonly store: Store<object>
  readonly audit: AuditLog
  readonly engine: PolicyEngine
  readonly admission: Admission
  readonly enforcement: LoadedEnforcement
  readonly runtime: PeerRuntime
  readonly executor: Executor
  readonly programs: SandboxRunner
  readonly userCommands: UserCommands
  readonly link: AuthorityLink
  /** Absent: this node is none. */
  readonly signer: StandbySigner | undefined
  readonly standbys: StandbyLink
  readonly renewal: RenewalSchedule
  readonly question: CertificateQuestion
  /** Of the listener of the own floor. */
  address: HostPort | undefined
  listeners: OpenListeners
  addresses(): readonly string[]
}

type Opened = Pick<NodeParts, 'member' | 'engine' | 'store' | 'audit'>

/**
 * Opens the state of a node and wires it. Nothing listens or connects yet.
 *
 * @throws {@link KosError} KOS_NODE_IN_USE, KOS_NODE_NOT_JOINED, KOS_NODE_STATE, KOS_CATALOG_PROGRAMS,
 * storage and audit errors
 */
export async function openParts(deps: NodeDeps, options: NodeOptions): Promise<NodeParts> {
  // The store first: its lock keeps another kosd from the whole folder.
  const store = openNodeStore(deps, options.folder)
  let member: Member | undefined
  try {
    const policy = createLatePolicy(deps.log)
    // The audit log opens with the member's keys: who records comes after who asks.
    const recorder: { onFloorRefused?: OnFloorRefused } = {}
    member = openMember(deps, {
      folder: options.folder,
      machine: options.machine,
      acceptManifest: policy.accept,
      onFloorRefused: (peer, refusal) => recorder.onFloorRefused?.(peer, refusal),
      onKeepFailed: (kind, error) => {
        deps.log.event('object.not-kept', { kind, error: String(error) }, 'error')
      },
    })
    if (!member) throw nodeErrors.error('KOS_NODE_NOT_JOINED')
    ensureValueKey(deps, member.keys)
    bindMachine(member.keys, options.marks ?? machineMarks(), options.isMoved)
    const timed = { ...deps, clock: member.clock }
    const engine = policy.start(member)
    const audit = await openNodeLog(timed, { store, member })
    recorder.onFloorRefused = floorRecorder({ ...timed, audit }, member.membership.principal.uri)
    return assemble(timed, { member, engine, store, audit }, options)
  } catch (error) {
    member?.close()
    store.close()
    throw error
  }
}

type TimedDeps = NodeDeps & { readonly clock: FloorClock }

function assemble(deps: TimedDeps, opened: Opened, options: NodeOptions): NodeParts {
  const { member, audit } = opened
  const { uri } = member.membership.principal
  const { quota } = profileOf(member.membership.profile)
  const allowed = allowedPrograms(options)
  const programs = createProgramRunner(
    { host: deps.probeHost ?? systemProbeHost, clock: deps.clock, log: deps.log },
    { probe: DEFAULT_PROBE_OPTIONS, maxRuns: quota?.maxPrograms ?? 1 },
  )
  const { catalog, userCommands } = nodeCatalog({ ...deps, programs }, opened, {
    options,
    parts: () => parts,
    processes: quota && { runner: programs, programs: allowed, limits: programLimits(quota) },
  })
  const signer = options.standby ? memberStandby(deps, member) : undefined
  const enforcement = loadEnforcement(deps, options.enforcementFile)
  const executor = createNodeExecutor(deps, opened, { catalog, enforcement })
  const admission = createAdmission(
    { clock: deps.clock, enforcement, onRefusals: refusalRecorder(deps.log, audit, uri) },
    options.admission ? { limits: options.admission } : {},
  )
  const record = sessionRecorder(deps.log, audit, uri)
  const runtime = createPeerRuntime(
    {
      ...deps,
      admission,
      self: memberSelf(member),
      enforce: enforceHandshake({ ...deps, enforcement, audit }, uri),
      onCall: (authenticated, call) => executor.execute(authenticated, call),
      resumes: true,
      onSession: (open, phase, reason) => {
        record(open, phase, reason)
        if (phase === 'opened') askForLocks(parts, open)
      },
      onRefused: profileRecorder({ ...deps, audit }, uri),
      onDisagreement: disagreementRecorder(deps.log, audit, uri),
    },
    SESSION_LIMITS,
  )
  const addresses = (): readonly string[] => advertisedAddresses(options, parts.address)
  const parts: NodeParts = {
    ...opened,
    clock: deps.clock,
    executor,
    programs,
    userCommands,
    admission,
    enforcement,
    runtime,
    signer,
    standbys: standbyLink(deps, opened, () => parts),
    addresses,
    address: undefined,
    listeners: new Map(),
    question: createCertificateQuestion({ clock: deps.clock, member }),
    renewal: createRenewalSchedule({
      ...deps,
      member,
      addresses,
      onRenewed: () => runtime.updateIdentity(),
    }),
    link: createAuthorityLink({
      ...deps,
      runtime,
      fabric: member.fabric,
      audit,
      addresses,
      listeners: () => listenerAddresses(parts.listeners, (at) => reachedAt(options, at)),
      floor: () => member.membership.profile,
      standby: signer?.offer,
      authorityAddress: () => member.membership.session,
      onApplied: (kinds) => applied(deps, parts, kinds),
      onRefused: (kind, refusal) => objectRefused(deps, opened, { kind, refusal }),
      onUnreachable: (refusal) => askWhy(deps, parts, refusal),
    }),
  }
  return parts
}

function standbyLink(deps: TimedDeps, opened: Opened, parts: () => NodeParts): StandbyLink {
  const { member } = opened
  return createStandbyLink({
    ...deps,
    fabric: member.fabric,
    own: member.membership.principal.uri,
    signer: () => parts().signer,
    dial: (at, uri) => parts().runtime.dial(at, uri),
    floor: () => member.membership.profile,
    hasAuthority: () => parts().link.isConnected,
    takeLocks: (signed) => parts().link.takeLocks(signed),
    onFreshBy: (by) => recordFreshBy(deps, opened, by),
  })
}

function nodeCatalog(
  deps: TimedDeps & Pick<NodeParts, 'programs'>,
  opened: Opened,
  wiring: {
    readonly options: NodeOptions
    readonly parts: () => NodeParts
    readonly processes: ProcessOptions | undefined
  },
): NodeCatalog {
  const { member, engine, audit } = opened
  const { options, parts, processes } = wiring
  const made: NodeCatalog = createNodeCatalog(
    { ...deps, audit },
    {
      builtins: [
        ...createBuiltins(
          { system: systemPort(deps, opened, parts) },
          {
            fileRoots: [{ name: 'share', directory: options.shareFolder }],
            ...(processes && { programs: processes }),
          },
        ),
        ...memberFabricCommands({
          notice: (kinds, locks) => noticed(parts().link, kinds, locks),
          locksAfter: (held) => locksAfter(member.fabric.locks, held),
          renew: (generation) => {
            if (member.membership.generation <= generation) parts().renewal.now()
          },
          ...(options.standby && {
            vouch: (question, locks) => vouchWith(parts(), question, locks),
          }),
          ...(member.membership.psk && {
            psk: (next) => {
              const refusal = takePsk(member, next)
              if (!refusal) parts().runtime.updateIdentity()
              return refusal
            },
          }),
        }),
        policyExplainCommand(
          createPolicyExplainer({ member, engine, catalog: () => made.catalog }),
        ),
      ],
      stateFolder: options.folder,
      commandsFolder: options.commandsFolder,
      secrets: options.secrets,
      quota: profileOf(member.membership.profile).quota,
      target: member.membership.principal.uri,
    },
  )
  return made
}

function allowedPrograms({ programsFile, folder }: NodeOptions): ProcessOptions['programs'] {
  if (programsFile === undefined) return DEFAULT_PROGRAMS
  const secretFolders = secretFoldersOf([folder])
  return readAllowedPrograms(programsFile, { userId: process.getuid?.() ?? 0, secretFolders })
}

function createNodeExecutor(
  deps: TimedDeps,
  opened: Opened,
  { catalog, enforcement }: { readonly catalog: Catalog; readonly enforcement: Enforcement },
): Executor {
  const { member, engine, audit } = opened
  return createExecutor(
    {
      catalog,
      authorise: enforceCalls(createAuthorisePort(engine, policyPort(member)), enforcement),
      record: createCallRecorder(callLog(audit), { target: member.membership.principal.uri }),
      clock: deps.clock,
      log: deps.log,
    },
    { profile: profileOf(member.membership.profile), limits: DEFAULT_EXECUTOR_LIMITS },
  )
}

function advertisedAddresses(options: NodeOptions, bound: HostPort | undefined): readonly string[] {
  const { advertise } = options
  if (advertise !== undefined) return [advertise]
  return bound ? reachedAt(options, bound) : []
}

/** Who is told of one address is told of all listeners at that host. */
function reachedAt({ advertise }: NodeOptions, { host, port }: HostPort): readonly string[] {
  const told = advertise === undefined ? undefined : parseHostPort(advertise)
  if (told) return [formatHostPort({ host: told.host, port })]
  return reachableHosts(host).map((reached) => formatHostPort({ host: reached, port }))
}

/** How soon an authority that was restored is asked again, and as much by chance. */
const RESTORED_POLL_MS = 8000

/**
 * A session may fail because the own clock is behind what the floor knows, or because the authority was
 * restored and signs by an intermediate that is not known here: it is asked. A clock that is ahead can
 * only be set by whoever runs the machine.
 */
async function consult(deps: TimedDeps, parts: NodeParts): Promise<number | undefined> {
  try {
    const { movedMs, isRebundled, isWaiting, refused } = await consultAuthority(
      parts.member,
      TIME_TIMEOUT_MS,
    )
    if (refused) {
      const { code, rule } = refused
      deps.log.event('recovery.refused', { code, rule }, 'error')
    }
    if (isRebundled) applied(deps, parts, ['bundle'])
    if (movedMs >= 1000) {
      deps.log.event('clock.raised', { durationMs: Math.round(movedMs) }, 'warn')
      parts.renewal.arm()
    }
    if (isWaiting) return RESTORED_POLL_MS * (1 + deps.random.fraction())
    return isRebundled || movedMs >= 1000 ? 0 : undefined
  } catch (error) {
    const code = nodeErrors.has(error) ? error.code : String(error)
    const isAway = code === 'KOS_NODE_AUTHORITY_UNREACHABLE'
    deps.log.event('clock.not-compared', { code }, isAway ? 'debug' : 'warn')
    return undefined
  }
}

/** The clocks, a restore, and last the own certificate: one that was revoked is replaced. */
async function askWhy(
  deps: TimedDeps,
  parts: NodeParts,
  refusal: Refusal,
): Promise<number | undefined> {
  const waitMs = await consult(deps, parts)
  if (waitMs !== undefined) return waitMs
  try {
    if (await parts.question.isRefused(refusal)) parts.renewal.now()
  } catch (error) {
    deps.log.event('certificate.not-asked', { error: String(error) }, 'debug')
  }
  return undefined
}

/** The series of manifests that a node is sent. */
const FLEET = { layer: 'fleet', subject: 'any' } as const

/** The policy engine exists before the member's manifest is read, and the member before its keys. */
function createLatePolicy(log: Log): {
  accept: NonNullable<Parameters<typeof openMember>[1]['acceptManifest']>
  start(member: Member): PolicyEngine
} {
  let engine: PolicyEngine | undefined
  let waiting:
    | Parameters<NonNullable<Parameters<typeof openMember>[1]['acceptManifest']>>[0]
    | undefined
  return {
    accept: (manifest): Refusal | undefined => {
      if (!engine) {
        waiting = manifest
        return undefined
      }
      const loaded = engine.load(manifest, { layer: 'fleet' })
      return isRefusal(loaded) ? loaded : undefined
    },
    start: (member): PolicyEngine => {
      // The kept manifest is the floor also when it has expired and is not in force any more.
      const floors = waiting ? [{ ...FLEET, era: waiting.era, number: waiting.number }] : []
      const verify = createManifestVerifier(() => member.fabric.bundle)
      engine = createPolicyEngine({ clock: member.clock, log, verify }, { floors })
      const loaded = waiting && engine.load(waiting, { layer: 'fleet' })
      if (isRefusal(loaded)) log.event('manifest.refused', { rule: loaded.rule }, 'error')
      return engine
    },
  }
}

function policyPort(member: Member): Parameters<typeof createAuthorisePort>[1] {
  const facts = createPolicyFacts(member.fabric.directory, () => ({
    principal: member.membership.principal,
    floor: profileOf(member.membership.profile),
  }))
  return { selfFacts: () => facts.self(), peerFacts: (authenticated) => facts.peer(authenticated) }
}

/** While the authority is out of reach, peers say what it has locked. */
function askForLocks({ link, member }: NodeParts, open: OpenSession): void {
  if (link.isConnected || !carriesLocks(open)) return
  void askPeerForLocks(open, member.fabric.locks, (signed) => link.takeLocks(signed))
}

/** A lock list that came along counts at once; whatever else is named is fetched. */
function noticed(
  link: AuthorityLink,
  kinds: readonly ObjectKind[],
  locks: Uint8Array | undefined,
): void {
  if (!locks) return void link.fetch(kinds)
  // Its key or era may be younger than the bundle that is held.
  const missing = isRefusal(link.takeLocks(locks)) ? (['bundle', 'locks'] as const) : []
  const others = kinds.filter((kind) => kind !== 'locks')
  return void link.fetch([...new Set([...missing, ...others])])
}

/** Somebody handed in an object that is older, forked or not genuine. */
function objectRefused(
  deps: NodeDeps,
  { audit, member }: Pick<Opened, 'audit' | 'member'>,
  { kind, refusal }: { readonly kind: ObjectKind; readonly refusal: Refusal },
): void {
  recordSoon(audit, deps.log, {
    type: 'refusal',
    actor: '-',
    target: member.membership.principal.uri,
    action: `${kind}.apply`,
    outcome: 'refused',
    code: refusal.code,
    rule: refusal.rule,
  })
}

/** After new objects: who became unwelcome is cut off, and it is recorded. */
function applied(
  deps: NodeDeps,
  parts: Pick<NodeParts, 'runtime' | 'executor' | 'audit' | 'member' | 'renewal'>,
  kinds: readonly ObjectKind[],
): void {
  const isRechecked = kinds.includes('locks') || kinds.includes('directory')
  const closed = isRechecked ? parts.runtime.recheckSessions() : 0
  // Rights come from the manifest and from what the directory says of both ends.
  const mayNarrow = kinds.includes('manifest') || kinds.includes('directory')
  const stopped = mayNarrow ? parts.executor.recheck() : 0
  if (stopped > 0) deps.log.event('calls.stopped', { count: stopped })
  if (kinds.includes('bundle')) {
    parts.runtime.updateIdentity()
    parts.renewal.arm()
  }
  for (const kind of kinds) {
    recordSoon(parts.audit, deps.log, {
      type: kind === 'locks' ? 'lock' : 'policy',
      actor: '-',
      target: parts.member.membership.principal.uri,
      action: `${kind}.apply`,
      outcome: 'ok',
      ...(kind === 'locks' && { detail: { closed } }),
    })
    deps.log.event('object.applied', { kind })
  }
}

function systemPort(
  deps: NodeDeps,
  opened: Pick<NodeParts, 'member' | 'audit'>,
  parts: () => NodeParts,
): SystemPort {
  const startedAt = deps.clock.monotonicMs()
  return {
    status: () => ({
      ...readHostStatus(),
      daemonUptimeMs: Math.round(deps.clock.monotonicMs() - startedAt),
      residentBytes: process.memoryUsage.rss(),
      sessions: parts().runtime.sessions.size,
      runningCalls: parts().executor.runningCalls,
      auditHealthy: opened.audit.healthy,
      ...lockFreshness(opened.member),
    }),
    info: () => ({
      ...readHostInfo(),
      kosVersion: KOS_VERSION,
      profile: opened.member.membership.profile,
    }),
  }
}
