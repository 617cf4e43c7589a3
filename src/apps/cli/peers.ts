import { isRefusal, type Refusal, refuse, silentLog } from '../../foundation/base/index.ts'
import type { ProfileName } from '../../foundation/profiles/index.ts'
import { createAdmission } from '../../network/admission/index.ts'
import { SESSION_LIMITS } from '../../network/session/index.ts'
import type { DirectoryEntry } from '../../trust/pki/index.ts'
import {
  createPeerRuntime,
  type Member,
  memberSelf,
  type OpenSession,
  type PeerRuntime,
  routesTo,
} from '../node/index.ts'
import type { CliWorld } from './context.ts'
import { cliErrors } from './errors.ts'

const AUTHORITY_TIMEOUT_MS = 5000
/** A lock list that is older is fetched anew before a peer is trusted. */
const STALE_MS = 10 * 60_000
/** Longest silence of the authority then: calls between peers must not depend on it. */
const STALE_TIMEOUT_MS = 1500
/** How often a process that closes its sessions is woken to no purpose. */
const ALIVE_MS = 1000

/** An open session with a peer, straight to it. */
export interface PeerConnection {
  readonly open: OpenSession
  readonly entry: DirectoryEntry
}

/** Connections of one principal to its peers. */
export interface Peers {
  /**
   * Connects straight to a peer by its name in the signed directory. The cached directory is enough;
   * the authority is asked only when the lock list has aged, and when the name or the address does
   * not work any more.
   *
   * @throws {@link KosError} KOS_CLI_UNKNOWN_PEER, KOS_CLI_UNREACHABLE, KOS_CLI_NO_SESSION, KOS_CLI_LOCKED
   */
  connect(name: string): Promise<PeerConnection>
  /** Fetches a lock list that has aged, and ends the sessions of peers that it names. */
  freshen(): Promise<void>
  /** Takes what changed in bundle and lock list into account: new dials, and open sessions. */
  recheck(): void
  /** Ends all sessions at once. */
  close(): Promise<void>
}

/** Makes the connections of one principal; the member stays open as long as they are used. */
export function openPeers({ random }: Pick<CliWorld, 'random'>, member: Member): Peers {
  const runtime = createPeerRuntime(
    {
      clock: member.clock,
      random,
      log: silentLog,
      admission: createAdmission({ clock: member.clock, onRefusals: () => undefined }),
      self: memberSelf(member),
    },
    SESSION_LIMITS,
  )
  const recheck = (): void => {
    runtime.updateIdentity()
    runtime.recheckSessions()
  }
  return {
    connect: (name) => connectBy(name, member, runtime),
    freshen: async () => {
      if (!isStale(member)) return
      await refresh(member, STALE_TIMEOUT_MS)
      recheck()
    },
    recheck,
    close: async () => {
      // Nothing of ours runs any more: there is nothing to drain.
      for (const { session } of runtime.sessions) session.close('done')
      // Timers of the clock let the process end: it must not before the last bytes have left.
      const alive = setInterval(() => undefined, ALIVE_MS)
      await runtime.close().finally(() => clearInterval(alive))
    },
  }
}

async function connectBy(
  name: string,
  member: Member,
  runtime: PeerRuntime,
): Promise<PeerConnection> {
  if (isStale(member)) await refresh(member, STALE_TIMEOUT_MS)
  const cached = findEntry(member, name)
  const first = cached ? await dialEntry(member.membership.profile, runtime, cached) : undefined
  if (cached && first && !isRefusal(first)) return { open: first, entry: cached }
  const isFresh = await refresh(member, AUTHORITY_TIMEOUT_MS)
  // A new bundle may name another intermediate.
  runtime.updateIdentity()
  const entry = findEntry(member, name)
  if (!entry) {
    throw isFresh
      ? cliErrors.error('KOS_CLI_UNKNOWN_PEER', { name })
      : cliErrors.error('KOS_CLI_UNREACHABLE', { name, rule: 'directory' })
  }
  const open = await dialEntry(member.membership.profile, runtime, entry)
  if (!isRefusal(open)) return { open, entry }
  // Of another profile, not out of reach: no address and no waiting helps.
  if (open.rule.startsWith('matrix: ')) {
    throw cliErrors.error('KOS_CLI_NO_SESSION', { name, profile: entry.profile, rule: open.rule })
  }
  if (open.code === 'KOS_PKI_LOCKED') throw cliErrors.error('KOS_CLI_LOCKED', { name })
  const address = entry.addresses[0] ?? '-'
  throw cliErrors.error('KOS_CLI_UNREACHABLE', { name, address, rule: open.rule })
}

/** What the signed directory says of a peer, by its name or id. */
export function findEntry(member: Member, name: string): DirectoryEntry | undefined {
  const { directory } = member.fabric
  return directory.byName(name) ?? directory.byId(name)
}

async function dialEntry(
  floor: ProfileName,
  runtime: PeerRuntime,
  entry: DirectoryEntry,
): Promise<OpenSession | Refusal> {
  let last: Refusal = refuse('KOS_CLI_UNREACHABLE', 'no-address')
  const routes = routesTo(floor, entry)
  if (isRefusal(routes)) return routes
  for (const at of routes) {
    const open = await runtime.dial(at, entry.uri)
    if (!isRefusal(open)) return open
    last = open
  }
  return last
}

/** What asks the authority is loaded when it is asked: mostly it is not. */
async function refresh(member: Member, timeoutMs: number): Promise<boolean> {
  const { refreshObjects } = await import('./objects.ts')
  return refreshObjects(member, timeoutMs)
}

function isStale({ clock, fabric }: Member): boolean {
  return clock.wallMs() - (fabric.locks.current?.object.issuedAt ?? 0) > STALE_MS
}
