import {
  equalBytes,
  type MonotonicMs,
  type PrincipalUri,
  refuse,
  type Refusal,
  toBase64Url,
  type UnixMs,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { atLeast, type Profile, profileOf } from '../../foundation/profiles/index.ts'
import { createLockAge } from './lock-age.ts'
import { verifyLockFreshness } from './lock-freshness.ts'
import { LOCK_LIST_LIMITS, type LockList, type LockMinimum, readLockList } from './lock-list.ts'
import { createNumberedState, type HeldObject } from './numbered-state.ts'
import type { TrustedStandby } from './standby.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** The lock list in force, its age, and the questions asked of it. */
export interface LockState {
  /** The newest list; `undefined` until the first one was applied. */
  readonly current: HeldObject<LockList> | undefined
  /**
   * Takes a lock list if it is genuine and not older than the one held.
   *
   * @returns what happened, or a refusal KOS_PKI_OBJECT or KOS_PKI_OLDER; nothing changes then
   */
  apply(signed: Uint8Array): 'newer' | 'same' | Refusal
  /**
   * Takes the authority's answer to an own nonce: the held list was in force at the time of asking.
   *
   * @param answer - made by {@link signLockFreshness}
   * @param question - the nonce, and the own monotonic time when it was sent
   */
  confirm(
    answer: Uint8Array,
    question: { readonly nonce: Uint8Array; readonly askedAt: MonotonicMs },
  ): Refusal | undefined
  /**
   * Takes the answer of a standby signer to an own nonce, while the authority is away: it knows no newer
   * list than the held one. It counts as long as the trust bundle permits that standby and the lock
   * list does not name it, and no longer than its limit after the authority itself was heard of: by
   * the date of its last signature on the list, and by its own last answer.
   *
   * **Security:** a standby that was cut off, or whose key was stolen, vouches for an old list in good
   * or bad faith. The limit is the bound of that.
   *
   * @param answer - made by {@link signStandbyFreshness}
   * @param question - who was asked, nonce, own monotonic time when it was sent, own wall time
   * @returns `undefined`, or a refusal KOS_PKI_OBJECT, KOS_PKI_LOCKED (`standby`) or KOS_PKI_STALE
   *   (`standby/limit`)
   */
  confirmByStandby(answer: Uint8Array, question: StandbyQuestion): Refusal | undefined
  /**
   * Why a standby signer does not count now, whatever it signs; asked by the standby itself, too.
   *
   * @param by - its URI, and the own times
   * @returns as {@link confirmByStandby}
   */
  refuseStandby(by: Omit<StandbyQuestion, 'nonce'>): Refusal | undefined
  /** Milliseconds since the held list was known to be the newest; infinite when it never was. */
  ageMs(now: MonotonicMs): number
  /** Whose word made the held list young last: the authority's, or the URI of a standby signer. */
  readonly freshBy: 'authority' | PrincipalUri | undefined
  /**
   * Fails closed when the age is beyond what one of these profiles allows. The sessions that bring
   * fresh lists, those with an authority, are not asked for it.
   *
   * @param floors - the profiles of both ends
   * @param now - the own monotonic time
   * @returns `undefined`, or a refusal KOS_PKI_STALE
   * @see profiles: revocation check
   */
  checkAge(floors: readonly Profile[], now: MonotonicMs): Refusal | undefined
  /**
   * Refuses a locked peer, at every accept and dial and on open sessions after every change.
   * Without any list it refuses too.
   *
   * **Security:** says nothing about age: that is {@link checkAge}.
   *
   * @returns `undefined`, or a refusal KOS_PKI_LOCKED with the rule `principal`, `key`, `serial`,
   *   `generation`, `floor` or `no-list`
   */
  check(peer: PeerFacts): Refusal | undefined
  /** Whether a principal is locked by name. */
  isLocked(principalUri: string): boolean
  /** Whether a token is locked. */
  isTokenLocked(tokenId: string): boolean
  /** Whether a TPM endorsement key is locked, by SHA-256 of its SubjectPublicKeyInfo. */
  isEndorsementKeyLocked(hash: Uint8Array): boolean
}

/** What a standby signer was asked, and when. */
export interface StandbyQuestion {
  /** URI of the standby signer. */
  readonly by: PrincipalUri
  readonly nonce: Uint8Array
  readonly askedAt: MonotonicMs
  readonly wallMs: UnixMs
}

/** Sets for constant-time look-up, built once per list. */
interface LockIndex {
  readonly principals: ReadonlySet<string>
  readonly keys: ReadonlySet<string>
  readonly serials: ReadonlySet<string>
  readonly endorsementKeys: ReadonlySet<string>
  readonly tokens: ReadonlySet<string>
  readonly minimum: ReadonlyMap<string, LockMinimum>
}

/**
 * Holds the newest lock list of a trust domain.
 *
 * @param deps - the newest trust bundle, asked at every call
 * @see identity: Lock list
 */
export function createLockState(deps: { readonly trust: () => TrustBundle }): LockState {
  const state = createNumberedState<LockList>(
    { kind: 'lock-list', role: 'lock', limits: LOCK_LIST_LIMITS, read: readLockList },
    deps.trust,
  )
  let index: LockIndex | undefined
  const standbyOf = (uri: PrincipalUri): TrustedStandby | undefined =>
    deps.trust().standbys.find(({ principal }) => principal === uri)
  const age = createLockAge(({ principal, spki }) => {
    const now = standbyOf(principal)
    return now !== undefined && equalBytes(now.spki, spki) && !index?.principals.has(principal)
  })
  const refuseStandby: LockState['refuseStandby'] = ({ by, askedAt, wallMs }) => {
    const held = state.current?.object
    if (!held) return refuse('KOS_PKI_OBJECT', 'freshness: no-list')
    const standby = standbyOf(by)
    if (!standby) return refuse('KOS_PKI_OBJECT', 'freshness: no standby')
    if (index?.principals.has(by)) return refuse('KOS_PKI_LOCKED', 'standby')
    const silentMs = Math.max(wallMs - held.issuedAt, age.silentMs(askedAt))
    return silentMs > standby.maxMs ? refuse('KOS_PKI_STALE', 'standby/limit') : undefined
  }
  return {
    get current(): HeldObject<LockList> | undefined {
      return state.current
    },
    apply(signed: Uint8Array): 'newer' | 'same' | Refusal {
      const result = state.apply(signed)
      if (result === 'newer') index = state.current && buildIndex(state.current.value)
      return result
    },
    confirm(answer, question): Refusal | undefined {
      const held = state.current?.object
      if (!held) return refuse('KOS_PKI_OBJECT', 'freshness: no-list')
      const asked = { nonce: question.nonce, held }
      const verifiers = deps.trust().signingKeys.lock
      const refusal = verifyLockFreshness(answer, asked, { signer: 'authority', verifiers })
      if (!refusal) age.authoritySaid(question.askedAt)
      return refusal
    },
    refuseStandby,
    confirmByStandby(answer, question): Refusal | undefined {
      const { by, nonce, askedAt } = question
      const refused = refuseStandby(question)
      const held = state.current?.object
      const standby = standbyOf(by)
      if (refused || !held || !standby) return refused
      const trusted = { signer: 'standby', verifiers: [standby.key] } as const
      const refusal = verifyLockFreshness(answer, { nonce, held }, trusted)
      if (!refusal) age.standbySaid(standby, askedAt)
      return refusal
    },
    get freshBy(): 'authority' | PrincipalUri | undefined {
      return age.newest()?.by
    },
    ageMs: (now): number => now - (age.newest()?.at ?? Number.NEGATIVE_INFINITY),
    checkAge(floors, now): Refusal | undefined {
      const limits = floors.map(({ revocation }) => revocation.maxLockListAgeMs ?? Infinity)
      const maxAgeMs = Math.min(...limits)
      // Most profiles have no limit: then nothing is measured.
      if (maxAgeMs === Infinity || this.ageMs(now) <= maxAgeMs) return undefined
      return refuse('KOS_PKI_STALE', 'lock-list/age')
    },
    check: (peer): Refusal | undefined => checkPeer(index, peer),
    isLocked: (uri): boolean => index?.principals.has(uri) === true,
    isTokenLocked: (tokenId): boolean => index?.tokens.has(tokenId) === true,
    isEndorsementKeyLocked: (hash): boolean =>
      index?.endorsementKeys.has(toBase64Url(hash)) === true,
  }
}

function buildIndex(list: LockList): LockIndex {
  return {
    principals: new Set(list.principals),
    keys: new Set(list.spkis.map((hash) => toBase64Url(hash))),
    serials: new Set(list.serials),
    endorsementKeys: new Set(list.endorsementKeys.map((hash) => toBase64Url(hash))),
    tokens: new Set(list.tokens),
    minimum: new Map(Object.entries(list.minimum)),
  }
}

function checkPeer(index: LockIndex | undefined, peer: PeerFacts): Refusal | undefined {
  const rule = lockedBy(index, peer)
  return rule === undefined ? undefined : refuse('KOS_PKI_LOCKED', rule)
}

function lockedBy(index: LockIndex | undefined, peer: PeerFacts): string | undefined {
  if (!index) return 'no-list'
  if (index.principals.has(peer.principal.uri)) return 'principal'
  if (index.keys.size > 0) {
    const locked = (hash: Uint8Array): boolean => index.keys.has(toBase64Url(hash))
    if (locked(peer.identityKeyHash) || locked(peer.tlsKeyHash)) return 'key'
  }
  if (index.serials.has(peer.serial)) return 'serial'
  const minimum = index.minimum.get(peer.principal.uri)
  if (!minimum) return undefined
  if (peer.generation < minimum.generation) return 'generation'
  return atLeast(peer.floor, profileOf(minimum.floor)) ? undefined : 'floor'
}
