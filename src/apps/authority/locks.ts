import { type Clock, refuse, type Refusal } from '../../foundation/base/index.ts'
import { isAbsentTooLong, type PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import type { Role } from './http-types.ts'
import type { Registry } from './registry.ts'
import type { Publisher } from './services.ts'

/** What changes who is locked out, and who may change that. */
export interface Locks {
  /**
   * Locks a principal: its sessions end everywhere, nothing of it is accepted any more.
   *
   * @returns a refusal KOS_AUTHORITY_OPERATOR for the last admin
   */
  lock(id: string): Promise<Refusal | undefined>
  /**
   * Takes an operator's lock off.
   *
   * @returns a refusal KOS_AUTHORITY_LOCK for one that was quarantined or removed, or is not locked
   */
  unlock(id: string): Promise<Refusal | undefined>
  /** Locks a principal for ever and frees its name; refused as {@link lock}. */
  remove(id: string): Promise<Refusal | undefined>
  /** Gives a user other roles, which count from the next request on; refused as {@link lock}. */
  setRoles(id: string, roles: readonly Role[]): Promise<Refusal | undefined>
}

interface LocksDeps {
  readonly clock: Clock
  readonly registry: Registry
  readonly publisher: Publisher
  readonly disconnect: (uri: string) => void
  /** Ends the API tokens of a principal that is removed. */
  readonly endTokens: (id: string) => Promise<void>
  /** Told when registry and lock list say something new. */
  readonly onChanged: () => void
}

/**
 * Makes the changes of registry and signed lock list that belong together, one after the other: an
 * unlocking that overtakes a removal would let the removed one back in.
 *
 * Locking signs the list first and unlocking last: a crash in between leaves the principal locked.
 */
export function createLocks(deps: LocksDeps): Locks {
  const { registry, publisher } = deps
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }
  const cut = async (record: PrincipalRecord, state: 'locked' | 'removed'): Promise<void> => {
    publisher.lockPrincipal(record)
    // Already cut by the list; what is told to nobody yet is what the registry says.
    deps.disconnect(record.uri)
    // A quarantine outlives an operator's lock.
    if (state === 'removed' || record.state === 'active')
      await registry.change(record.id, { state })
    if (state === 'removed') await deps.endTokens(record.id)
    publisher.refreshDirectory()
    deps.onChanged()
  }
  const cutUnlessLast = async (
    record: PrincipalRecord | undefined,
    state: 'locked' | 'removed',
  ): Promise<Refusal | undefined> => {
    const problem = lastAdminProblem(deps, record)
    if (record && !problem) await cut(record, state)
    return problem
  }
  const recordOf = (id: string): PrincipalRecord | undefined => {
    const record = registry.principal(id)
    return record?.state === 'removed' ? undefined : record
  }
  return {
    lock: (id) => inTurn(() => cutUnlessLast(recordOf(id), 'locked')),
    unlock: (id) => inTurn(() => unlock(deps, recordOf(id))),
    remove: (id) => inTurn(() => cutUnlessLast(recordOf(id), 'removed')),
    setRoles: (id, roles) =>
      inTurn(async () => {
        const record = recordOf(id)
        const problem = roles.includes('admin') ? undefined : lastAdminProblem(deps, record)
        if (problem) return problem
        await registry.change(id, { roles })
        // Members decide by the roles of the directory: they get the new one now.
        publisher.refreshDirectory()
        return undefined
      }),
  }
}

/** Looked at in turn: two admins who remove each other at once must not both succeed. */
function lastAdminProblem(
  { clock, registry }: LocksDeps,
  record: PrincipalRecord | undefined,
): Refusal | undefined {
  const now = clock.wallMs()
  const isAdmin = (one: PrincipalRecord): boolean =>
    one.kind === 'user' &&
    one.state === 'active' &&
    one.roles.includes('admin') &&
    !isAbsentTooLong(one, now)
  if (!record || !isAdmin(record)) return undefined
  if (registry.users().some((one) => one.id !== record.id && isAdmin(one))) return undefined
  return refuse('KOS_AUTHORITY_OPERATOR', 'operator/last-admin', {
    remedy: 'Make another admin first: kosctl operator role NAME --role admin.',
  })
}

async function unlock(
  { registry, publisher, onChanged }: LocksDeps,
  record: PrincipalRecord | undefined,
): Promise<Refusal | undefined> {
  if (record?.state === 'locked') await registry.change(record.id, { state: 'active' })
  // Looked at again: keys that turn out to be copied are quarantined in between.
  const now = record && registry.principal(record.id)
  if (!now || now.state === 'removed') return notUnlocked('removed')
  if (now.state === 'quarantined') return notUnlocked('quarantined')
  if (!publisher.unlockPrincipal(now)) return notUnlocked('not-locked')
  publisher.refreshDirectory()
  onChanged()
  return undefined
}

function notUnlocked(why: 'removed' | 'quarantined' | 'not-locked'): Refusal {
  return refuse('KOS_AUTHORITY_LOCK', `unlock/${why}`, {
    remedy:
      why === 'quarantined'
        ? 'Its keys may exist twice: remove it, and let it join again with new keys.'
        : 'List the states with "kosctl devices".',
  })
}
