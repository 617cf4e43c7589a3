import type { MonotonicMs, PrincipalUri } from '../../foundation/base/index.ts'
import type { TrustedStandby } from './standby.ts'

/** Who said last that the held list is the newest, and when they were asked. */
interface Word {
  readonly by: 'authority' | PrincipalUri
  readonly at: MonotonicMs
}

/** When the authority, and when each standby signer, said last that the held list is the newest. */
export interface LockAge {
  authoritySaid(askedAt: MonotonicMs): void
  standbySaid(by: TrustedStandby, askedAt: MonotonicMs): void
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
 * @param isTrusted - whether a standby signer, with this key, counts now: what it said before it was
 *   locked, taken back or given another key does not either
 */
export function createLockAge(isTrusted: (standby: TrustedStandby) => boolean): LockAge {
  let authorityAt: MonotonicMs | undefined
  let silentSince: MonotonicMs | undefined
  const said = new Map<PrincipalUri, { readonly by: TrustedStandby; readonly at: MonotonicMs }>()
  return {
    authoritySaid: (askedAt): void => {
      authorityAt = laterOf(authorityAt, askedAt)
      silentSince = authorityAt
    },
    standbySaid: (by, askedAt): void => {
      const before = said.get(by.principal)?.at
      said.set(by.principal, { by, at: laterOf(before, askedAt) })
    },
    newest: (): Word | undefined => {
      const words: Word[] = authorityAt === undefined ? [] : [{ by: 'authority', at: authorityAt }]
      for (const [by, word] of said) if (isTrusted(word.by)) words.push({ by, at: word.at })
      return words.toSorted((a, b) => b.at - a.at)[0]
    },
    silentMs: (now): number => now - (silentSince ??= now),
  }
}

/** Answers may overtake one another; the later question counts. */
function laterOf(before: MonotonicMs | undefined, askedAt: MonotonicMs): MonotonicMs {
  return before !== undefined && before > askedAt ? before : askedAt
}
