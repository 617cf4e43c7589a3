import { equalBytes, isRefusal, type Refusal } from '../../foundation/base/index.ts'
import {
  createClaim,
  encodeOffer,
  type RecoveryClaim,
  type RecoveryOffer,
  recoveryStatus,
  type RecoveryStatus,
} from '../../lifecycle/recovery/index.ts'
import { compareNumbered, type EraNumber, type TrustBundle } from '../../trust/pki/index.ts'
import {
  type AuthorityClient,
  connectAuthority,
  parseAnswer,
  refusalOf,
} from './authority-client.ts'
import type { Member } from './member.ts'
import { readObject } from './object-files.ts'

const PATH = '/v1/recovery'

/** What asking the authority over HTTPS changed. */
export interface Consulted {
  /** By how many milliseconds the own clock was moved forward. */
  readonly movedMs: number
  /** Whether another trust bundle is in force. */
  readonly isRebundled: boolean
  /** The authority was restored from a backup, and serves nobody yet. */
  readonly isWaiting: boolean
  /** Why the authority did not take what it was brought. */
  readonly refused: Refusal | undefined
}

/**
 * Asks the authority, without a session and without presenting a certificate, why there is no session: it
 * compares the clocks, takes the trust bundle, and brings an authority that was restored what it lacks.
 *
 * @param member - whose clock is raised when it is behind, and whose objects are offered
 * @param timeoutMs - longest silence of the authority
 * @throws {@link KosError} KOS_NODE_CLOCK when the own clock is ahead, KOS_NODE_AUTHORITY_UNREACHABLE,
 * KOS_NODE_AUTHORITY_UNTRUSTED
 * @see identity: Eras: restore without bricking
 */
export async function consultAuthority(member: Member, timeoutMs: number): Promise<Consulted> {
  const { host, port, pin } = member.membership
  const { clock } = member
  const offset = (): number => clock.wallMs() - clock.monotonicMs()
  const before = offset()
  const held = member.fabric.bundle
  const target = { host, port, pin, held, timeoutMs, identity: undefined }
  const client = await connectAuthority({ clock }, target)
  try {
    await client.agreeOnTime()
    const movedMs = Math.max(0, offset() - before)
    const brought = await bringNews(member, client)
    const isRebundled =
      !brought.isWaiting && member.fabric.apply('bundle', client.bundleBytes) === 'newer'
    return { movedMs, isRebundled, ...brought }
  } finally {
    client.close()
  }
}

/**
 * Brings an authority that opened another era what it lacks: the signed objects that are newer than those
 * of its backup, and the proof of the own certificate. The bundle of the new era must not be taken
 * before that: it may leave out the issuer of the own certificate.
 *
 * @returns whether the authority waits for its members yet
 */
export async function bringNews(
  member: Bringer,
  client: AuthorityClient,
): Promise<Pick<Consulted, 'isWaiting' | 'refused'>> {
  if (!isRestored(client.bundle, member.fabric.bundle)) return NO_NEWS
  const status = parseAnswer(await client.request('GET', PATH), recoveryStatus)
  // An authority that knows no restores.
  if (isRefusal(status)) return NO_NEWS
  const { isWaiting } = status
  const bytes = encodeOffer(offerOf(member, client, status))
  const answer = await client.request('POST', PATH, { type: 'application/cbor', bytes })
  return { isWaiting, refused: answer.status === 200 ? undefined : refusalOf(answer) }
}

/** What of a member an offer is made of. */
type Bringer = Pick<Member, 'folder' | 'keys' | 'fabric' | 'membership'>

const NO_NEWS = Object.freeze({ isWaiting: false, refused: undefined })

/** A bundle that is newer in the same era is an ordinary change; anything else is not. */
function isRestored(served: TrustBundle, held: TrustBundle): boolean {
  if (equalBytes(served.hash, held.hash)) return false
  return served.era !== held.era || compareNumbered(served, held) <= 0
}

function offerOf(member: Bringer, client: AuthorityClient, status: RecoveryStatus): RecoveryOffer {
  const { fabric, folder } = member
  const held = [
    ['directory', 'directory', fabric.directory.current?.object],
    ['lock-list', 'locks', fabric.locks.current?.object],
    ['manifest', 'manifest', fabric.manifest],
  ] as const
  const objects = held.flatMap(([kind, name, object]) => {
    const signed = object && isNewer(object, status.newest[kind]) && readObject(folder, name)
    return signed ? [[kind, signed] as const] : []
  })
  return {
    bundle: readObject(folder, 'bundle') ?? client.bundleBytes,
    objects: Object.fromEntries(objects),
    claim: member.membership.psk ? undefined : claimOf(member, client),
  }
}

function isNewer(held: EraNumber, known: EraNumber | undefined): boolean {
  return !known || compareNumbered(held, known) > 0
}

function claimOf({ keys, membership }: Bringer, client: AuthorityClient): RecoveryClaim {
  const identity = keys.require('identity')
  const facts = {
    leaf: membership.leaf,
    identitySpki: identity.spki,
    kemSpki: keys.require('kem').spki,
    logSpkis: [keys.require('log-ed25519').spki, keys.require('log-ml-dsa-44').spki],
  }
  return createClaim(facts, client.exporter(), identity.coseSigner())
}
