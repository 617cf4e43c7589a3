import {
  type Clock,
  isRefusal,
  type PrincipalUri,
  type Random,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import { type KeyRef, type KeyStore } from '../../trust/keys/index.ts'
import {
  compareNumbered,
  type EraNumber,
  signStandbyFreshness,
  signStandbyProof,
} from '../../trust/pki/index.ts'
import type { FabricState } from './fabric-state.ts'
import { locksAfter } from './peer-locks.ts'
import { ensureKey } from './principal-keys.ts'

const KEY_NAME = 'standby'
const NONCE_BYTES = 32

/** How a member offers itself to the authority. */
export interface StandbyOffer {
  readonly spki: Uint8Array
  /** That it has the key, see `signStandbyProof`. */
  readonly proof: Uint8Array
}

/** What a member asks a standby signer. */
export interface VouchQuestion {
  /** The list that the member holds. */
  readonly held: EraNumber
  readonly nonce: Uint8Array
}

/** What a standby signer says; nothing at all: its own list is older than the one that is held. */
export interface Vouched {
  /** Its list, when it is newer than the one that is held. */
  readonly signed?: Uint8Array
  /** That no newer list than its own is known to it, for the nonce. */
  readonly answer?: Uint8Array
}

/** Says in place of an authority that is away which lock list is the newest one known. */
export interface StandbySigner {
  readonly offer: StandbyOffer
  /** Why it does not vouch now: not permitted, locked, too long without the authority, no list. */
  refusal(): Refusal | undefined
  /** Answers a member. */
  vouch(question: VouchQuestion): Vouched | Refusal
  /** Counts for itself, too: it could not hold sessions that it keeps alive for others. */
  vouchForSelf(): Refusal | undefined
}

interface SignerDeps {
  readonly clock: Clock
  readonly random: Random
  readonly fabric: FabricState
  readonly keys: KeyStore
}

/**
 * Makes the standby signer of a member; its key is made in the key store where it is missing, and never
 * leaves it.
 *
 * **Security:** it vouches for the newest list that it holds and for no other, only as long as the
 * trust bundle names its key and the authority's last signature is not older than the limit there.
 * What it cannot know is a list that reached neither it nor anybody who asks it.
 *
 * @param deps - clock, randomness, the signed objects in force, the member's keys
 * @param own - the member
 */
export function createStandbySigner(deps: SignerDeps, own: PrincipalUri): StandbySigner {
  const { clock, random, fabric } = deps
  const { locks } = fabric
  const key = ensureKey(deps.keys, KEY_NAME, { purpose: 'freshness', algorithm: 'P-256' })
  const signer = key.coseSigner()
  const refusal = (): Refusal | undefined => {
    if (!isPermitted(fabric, own, key)) return notVouching('standby/not-permitted')
    const by = { by: own, askedAt: clock.monotonicMs(), wallMs: clock.wallMs() }
    const refused = locks.refuseStandby(by)
    return refused && notVouching(refused.rule)
  }
  const vouch = ({ held, nonce }: VouchQuestion): Vouched | Refusal => {
    const refused = refusal()
    const newest = locks.current?.object
    if (refused || !newest) return refused ?? notVouching('standby/no-list')
    if (compareNumbered(newest, held) < 0) return {}
    const signed = locksAfter(locks, held)
    return { answer: signStandbyFreshness(newest, nonce, signer), ...(signed && { signed }) }
  }
  return {
    offer: { spki: key.spki, proof: signStandbyProof(own, signer) },
    refusal,
    vouch,
    vouchForSelf: () => {
      const nonce = random.bytes(NONCE_BYTES)
      const question = { by: own, nonce, askedAt: clock.monotonicMs(), wallMs: clock.wallMs() }
      const held = locks.current?.object ?? { era: 0, number: 0 }
      const said = vouch({ held, nonce })
      if (isRefusal(said)) return said
      return said.answer && locks.confirmByStandby(said.answer, question)
    },
  }
}

function isPermitted({ bundle }: FabricState, own: PrincipalUri, key: KeyRef): boolean {
  const entry = bundle.standbys.find(({ principal }) => principal === own)
  return entry !== undefined && Buffer.compare(entry.spki, key.spki) === 0
}

function notVouching(rule: string): Refusal {
  return refuse('KOS_NODE_STANDBY', rule)
}
