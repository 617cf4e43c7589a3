import {
  type Clock,
  isRefusal,
  type Log,
  type Random,
  refuse,
  type Refusal,
  toHex,
} from '../../foundation/base/index.ts'
import {
  createRecoveryCollector,
  type ProvenMember,
  type Recovered,
  type RecoveredKind,
  type RecoveredState,
  type RecoveryOffer,
} from '../../lifecycle/recovery/index.ts'
import { compareNumbered, type LockList, verifyNumbered } from '../../trust/pki/index.ts'
import type { AuditEvent } from '../../trust/audit/index.ts'
import type { AuthorityState } from './authority-state.ts'
import type { AuthorityPublisher } from './publisher.ts'
import {
  adopt,
  directoryOf,
  FORMER_DIRECTORY,
  FORMER_LOCKS,
  lockListed,
  lockListOf,
  takeOver,
} from './recovery-apply.ts'
import type { RecoveryPort } from './routes-recovery.ts'

/** Largest offer of a member that comes late: a bundle, a lock list, a directory and a claim. */
export const MAX_LATE_OFFER_BYTES: number = 16 * 1024 * 1024
const OBJECT_LIMITS = { maxBytes: 32 * 1024 * 1024, maxItems: 4 * 1024 * 1024 }

interface LateDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly state: AuthorityState
  readonly publisher: AuthorityPublisher
  record(event: AuditEvent): void
}

/**
 * Takes what members bring that were away while their authority was restored: locks and names that nobody
 * else knew, and the proof of certificates that the backup does not know. What a manifest said is history
 * by then.
 */
export function createLateOffers(deps: LateDeps): RecoveryPort {
  const { state, publisher } = deps
  const newest = (): ReturnType<RecoveryPort['status']>['newest'] => {
    const { era, number } = state.ca.trust
    const now = { era, number }
    return {
      bundle: now,
      directory: placeOf(state, FORMER_DIRECTORY) ?? LATEST,
      manifest: LATEST,
      'lock-list': placeOf(state, FORMER_LOCKS) ?? LATEST,
    }
  }
  return {
    status: () => ({ isWaiting: false, newest: newest() }),
    take: (offer, exporter) => {
      if (state.ca.era === 1) return refuse('KOS_RECOVERY_OFFER', 'not-restored')
      const taken = judge(deps, offer, exporter)
      if (isRefusal(taken)) return taken
      const { former, member } = taken
      const locks = lockListOf(former)
      // What was known of and is not locked now was unlocked since.
      const news = withoutKnown(locks, taken.merged)
      keepNewer(state, former, 'directory')
      if (keepNewer(state, former, 'lock-list')) {
        // The list first: after a crash in between they are locked all the same.
        publisher.addLocks(news)
        lockListed(state, news)
        record(deps, 'locks.recover', state.principal.uri)
      }
      if (!member) return undefined
      const entries = directoryOf(former)
      const { uri } = member.peer.principal
      if (adopt(deps, state, { member, entries, locks })) {
        publisher.refreshDirectory()
        record(deps, 'member.adopt', uri)
      } else if (takeOver(state, member)) record(deps, 'member.renewal', uri)
      return undefined
    },
  }
}

/** Where the newest of the eras before is kept. */
const FORMER = { directory: FORMER_DIRECTORY, 'lock-list': FORMER_LOCKS } as const
/** Nobody holds anything later. */
const LATEST = Object.freeze({ era: Number.MAX_SAFE_INTEGER, number: 1 })

interface Judged {
  readonly former: RecoveredState
  readonly member: ProvenMember | undefined
  /** The lock list that was merged already. */
  readonly merged: LockList
}

/** The offer as of the era before: what was merged then is what it is compared with. */
function judge(deps: LateDeps, offer: RecoveryOffer, exporter: Uint8Array): Judged | Refusal {
  const { ca, registry } = deps.state
  const bundle = { signed: ca.bundle, object: ca.trust }
  const known = new Map<RecoveredKind, Recovered>()
  for (const kind of ['directory', 'lock-list'] as const) {
    const bytes = registry.signedObject(FORMER[kind])?.bytes
    const verifiers = ca.trust.signingKeys[kind === 'directory' ? 'directory' : 'lock']
    const object = bytes && verifyNumbered(kind, bytes, { ...OBJECT_LIMITS, verifiers })
    if (bytes && object && !isRefusal(object)) known.set(kind, { signed: bytes, object })
  }
  const merged = lockListOf({ objects: known })
  const former = createRecoveryCollector({ bundle, objects: known })
  const { manifest: _, ...objects } = offer.objects
  const narrowed = { ...offer, objects }
  const taken = former.take(narrowed, { exporter, nowMs: deps.clock.wallMs() })
  if (isRefusal(taken)) return taken
  // One of this era is either in force or was replaced: what it locked must not be locked again.
  const isOfNow = [...former.objects.values()].some(({ object }) => object.era >= ca.era)
  return isOfNow ? refuse('KOS_RECOVERY_OFFER', 'era') : { ...taken, former, merged }
}

function withoutKnown(list: LockList, known: LockList): LockList {
  const other = (texts: readonly string[], of: readonly string[]): readonly string[] => {
    const before = new Set(of)
    return texts.filter((text) => !before.has(text))
  }
  const otherKeys = (keys: readonly Uint8Array[], of: readonly Uint8Array[]): Uint8Array[] => {
    const before = new Set(of.map(toHex))
    return keys.filter((key) => !before.has(toHex(key)))
  }
  return {
    principals: other(list.principals, known.principals),
    spkis: otherKeys(list.spkis, known.spkis),
    serials: other(list.serials, known.serials),
    endorsementKeys: otherKeys(list.endorsementKeys, known.endorsementKeys),
    tokens: other(list.tokens, known.tokens),
    minimum: list.minimum,
  }
}

function placeOf(
  { registry }: AuthorityState,
  kind: string,
): { readonly era: number; readonly number: number } | undefined {
  const stored = registry.signedObject(kind)
  return stored && { era: stored.era, number: stored.number }
}

/** Keeps an object of before that is newer than the one that was merged; whether it is. */
function keepNewer(
  state: AuthorityState,
  { objects }: Pick<RecoveredState, 'objects'>,
  kind: keyof typeof FORMER,
): boolean {
  const found = objects.get(kind)
  const known = placeOf(state, FORMER[kind])
  if (!found || (known && compareNumbered(found.object, known) <= 0)) return false
  const { era, number } = found.object
  state.registry.putSignedObject({ kind: FORMER[kind], era, number, bytes: found.signed })
  return true
}

function record(deps: LateDeps, action: string, target: string): void {
  const { state } = deps
  deps.log.event('recovery.taken', { state: action, peer: target })
  deps.record({ type: 'system', actor: target, target: state.principal.uri, action, outcome: 'ok' })
}
