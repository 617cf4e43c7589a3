import { mkdirSync } from 'node:fs'
import { type CancelTimer, isRefusal } from '../../foundation/base/index.ts'
import { listenersOf, profileOf } from '../../foundation/profiles/index.ts'
import type { AuditLog } from '../../trust/audit/index.ts'
import { formatHostPort, type HostPort } from './addresses.ts'
import type { AuthorityLink } from './authority-link.ts'
import { consultAuthority } from './consult.ts'
import { renewMembership } from './enrol.ts'
import { configurationEvent, describeEnforcement, enforcementEvent } from './enforcement.ts'
import { nodeErrors } from './errors.ts'
import { recordInterrupted } from './interrupted.ts'
import { type OpenListeners, openListeners } from './listeners.ts'
import { watchLockAge } from './lock-watch.ts'
import type { Member } from './member.ts'
import {
  type NodeDeps,
  type NodeOptions,
  type NodeParts,
  openParts,
  TIME_TIMEOUT_MS,
} from './node-parts.ts'
import type { OpenSession, PeerRuntime } from './peer-runtime.ts'
import type { StandbySigner } from './standby-signer.ts'
import { defaultCommandsFolder } from './user-commands-catalog.ts'

/** A running node. */
export interface RunningNode {
  readonly member: Member
  /** Of the listener of the own floor; port 0 when the floor has none. */
  readonly address: HostPort
  readonly listeners: OpenListeners
  readonly audit: AuditLog
  readonly link: AuthorityLink
  readonly sessions: ReadonlySet<OpenSession>
  /** What vouches for the lock list; absent: this node is no standby signer. */
  readonly standby: StandbySigner | undefined
  /** Enforcement modules per profile, one line; `none`. */
  readonly enforcement: string
  /** Looks at the command files at once. */
  reloadCommands(): void
  /** Says goodbye and closes everything; harmless when repeated. */
  stop(): Promise<void>
}

/** A device that only dials. */
const NO_LISTENER: HostPort = Object.freeze({ host: '-', port: 0 })
const START = 'node.start'
const STOP = 'node.stop'
/** Refusals before authentication are recorded once per minute. */
const REFUSALS_MS = 60_000

/**
 * Starts a joined node: opens its state, tests itself, listens, and keeps a session with its
 * authority.
 *
 * @throws {@link KosError} KOS_NODE_IN_USE, KOS_NODE_NOT_JOINED, KOS_NODE_STATE, KOS_NODE_CLOCK,
 * KOS_NODE_REFUSED, KOS_NODE_SELF_TEST, KOS_NODE_LISTEN, storage and audit errors
 */
export async function startNode(deps: NodeDeps, options: NodeOptions): Promise<RunningNode> {
  mkdirSync(options.shareFolder, { recursive: true, mode: 0o700 })
  const commands = options.commandsFolder ?? defaultCommandsFolder(options.folder)
  mkdirSync(commands, { recursive: true, mode: 0o700 })
  const parts = await openParts(deps, options)
  const { member, audit, runtime, link } = parts
  try {
    const interrupted = await recordInterrupted(audit, START)
    if (interrupted > 0) deps.log.event('calls.interrupted', { count: interrupted }, 'warn')
    await compareClock(deps, member)
    await ensureValid(parts)
    parts.userCommands.start()
    const listeners = await serve(parts, options)
    const [address] = listeners.values()
    parts.address = address
    parts.listeners = listeners
    link.start()
    if (!member.membership.psk) parts.standbys.start()
    parts.renewal.arm()
    const stopRefusals = recordRefusals(parts)
    const stopWatch = watchLocks(deps, parts)
    const shown = address ? formatHostPort(address) : 'none'
    deps.log.event('node.ready', { name: member.membership.name, address: shown })
    return {
      member,
      address: address ?? NO_LISTENER,
      listeners,
      audit,
      link,
      sessions: runtime.sessions,
      standby: parts.signer,
      enforcement: describeEnforcement(parts.enforcement),
      reloadCommands: () => parts.userCommands.reload(),
      stop: once(async () => {
        stopRefusals()
        stopWatch()
        parts.standbys.stop()
        parts.renewal.stop()
        await audit.append(systemEvent(member, STOP)).catch(() => undefined)
        await link.stop()
        await closeParts(parts)
      }),
    }
  } catch (error) {
    await closeParts(parts).catch(() => undefined)
    throw error
  }
}

