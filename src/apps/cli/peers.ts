import { isRefusal, type Refusal, refuse, silentLog } from '../../foundation/base/index.ts'
import { createAdmission } from '../../network/admission/index.ts'
import { SESSION_LIMITS } from '../../network/session/index.ts'
import type { DirectoryEntry } from '../../trust/pki/index.ts'
import {
  createPeerRuntime,
  type Member,
  memberSelf,
  type OpenSession,
  parseHostPort,
  type PeerRuntime,
} from '../node/index.ts'
import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'

const AUTHORITY_TIMEOUT_MS = 5000
/** A lock list that is older is fetched anew before a peer is trusted. */
const STALE_MS = 10 * 60_000
/** Longest silence of the authority then: calls between peers must not depend on it. */
const STALE_TIMEOUT_MS = 1500

/** An open session with a peer, straight to it. */
export interface PeerConnection {
  readonly open: OpenSession
  readonly entry: DirectoryEntry
  close(): Promise<void>
}

/**
 * Connects straight to a peer by its name in the signed directory. The cached directory is enough;
 * the authority is asked only when the lock list has aged, and when the name or the address does not
 * work any more.
 *
 * @throws {@link KosError} KOS_CLI_UNKNOWN_PEER, KOS_CLI_UNREACHABLE
 */
export async function connectPeer(
  context: CliContext,
  member: Member,
  name: string,
): Promise<PeerConnection> {
  if (isStale(member)) await refresh(member, STALE_TIMEOUT_MS)
  const runtime = createPeerRuntime(
    {
      clock: member.clock,
      random: context.random,
      log: silentLog,
      admission: createAdmission({ clock: member.clock, onRefusals: () => undefined }),
      self: memberSelf(member),
    },
    SESSION_LIMITS,
  )
  const cached = findEntry(member, name)
  const first = cached ? await dialEntry(runtime, cached) : undefined
  if (cached && first && !isRefusal(first)) return connection(runtime, cached, first)
  const isFresh = await refresh(member, AUTHORITY_TIMEOUT_MS)
  // A new bundle may name another intermediate.
  runtime.updateIdentity()
  const entry = findEntry(member, name)
  if (!entry) {
    throw isFresh
      ? cliErrors.error('KOS_CLI_UNKNOWN_PEER', { name })
      : cliErrors.error('KOS_CLI_UNREACHABLE', { name, rule: 'directory' })
  }
  const open = await dialEntry(runtime, entry)
  if (!isRefusal(open)) return connection(runtime, entry, open)
  const address = entry.addresses[0] ?? '-'
  throw cliErrors.error('KOS_CLI_UNREACHABLE', { name, address, rule: open.rule })
}

function connection(
  runtime: PeerRuntime,
  entry: DirectoryEntry,
  open: OpenSession,
): PeerConnection {
  return {
    open,
    entry,
    close: (): Promise<void> => {
      // Nothing of ours runs any more: there is nothing to drain.
      open.session.close('done')
      return runtime.close()
    },
  }
}

function findEntry(member: Member, name: string): DirectoryEntry | undefined {
  const { directory } = member.fabric
  return directory.byName(name) ?? directory.byId(name)
}

async function dialEntry(
  runtime: PeerRuntime,
  entry: DirectoryEntry,
): Promise<OpenSession | Refusal> {
  let last: Refusal = refuse('KOS_CLI_UNREACHABLE', 'no-address')
  for (const address of entry.addresses) {
    const at = parseHostPort(address)
    if (!at) continue
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
