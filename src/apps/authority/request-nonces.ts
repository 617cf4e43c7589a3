import {
  type Clock,
  refuse,
  type Refusal,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import type { Store } from '../../foundation/storage/index.ts'
import type { AuthorityTables } from './schema.ts'

/** A nonce of a signed request. */
export interface RequestNonce {
  /** Handle of the token that signed. */
  readonly handle: string
  readonly nonce: string
  /** From when on the request is refused for its time alone. */
  readonly endsAt: UnixMs
}

/** The nonces of signed requests that are still in time. */
export interface RequestNonces {
  /**
   * Takes a nonce; durable when it resolves.
   *
   * @param used - of a request whose signature was verified: strangers must not fill the store
   * @param isSafe - the request changes nothing: it goes on where the disk takes no nonce
   * @returns a refusal when the nonce was used before, or too many are kept
   * @throws {@link KosError} KOS_STORAGE_FULL and others when the disk takes no nonce
   */
  take(used: RequestNonce, isSafe: boolean): Promise<Refusal | undefined>
}

/** Nonces that are kept at once; a caller's rate bounds its share. */
const MAX_NONCES = 100_000
/** How often those whose time is over are dropped. */
const SWEEP_MS = 10_000

/**
 * Makes the store of nonces. It survives a restart; what one turn of the event loop brings is one
 * write.
 *
 * @see RFC 9421 section 7.2.2
 */
export function createRequestNonces(deps: {
  readonly clock: Clock
  readonly store: Store<AuthorityTables>
  readonly maxNonces?: number
}): RequestNonces {
  const { clock, store, maxNonces = MAX_NONCES } = deps
  const endings = new Map<string, UnixMs>()
  for (const row of store.rows(store.db.selectFrom('request_nonce').selectAll())) {
    endings.set(keyOf(row.handle, row.nonce), unixMs(row.ends_at))
  }
  let sweptAt = clock.wallMs()
  const sweep = (now: UnixMs): boolean => {
    const isDue = now - sweptAt >= SWEEP_MS || (endings.size >= maxNonces && now > sweptAt)
    if (!isDue) return false
    sweptAt = now
    for (const [key, endsAt] of endings) {
      if (endsAt < now) endings.delete(key)
    }
    return true
  }
  return {
    take: async ({ handle, nonce, endsAt }, isSafe) => {
      const isSwept = sweep(clock.wallMs())
      const key = keyOf(handle, nonce)
      // A clock that was set back must not bring back what was forgotten.
      if (endings.has(key) || endsAt < sweptAt) {
        return refuse('KOS_SESSION_SIGNATURE', 'signature/replayed')
      }
      if (endings.size >= maxNonces) {
        return refuse('KOS_SESSION_SIGNATURE', 'signature/nonces-full', { retryAfterMs: 1000 })
      }
      endings.set(key, endsAt)
      const writing = store.group.enqueue(() => {
        if (isSwept) {
          store.rows(store.db.deleteFrom('request_nonce').where('ends_at', '<', sweptAt))
        }
        const row = { handle, nonce, ends_at: endsAt }
        store.rows(store.db.insertInto('request_nonce').values(row))
      })
      // Who replays a reading request after a restart reads what its sender may read, no more.
      await (isSafe ? writing.catch(() => undefined) : writing)
      return undefined
    },
  }
}

function keyOf(handle: string, nonce: string): string {
  return `${handle} ${nonce}`
}
