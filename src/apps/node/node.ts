import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CancelTimer,
  type Clock,
  isRefusal,
  type Log,
  type Random,
  type Refusal,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { openStore, type Store } from '../../foundation/storage/index.ts'
import {
  createBuiltins,
  createCatalog,
  readHostInfo,
  readHostStatus,
  type SystemPort,
} from '../../commands/catalog/index.ts'
import {
  createExecutor,
  DEFAULT_EXECUTOR_LIMITS,
  type Executor,
} from '../../commands/execution/index.ts'
import { type AdmissionLimits, createAdmission } from '../../network/admission/index.ts'
import { SESSION_LIMITS } from '../../network/session/index.ts'
import {
  type AuditLog,
  auditTables,
  createAuditLog,
  createCallRecorder,
} from '../../trust/audit/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'
import {
  createAuthorisePort,
  createManifestVerifier,
  createPolicyEngine,
  type PolicyEngine,
} from '../../trust/policy/index.ts'
import { formatHostPort, type HostPort } from './addresses.ts'
import { type AuthorityLink, createAuthorityLink } from './authority-link.ts'
import { renewMembership } from './enrol.ts'
import { nodeErrors } from './errors.ts'
import { memberFabricCommands } from './fabric-commands.ts'
import { type Member, openMember } from './member.ts'
import type { ObjectKind } from './object-files.ts'
import { createPeerRuntime, type OpenSession, type PeerRuntime } from './peer-runtime.ts'
import { createPolicyFacts } from './policy-facts.ts'
import { refusalRecorder, sessionRecorder } from './recorders.ts'
import { memberSelf } from './self.ts'
import { KOS_VERSION } from './version.ts'

/** What a node needs of the world. */
export interface NodeDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** How a node is configured. */
export interface NodeOptions {
  readonly folder: string
  readonly listen: HostPort
  /** Whether the port was asked for; otherwise a taken default port is replaced by a free one. */
  readonly isPortFixed: boolean
  /** host:port that peers are told; the listener's own by default. */
  readonly advertise: string | undefined
  /** Folder that `files.list` and `files.read` offer as `share`. */
  readonly shareFolder: string
  /** Bounds of the gate; the protocol's by default. */
  readonly admission?: Partial<AdmissionLimits>
}

/** A running node. */
export interface RunningNode {
  readonly member: Member
  readonly address: HostPort
  readonly audit: AuditLog
  readonly link: AuthorityLink
  readonly sessions: ReadonlySet<OpenSession>
  stop(): Promise<void>
}

/**
 * Starts a joined node: opens its state, tests itself, listens, and keeps a session with its
 * authority.
 *
 * @throws {@link KosError} KOS_NODE_NOT_JOINED, KOS_NODE_SELF_TEST, KOS_NODE_STATE, storage errors
 */
export async function startNode(deps: NodeDeps, options: NodeOptions): Promise<RunningNode> {
  mkdirSync(options.shareFolder, { recursive: true, mode: 0o700 })
  const parts = await openParts(deps, options)
  const { member, audit, runtime, executor, store } = parts
  const timers = new Set<CancelTimer>()
  try {
    await ensureValid(deps, parts)
    const address = await runtime.listen(options.listen, options.isPortFixed)
    parts.address = address
    parts.link.start()
    scheduleRenewal(deps, parts, timers)
    await audit.append(systemEvent(member, 'node.start'))
    deps.log.event('node.ready', { name: member.membership.name, address: formatHostPort(address) })
    return {
      member,
      address,
      audit,
      link: parts.link,
      sessions: runtime.sessions,
      stop: async (): Promise<void> => {
        for (const cancel of timers) cancel()
        await audit.append(systemEvent(member, 'node.stop')).catch(() => undefined)
        await parts.link.stop()
        await runtime.close()
        await executor.close()
        await audit.close().finally(() => {
          store.close()
          member.close()
        })
      },
    }
  } catch (error) {
    await runtime.close()
    store.close()
    member.close()
    throw error
  }
}

/** Everything a running node is made of. */
interface NodeParts {
  readonly member: Member
  readonly store: Store<object>
  readonly audit: AuditLog
  readonly engine: PolicyEngine
  readonly runtime: PeerRuntime
  readonly executor: Executor
  readonly link: AuthorityLink
  address: HostPort | undefined
  addresses(): readonly string[]
}

async function openParts(deps: NodeDeps, options: NodeOptions): Promise<NodeParts> {
  const policy = createLatePolicy(deps)
  const member = openMember(deps, { folder: options.folder, acceptManifest: policy.accept })
  if (!member) throw nodeErrors.error('KOS_NODE_NOT_JOINED')
  const engine = policy.start(member)
  const store = openStore<object>(deps, {
    path: join(options.folder, 'node.sqlite'),
    migrations: [{ version: 1, ...auditTables }],
  })
  try {
    const audit = await createAuditLog(
      { ...deps, store, keys: logKeys(member) },
      { origin: logOrigin(member) },
    )
    return assemble(deps, { member, engine, store, audit, options })
  } catch (error) {
    store.close()
    member.close()
    throw error
  }
}

