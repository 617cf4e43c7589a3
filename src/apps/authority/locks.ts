import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import type { Registry } from './registry.ts'
import type { Publisher } from './services.ts'

/** What changes who is locked out. */
export interface Locks {
  /** Locks a principal: its sessions end everywhere, nothing of it is accepted any more. */
  lock(id: string): Promise<void>
  /**
   * Takes an operator's lock off.
   *
   * @returns a refusal KOS_AUTHORITY_LOCK for one that was quarantined or removed, or is not locked
   */
  unlock(id: string): Promise<Refusal | undefined>
  /** Locks a principal for ever and frees its name. */
  remove(id: string): Promise<void>
}

interface LocksDeps {
  readonly registry: Registry
  readonly publisher: Publisher
  readonly disconnect: (uri: string) => void
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
    publisher.refreshDirectory()
    deps.onChanged()
  }
  const recordOf = (id: string): PrincipalRecord | undefined => {
    const record = registry.principal(id)
    return record?.state === 'removed' ? undefined : record
  }
  return {
    lock: (id) =>
      inTurn(async () => {
        const record = recordOf(id)
        if (record) await cut(record, 'locked')
      }),
    unlock: (id) => inTurn(() => unlock(deps, recordOf(id))),
    remove: (id) =>
      inTurn(async () => {
        const record = recordOf(id)
        if (record) await cut(record, 'removed')
      }),
  }
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
