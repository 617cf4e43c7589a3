import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  type UnixMs,
} from '../../foundation/base/index.ts'
import {
  compareNumbered,
  type EraNumber,
  type NumberedObject,
  SIGNED_BY,
  type TrustBundle,
  verifyNumbered,
  verifyTrustBundle,
} from '../../trust/pki/index.ts'
import { type ProvenMember, verifyClaim } from './claim.ts'
import {
  RECOVERED_KINDS,
  type RecoveredKind,
  type RecoveryOffer,
  type RecoveryStatus,
} from './messages.ts'

/** Largest objects that are read, as members read them. */
const OBJECT_LIMITS = { maxBytes: 32 * 1024 * 1024, maxItems: 4 * 1024 * 1024 }
/** Most members that are remembered; a directory has no more entries. */
const MAX_MEMBERS = 131_072

/** A signed object in both its forms. */
export interface Recovered<T extends EraNumber = NumberedObject> {
  readonly signed: Uint8Array
  readonly object: T
}

/** The newest of everything that a restored authority and its members know. */
export interface RecoveredState {
  readonly bundle: Recovered<TrustBundle>
  readonly objects: ReadonlyMap<RecoveredKind, Recovered>
  /** Members that proved themselves, by principal URI. */
  readonly members: ReadonlyMap<string, ProvenMember>
}

/** Takes what members bring, one after the other. */
export interface RecoveryCollector extends RecoveredState {
  readonly newest: RecoveryStatus['newest']
  /**
   * Takes what is genuine and newer than what is known. An offer that is refused changes nothing.
   *
   * @param offer - decoded, not yet trusted
   * @param on - the TLS exporter of its connection, the time
   * @returns whether anything in it was news, or a refusal KOS_RECOVERY_OFFER or KOS_RECOVERY_CLAIM
   */
  take(
    offer: RecoveryOffer,
    on: { readonly exporter: Uint8Array; readonly nowMs: UnixMs },
  ): { readonly isNews: boolean; readonly member: ProvenMember | undefined } | Refusal
}

/**
 * Makes the collector of an authority that was restored from a backup. Its members hold what it signed
 * after the backup was made: signed by both roots, or by keys that the roots named. Nobody needs to be
 * believed, so nobody is asked who he is; members prove themselves so that their certificates count.
 *
 * **Security:** a member may keep the newest from the authority, and cannot make it believe anything older
 * than the backup. One honest member that was connected to the end is enough.
 *
 * @param own - the newest that the backup holds
 * @param endEra - objects of this era and of later ones are refused; absent: none is
 * @see identity: Eras: restore without bricking
 */
export function createRecoveryCollector(
  own: Omit<RecoveredState, 'members'>,
  endEra: number = Infinity,
): RecoveryCollector {
  const anchor = { pin: own.bundle.object.pin }
  let bundle = own.bundle
  const objects = new Map(own.objects)
  const members = new Map<string, ProvenMember>()
  const take: RecoveryCollector['take'] = (offer, on) => {
    // Most members hold the same one.
    const isKnown = equalBytes(offer.bundle, bundle.signed)
    const offered = isKnown ? bundle.object : verifyTrustBundle(offer.bundle, anchor)
    if (isRefusal(offered)) return refuse('KOS_RECOVERY_OFFER', `bundle: ${offered.rule}`)
    const bundles = [offered, bundle.object, own.bundle.object]
    const newer = verifyNewer(offer, { bundles, objects, endEra })
    if (isRefusal(newer)) return newer
    const member = offer.claim && verifyClaim(offer.claim, { ...on, bundles })
    if (isRefusal(member)) return member
    const isNewBundle = compareNumbered(offered, bundle.object) > 0
    if (isNewBundle) bundle = { signed: Uint8Array.from(offer.bundle), object: offered }
    for (const [kind, recovered] of newer) objects.set(kind, recovered)
    if (member) remember(members, member)
    return { isNews: isNewBundle || newer.size > 0, member }
  }
  return {
    get bundle(): Recovered<TrustBundle> {
      return bundle
    },
    objects,
    members,
    get newest(): RecoveryStatus['newest'] {
      const placed = (kind: RecoveredKind): EraNumber | undefined => {
        const held = objects.get(kind)
        return held && placeOf(held.object)
      }
      return {
        bundle: placeOf(bundle.object),
        directory: placed('directory'),
        'lock-list': placed('lock-list'),
        manifest: placed('manifest'),
      }
    },
    take,
  }
}

function placeOf({ era, number }: EraNumber): EraNumber {
  return { era, number }
}

/**
 * Verifies a signed object by the keys that bundles name.
 *
 * @param signed - copied
 * @param bundles - each verified
 * @returns both its forms, or a refusal KOS_PKI_OBJECT
 */
export function readRecovered(
  kind: RecoveredKind,
  signed: Uint8Array,
  bundles: readonly TrustBundle[],
): Recovered | Refusal {
  const verifiers = bundles.flatMap(({ signingKeys }) => signingKeys[SIGNED_BY[kind]])
  const object = verifyNumbered(kind, signed, { ...OBJECT_LIMITS, verifiers })
  return isRefusal(object) ? object : { signed: Uint8Array.from(signed), object }
}

/** The objects of an offer that are newer than those known; one that is not genuine refuses all. */
function verifyNewer(
  offer: RecoveryOffer,
  known: {
    readonly bundles: readonly TrustBundle[]
    readonly objects: ReadonlyMap<RecoveredKind, Recovered>
    readonly endEra: number
  },
): ReadonlyMap<RecoveredKind, Recovered> | Refusal {
  const newer = new Map<RecoveredKind, Recovered>()
  const maxEra = Math.min(known.endEra - 1, Math.max(...known.bundles.map(({ era }) => era)))
  for (const kind of RECOVERED_KINDS) {
    const signed = offer.objects[kind]
    if (!signed) continue
    const read = readRecovered(kind, signed, known.bundles)
    if (isRefusal(read)) return refuse('KOS_RECOVERY_OFFER', `${kind}: ${read.rule}`)
    const { object } = read
    // Only the root keys open an era.
    if (object.era > maxEra) return refuse('KOS_RECOVERY_OFFER', `${kind}: era`)
    const held = known.objects.get(kind)?.object
    const order = held ? compareNumbered(object, held) : 1
    if (order === 0 && held && !equalBytes(object.hash, held.hash)) {
      return refuse('KOS_RECOVERY_OFFER', `${kind}: fork`)
    }
    if (order > 0) newer.set(kind, read)
  }
  return newer
}

/** Of two certificates of a member the newer one counts. */
function remember(members: Map<string, ProvenMember>, member: ProvenMember): void {
  const { uri } = member.peer.principal
  const before = members.get(uri)
  const isOlder = before && before.peer.generation > member.peer.generation
  if (isOlder || (!before && members.size >= MAX_MEMBERS)) return
  members.set(uri, member)
}