function assemble(
  deps: NodeDeps,
  opened: Pick<NodeParts, 'member' | 'engine' | 'store' | 'audit'> & {
    readonly options: NodeOptions
  },
): NodeParts {
  const { member, engine, audit, options } = opened
  const { fabric } = member
  const self = memberSelf(member)
  const executor: Executor = createExecutor(
    {
      catalog: createCatalog([
        ...createBuiltins(
          { system: systemPort(deps, opened, () => parts) },
          { fileRoots: [{ name: 'share', directory: options.shareFolder }] },
        ),
        ...memberFabricCommands({ notice: (kinds) => void parts.link.fetch(kinds) }),
      ]),
      authorise: createAuthorisePort(engine, policyPort(member)),
      record: createCallRecorder(audit, { target: member.membership.principal.uri }),
      clock: deps.clock,
      log: deps.log,
    },
    { profile: self.profile, limits: DEFAULT_EXECUTOR_LIMITS },
  )
  const runtime = createPeerRuntime(
    {
      ...deps,
      self,
      admission: createAdmission(
        {
          clock: deps.clock,
          onRefusals: refusalRecorder(audit, member.membership.principal.uri),
        },
        options.admission ? { limits: options.admission } : {},
      ),
      onCall: (authenticated, call) => executor.execute(authenticated, call),
      onSession: sessionRecorder(deps.log, audit, member.membership.principal.uri),
    },
    SESSION_LIMITS,
  )
  const parts: NodeParts = {
    ...opened,
    executor,
    runtime,
    address: undefined,
    addresses: () => {
      const { advertise } = options
      return advertise === undefined
        ? [formatHostPort(parts.address ?? options.listen)]
        : [advertise]
    },
    link: createAuthorityLink(
      {
        ...deps,
        runtime,
        fabric,
        audit,
        addresses: () => parts.addresses(),
        onApplied: (kinds) => applied(deps, { runtime, audit, member }, kinds),
      },
      () => member.membership.session,
    ),
  }
  return parts
}

/** The policy engine exists before the member's manifest is read, and the member before its keys. */
function createLatePolicy(deps: NodeDeps): {
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
      engine = createPolicyEngine({
        clock: deps.clock,
        log: deps.log,
        verify: createManifestVerifier(() => member.fabric.bundle),
      })
      const loaded = waiting && engine.load(waiting, { layer: 'fleet' })
      if (isRefusal(loaded)) deps.log.event('manifest.refused', { rule: loaded.rule }, 'error')
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

/** After new objects: who became unwelcome is cut off, and it is recorded. */
function applied(
  deps: NodeDeps,
  parts: Pick<NodeParts, 'runtime' | 'audit' | 'member'>,
  kinds: readonly ObjectKind[],
): void {
  const closed = kinds.includes('locks') ? parts.runtime.recheckSessions() : 0
  if (kinds.includes('bundle')) parts.runtime.updateIdentity()
  for (const kind of kinds) {
    parts.audit.appendSoon({
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

/** An ended certificate is renewed before anything is served; a lost authority is waited for. */
async function ensureValid(deps: NodeDeps, parts: NodeParts): Promise<void> {
  if (deps.clock.wallMs() < parts.member.validity.notAfter) return
  const refusal = await renewMembership(deps, parts.member, parts.addresses())
  if (refusal) throw nodeErrors.error('KOS_NODE_REFUSED', { rule: refusal.rule })
}

const RENEW_RETRY_MS = 30_000
const MAX_TIMER_MS = 24 * 60 * 60 * 1000

function scheduleRenewal(deps: NodeDeps, parts: NodeParts, timers: Set<CancelTimer>): void {
  const { notBefore, notAfter } = parts.member.validity
  const dueMs = renewAtMs(notBefore, notAfter, deps.random) - deps.clock.wallMs()
  const arm = (delayMs: number): void => {
    const cancel = deps.clock.after(Math.min(Math.max(delayMs, 0), MAX_TIMER_MS), () => {
      timers.delete(cancel)
      void renew(deps, parts).then((isDone) => {
        if (isDone) scheduleRenewal(deps, parts, timers)
        else arm(RENEW_RETRY_MS)
      })
    })
    timers.add(cancel)
  }
  arm(dueMs)
}

async function renew(deps: NodeDeps, parts: NodeParts): Promise<boolean> {
  try {
    const refusal = await renewMembership(deps, parts.member, parts.addresses())
    if (refusal) {
      deps.log.event('certificate.renewal-refused', { rule: refusal.rule }, 'error')
      return false
    }
    parts.runtime.updateIdentity()
    const { generation } = parts.member.membership
    deps.log.event('certificate.renewed', { number: generation })
    return true
  } catch (error) {
    deps.log.event('certificate.renewal-failed', { error: String(error) }, 'warn')
    return false
  }
}

function logKeys(member: Member): Parameters<typeof createAuditLog>[0]['keys'] {
  return {
    ed25519: member.keys.require('log-ed25519'),
    mlDsa44: member.keys.require('log-ml-dsa-44'),
  }
}

function logOrigin(member: Member): string {
  const { trustDomain, kind, id } = member.membership.principal
  return `${trustDomain}/${kind}/${id}`
}

function systemEvent(member: Member, action: string): Parameters<AuditLog['append']>[0] {
  const { uri } = member.membership.principal
  return { type: 'system', actor: uri, target: uri, action, outcome: 'ok' }
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
    }),
    info: () => ({
      ...readHostInfo(),
      kosVersion: KOS_VERSION,
      profile: opened.member.membership.profile,
    }),
  }
}