/** Stopping again waits for the first stop. */
function once(stop: () => Promise<void>): () => Promise<void> {
  let stopped: Promise<void> | undefined
  return () => (stopped ??= stop())
}

async function closeParts(parts: NodeParts): Promise<void> {
  parts.userCommands.stop()
  await parts.runtime.close()
  await parts.executor.close()
  await parts.programs.close()
  await parts.audit.close().finally(() => {
    parts.store.close()
    parts.member.close()
  })
}

/**
 * A clock that is ahead is a reason not to serve; an authority that is away is none. One that was restored
 * is told what it lacks.
 */
async function compareClock(deps: NodeDeps, member: Member): Promise<void> {
  try {
    await consultAuthority(member, TIME_TIMEOUT_MS)
  } catch (error) {
    if (!nodeErrors.has(error) || error.code === 'KOS_NODE_CLOCK') throw error
    deps.log.event('clock.not-compared', { code: error.code }, 'warn')
  }
}

/** An ended certificate is renewed before anything is served. */
async function ensureValid(parts: NodeParts): Promise<void> {
  const { clock, member } = parts
  if (clock.wallMs() < member.validity.notAfter) return
  // Where it listens is not known yet; the authority is told later.
  const refusal = await renewMembership(member, { addresses: [] })
  if (!refusal) {
    parts.runtime.updateIdentity()
    return
  }
  const { code, rule } = refusal
  throw nodeErrors.error('KOS_NODE_REFUSED', { code, rule })
}

/** The start is recorded before the first call can come: the next start looks behind it for intents. */
async function serve(parts: NodeParts, options: NodeOptions): Promise<OpenListeners> {
  const { audit, member } = parts
  await audit.append(systemEvent(member, START))
  const modules = enforcementEvent(parts.enforcement, member.membership.principal.uri)
  if (modules) await audit.append(modules)
  const loaded = configurationEvent(options.configuration, member.membership.principal.uri)
  if (loaded) await audit.append(loaded)
  try {
    return await listen(parts, options)
  } catch (error) {
    await audit.append(systemEvent(member, STOP)).catch(() => undefined)
    throw error
  }
}

async function listen(
  { runtime, member }: NodeParts,
  options: NodeOptions,
): Promise<OpenListeners> {
  const floor = profileOf(member.membership.profile)
  // Nobody can open a session with a device whose key only the authority has.
  if (listenersOf(floor.name).length === 0) return new Map()
  const open = await openListeners((...how) => runtime.listen(...how), {
    ...options,
    floor,
    possible: listenersOf(floor.name),
    wanted: options.listeners,
  })
  if (!isRefusal(open)) return open
  const where = { address: formatHostPort(options.listen), reason: open.rule }
  throw open.code === 'KOS_TRANSPORT_SELF_TEST'
    ? nodeErrors.error('KOS_NODE_SELF_TEST', { check: open.rule })
    : nodeErrors.error('KOS_NODE_LISTEN', where)
}

function recordRefusals({ clock, admission }: NodeParts): () => void {
  let cancel: CancelTimer
  const arm = (): void => {
    cancel = clock.after(REFUSALS_MS, () => {
      admission.flush()
      arm()
    })
  }
  arm()
  return () => {
    cancel()
    admission.flush()
  }
}

function watchLocks(deps: NodeDeps, { clock, member, runtime }: NodeParts): () => void {
  return watchLockAge({ clock, locks: member.fabric.locks }, () => {
    const count = runtime.recheckSessions()
    cutStandbys(member, runtime)
    if (count > 0) deps.log.event('locks.stale', { count }, 'warn')
  })
}

/** A standby signer may come back and make the list young; what it runs here ends like everything else. */
function cutStandbys({ locks }: Member, runtime: PeerRuntime): void {
  const stale = [...runtime.sessions].filter(({ authenticated }) =>
    locks.checkAge(authenticated.peer),
  )
  for (const { authenticated } of stale) {
    runtime.disconnect(authenticated.peer.principal.uri, 'stale')
  }
}

function systemEvent(member: Member, action: string): Parameters<AuditLog['append']>[0] {
  const { uri } = member.membership.principal
  return { type: 'system', actor: uri, target: uri, action, outcome: 'ok' }
}
