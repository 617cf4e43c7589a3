import type { MonotonicMs, PrincipalUri } from '../../foundation/base/index.ts'

/** Who said last that the held list is the newest, and when they were asked. */
interface Word {
  readonly by: 'authority' | PrincipalUri
  readonly at: MonotonicMs
}

/** When the authority, and when each standby signer, said last that the held list is the newest. */
export interface LockAge {
  authoritySaid(askedAt: MonotonicMs): void
  standbySaid(by: PrincipalUri, askedAt: MonotonicMs): void
  /** The last word that counts; `undefined`: there is none. */
  newest(): Word | undefined
  /**
   * How long the authority has said nothing, as far as this process knows: without any word of it the
   * first question begins to count.
   */
  silentMs(now: MonotonicMs): number
}

/**
 * Keeps what was said of the age of a lock list.
 *
 * @param isTrusted - whether a standby signer counts now: what it said before it was locked or taken back
 *   does not either
 */
export function createLockAge(isTrusted: (standby: PrincipalUri) => boolean): LockAge {
  let authorityAt: MonotonicMs | undefined
  let silentSince: MonotonicMs | undefined
  const standbyAt = new Map<PrincipalUri, MonotonicMs>()
  return {
    authoritySaid: (askedAt): void => {
      authorityAt = laterOf(authorityAt, askedAt)
      silentSince = authorityAt
    },
    standbySaid: (by, askedAt): void => {
      standbyAt.set(by, laterOf(standbyAt.get(by), askedAt))
    },
    newest: (): Word | undefined => {
      const words: Word[] = authorityAt === undefined ? [] : [{ by: 'authority', at: authorityAt }]
      for (const [by, at] of standbyAt) if (isTrusted(by)) words.push({ by, at })
      return words.toSorted((a, b) => b.at - a.at)[0]
    },
    silentMs: (now): number => now - (silentSince ??= now),
  }
}

/** Answers may overtake one another; the later question counts. */
function laterOf(before: MonotonicMs | undefined, askedAt: MonotonicMs): MonotonicMs {
  return before !== undefined && before > askedAt ? before : askedAt
}
