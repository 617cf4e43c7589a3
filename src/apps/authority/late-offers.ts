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
  readRecovered,
  type ProvenMember,
  type Recovered,
  type RecoveredKind,
  type RecoveredState,
  type RecoveryOffer,
} from '../../lifecycle/recovery/index.ts'
import { compareNumbered, type LockList } from '../../trust/pki/index.ts'
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
  let merged: Merged | undefined
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
      const before = (merged ??= readMerged(state))
      const taken = judge(deps, offer, { exporter, merged: before })
      if (isRefusal(taken)) return taken
      const { former, member } = taken
      if (isNewer(state, former, 'lock-list')) {
        // What was known of and is not locked now was unlocked since.
        const news = withoutKnown(lockListOf(former), lockListOf({ objects: before }))
        // The list first: after a crash in between they are locked all the same.
        publisher.addLocks(news)
        lockListed(state, news)
        record(deps, 'locks.recover', state.principal.uri)
      }
      for (const kind of ['directory', 'lock-list'] as const) keepNewer(state, former, kind)
      merged = new Map(former.objects)
      if (member) takeMember(deps, former, member)
      return undefined
    },
  }
}

function takeMember(deps: LateDeps, former: RecoveredState, member: ProvenMember): void {
  const { state, publisher } = deps
  const { uri, id } = member.peer.principal
  if (state.registry.principal(id)) {
    if (takeOver(state, member)) record(deps, 'member.renewal', uri)
    return
  }
  const found = { member, entries: directoryOf(former), locks: lockListOf(former) }
  if (!adopt(deps, state, found)) return
  publisher.refreshDirectory()
  record(deps, 'member.adopt', uri)
}

/** Where the newest of the eras before is kept. */
const FORMER = { directory: FORMER_DIRECTORY, 'lock-list': FORMER_LOCKS } as const
/** Nobody holds anything later. */
const LATEST = Object.freeze({ era: Number.MAX_SAFE_INTEGER, number: 1 })

interface Judged {
  readonly former: RecoveredState
  readonly member: ProvenMember | undefined
}

/** The offer as of the eras before: what was merged then is what it is compared with. */
function judge(
  deps: LateDeps,
  offer: RecoveryOffer,
  from: { readonly exporter: Uint8Array; readonly merged: Merged },
): Judged | Refusal {
  const { ca } = deps.state
  const { exporter, merged } = from
  const own = { bundle: { signed: ca.bundle, object: ca.trust }, objects: merged }
  // One of this era is in force or was replaced: what it locked must not be locked again.
  const former = createRecoveryCollector(own, ca.era)
  const { manifest: _, ...objects } = offer.objects
  const taken = former.take({ ...offer, objects }, { exporter, nowMs: deps.clock.wallMs() })
  return isRefusal(taken) ? taken : { member: taken.member, former }
}

type Merged = RecoveredState['objects']

/** What was merged at the restore and since; read once, since it may be large and anybody may ask. */
function readMerged({ ca, registry }: AuthorityState): Merged {
  const merged = new Map<RecoveredKind, Recovered>()
  for (const kind of ['directory', 'lock-list'] as const) {
    const bytes = registry.signedObject(FORMER[kind])?.bytes
    const read = bytes && readRecovered(kind, bytes, [ca.trust])
    if (read && !isRefusal(read)) merged.set(kind, read)
  }
  return merged
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

/** Whether an object of before is newer than the one that was merged. */
function isNewer(
  state: AuthorityState,
  { objects }: Pick<RecoveredState, 'objects'>,
  kind: keyof typeof FORMER,
): boolean {
  const found = objects.get(kind)
  const known = placeOf(state, FORMER[kind])
  return found !== undefined && (!known || compareNumbered(found.object, known) > 0)
}

function keepNewer(
  state: AuthorityState,
  former: Pick<RecoveredState, 'objects'>,
  kind: keyof typeof FORMER,
): void {
  const found = former.objects.get(kind)
  if (!found || !isNewer(state, former, kind)) return
  const { era, number } = found.object
  state.registry.putSignedObject({ kind: FORMER[kind], era, number, bytes: found.signed })
}

function record(deps: LateDeps, action: string, target: string): void {
  const { state } = deps
  deps.log.event('recovery.taken', { state: action, peer: target })
  deps.record({ type: 'system', actor: target, target: state.principal.uri, action, outcome: 'ok' })
}
