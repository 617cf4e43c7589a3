import { join } from 'node:path'
import type { Clock, Log, Random } from '../../foundation/base/index.ts'
import { openStore, type Store, storageErrors } from '../../foundation/storage/index.ts'
import {
  type AuditEvent,
  type AuditLog,
  auditSegments,
  auditTables,
  createAuditLog,
} from '../../trust/audit/index.ts'
import { nodeErrors } from './errors.ts'
import type { Member } from './member.ts'

/** What a node's store and log need. */
interface StoreDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Opens the store of a node; its lock keeps another kosd from the whole folder. */
export function openNodeStore(deps: StoreDeps, folder: string): Store<object> {
  try {
    return openStore<object>(deps, {
      path: join(folder, 'node.sqlite'),
      migrations: [
        { version: 1, ...auditTables },
        { version: 2, ...auditSegments },
      ],
    })
  } catch (cause) {
    const isInUse = storageErrors.has(cause) && cause.code === 'KOS_STORAGE_LOCKED'
    throw isInUse ? nodeErrors.error('KOS_NODE_IN_USE', { folder }, cause) : cause
  }
}

/** Opens the audit log of a node, in its store. */
export function openNodeLog(
  deps: StoreDeps,
  { store, member }: { readonly store: Store<object>; readonly member: Member },
): Promise<AuditLog> {
  const { trustDomain, kind, id } = member.membership.principal
  const keys = {
    ed25519: member.keys.require('log-ed25519'),
    mlDsa44: member.keys.require('log-ml-dsa-44'),
  }
  return createAuditLog({ ...deps, store, keys }, { origin: `${trustDomain}/${kind}/${id}` })
}

/**
 * Writes one event into the log of a node that does not run; durable when it resolves, and forwarded
 * with the next session.
 *
 * @throws {@link KosError} KOS_NODE_IN_USE while the node runs; storage and audit errors
 */
export async function recordOffline(
  deps: StoreDeps,
  member: Member,
  event: AuditEvent,
): Promise<void> {
  const timed = { ...deps, clock: member.clock }
  const store = openNodeStore(timed, member.folder)
  try {
    const audit = await openNodeLog(timed, { store, member })
    await audit.append(event)
    await audit.close()
  } finally {
    store.close()
  }
}
