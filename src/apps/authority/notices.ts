import type { Clock } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import { FABRIC, MAX_PUSHED_BYTES, type ObjectKind, type OpenSession } from '../node/index.ts'
import { createListingNotices } from './listing-notices.ts'
import type { AuthorityPublisher } from './publisher.ts'
import { createSpread } from './spread.ts'

const NOTICE_DEADLINE_MS = 10_000

/** Tells members what changed. */
export interface Notices {
  changed(kinds: readonly ObjectKind[]): void
  stop(): void
}

/**
 * Makes the notices of a hub. Who is cut off is said to all at once; other news is told to a few at a time,
 * as everybody fetches it.
 *
 * @param sessions - who is connected, at any time
 */
export function createNotices(
  clock: Clock,
  publisher: () => AuthorityPublisher,
  sessions: ReadonlySet<OpenSession>,
): Notices {
  const spread = createSpread(clock)
  const send = (kinds: readonly ObjectKind[]): void => {
    const notice = noticeOf(kinds, publisher().locks())
    const tell = ({ session }: OpenSession): void =>
      void session.call(FABRIC.notice, notice, { deadlineMs: NOTICE_DEADLINE_MS })
    // A lock waits for nobody, and nobody fetches for it.
    if (kinds.includes('locks')) sessions.forEach(tell)
    else spread.tell(sessions, tell)
  }
  const listing = createListingNotices(clock, {
    connected: () => sessions.size,
    send: () => send(['directory']),
  })
  return {
    changed: (kinds) => {
      if (kinds.every((kind) => kind === 'directory')) listing.changed()
      else send(kinds)
    },
    stop: () => {
      listing.stop()
      spread.stop()
    },
  }
}

/** The lock list travels inside the notice where it fits: members cut at once, and ask for nothing. */
function noticeOf(kinds: readonly ObjectKind[], locks: Uint8Array): CborInput {
  const isPushed = kinds.includes('locks') && locks.length <= MAX_PUSHED_BYTES
  return { kinds: [...kinds], ...(isPushed && { locks }) }
}
