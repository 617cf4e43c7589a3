import {
  type Clock,
  isRefusal,
  type Log,
  type Random,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import {
  createRecoveryCollector,
  type ProvenMember,
  type Recovered,
  type RecoveredKind,
  type RecoveredState,
  type RecoveryOffer,
} from '../../lifecycle/recovery/index.ts'
import { compareNumbered, verifyNumbered } from '../../trust/pki/index.ts'
import type { AuditEvent } from '../../trust/audit/index.ts'
import type { AuthorityState } from './authority-state.ts'
import type { AuthorityPublisher } from './publisher.ts'
import {
  adopt,
  directoryOf,
  FORMER_DIRECTORY,
  FORMER_LOCKS,
  lockListOf,
  takeOver,
} from './recovery-apply.ts'
import type { RecoveryPort } from './routes-recovery.ts'

/** Largest offer of a member that comes late: a bundle, a lock list and a claim. */
export const MAX_LATE_OFFER_BYTES: number = 9 * 1024 * 1024
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
 * Takes what members bring that were away while their authority was restored: locks that nobody else
 * knew, and the proof of certificates that the backup does not know. What they hold of directory and
 * manifest is history by then.
 */
export function createLateOffers(deps: LateDeps): RecoveryPort {
  const { state, publisher } = deps
  const newest = (): ReturnType<RecoveryPort['status']>['newest'] => {
    const { era, number } = state.ca.trust
    const now = { era, number }
    return {
      bundle: now,
      directory: LATEST,
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
      const found = former.objects.get('lock-list')
      if (found && isNews(state, found)) {
        keep(state, found)
        publisher.addLocks(locks)
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

/** Nobody holds anything later. */
const LATEST = Object.freeze({ era: Number.MAX_SAFE_INTEGER, number: 1 })

interface Judged {
  readonly former: RecoveredState
  readonly member: ProvenMember | undefined
}

/** The offer as of the era before: what was merged then is what it is compared with. */
function judge(deps: LateDeps, offer: RecoveryOffer, exporter: Uint8Array): Judged | Refusal {
  const { ca, registry } = deps.state
  const bundle = { signed: ca.bundle, object: ca.trust }
  const objects = new Map<RecoveredKind, Recovered>()
  for (const [kind, stored] of [
    ['directory', FORMER_DIRECTORY],
    ['lock-list', FORMER_LOCKS],
  ] as const) {
    const bytes = registry.signedObject(stored)?.bytes
    const verifiers = ca.trust.signingKeys[kind === 'directory' ? 'directory' : 'lock']
    const object = bytes && verifyNumbered(kind, bytes, { ...OBJECT_LIMITS, verifiers })
    if (bytes && object && !isRefusal(object)) objects.set(kind, { signed: bytes, object })
  }
  const former = createRecoveryCollector({ bundle, objects })
  const { 'lock-list': locks } = offer.objects
  const narrowed = { ...offer, objects: { 'lock-list': locks } }
  const taken = former.take(narrowed, { exporter, nowMs: deps.clock.wallMs() })
  if (isRefusal(taken)) return taken
  // A list of this era is either the one in force or one that was replaced: it must lock nobody again.
  const isOfNow = (former.objects.get('lock-list')?.object.era ?? 0) >= ca.era
  return isOfNow ? refuse('KOS_RECOVERY_OFFER', 'lock-list: era') : { ...taken, former }
}

function placeOf(
  { registry }: AuthorityState,
  kind: string,
): { readonly era: number; readonly number: number } | undefined {
  const stored = registry.signedObject(kind)
  return stored && { era: stored.era, number: stored.number }
}

function isNews(state: AuthorityState, { object }: Recovered): boolean {
  const known = placeOf(state, FORMER_LOCKS)
  return !known || compareNumbered(object, known) > 0
}

function keep({ registry }: AuthorityState, { signed, object }: Recovered): void {
  const { era, number } = object
  registry.putSignedObject({ kind: FORMER_LOCKS, era, number, bytes: signed })
}

function record(deps: LateDeps, action: string, target: string): void {
  const { state } = deps
  deps.log.event('recovery.taken', { state: action, peer: target })
  deps.record({ type: 'system', actor: target, target: state.principal.uri, action, outcome: 'ok' })
}
