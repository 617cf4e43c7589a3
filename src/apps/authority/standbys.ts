import {
  equalBytes,
  isRefusal,
  type Log,
  type PrincipalUri,
  parsePrincipal,
  refuse,
  type Refusal,
  sha256,
  toHex,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  type CertificateAuthority,
  STANDBY_LIMITS,
  type StandbyFields,
  verifyStandbyProof,
} from '../../trust/pki/index.ts'
import type { StandbyOffer } from '../node/index.ts'
import type { StandbyView } from './api-schema.ts'
import { ASK_ELSEWHERE } from './ca-control.ts'
import type { Registry } from './registry.ts'

/** The standby signers of a fabric: who offers, and whom the roots permit. */
export interface Standbys {
  /** A member with a session offers its key; kept until this process ends, so it offers again. */
  offered(peer: PeerFacts, offer: StandbyOffer): Refusal | undefined
  /**
   * Permits the key that a member offers, in a new trust bundle; durable and told to all on return.
   *
   * @param maxMs - how long after the authority's last signature it may vouch
   * @returns the number of the bundle in force, or a refusal KOS_AUTHORITY_STANDBY
   */
  add(member: PrincipalRecord, maxMs: number): { readonly number: number } | Refusal
  /** Takes a standby signer back, in a new trust bundle. */
  remove(uri: string): { readonly number: number } | Refusal
  /**
   * The standby signers with or without one, for root keys that are kept elsewhere.
   *
   * @returns all of them, or a refusal KOS_AUTHORITY_STANDBY
   */
  with(member: PrincipalRecord, maxMs: number): readonly StandbyFields[] | Refusal
  without(uri: string): readonly StandbyFields[] | Refusal
  /** A principal that was removed for ever: taken back where the root keys are there to do it. */
  forget(uri: string): void
  list(): StandbyView[]
}

interface StandbysDeps {
  readonly log: Log
  readonly ca: CertificateAuthority
  readonly registry: Registry
  isConnected(uri: string): boolean
  /** The trust bundle is another one: members are to fetch it. */
  onChanged(): void
}

/**
 * Makes the standby signers of an authority.
 *
 * **Security:** what an operator permits is the key that the member itself proved over its session, and
 * no other is ever named by anybody.
 */
export function createStandbys(deps: StandbysDeps): Standbys {
  const { ca, registry } = deps
  /** By principal URI. Only members have sessions, so the registry bounds it. */
  const offers = new Map<PrincipalUri, Uint8Array>()
  const replace = (standbys: readonly StandbyFields[]): { readonly number: number } | Refusal => {
    if (!ca.hasRootKeys) {
      return refused('root-keys', ASK_ELSEWHERE)
    }
    ca.setStandbys(standbys)
    deps.log.event('standbys.changed', { count: standbys.length, number: ca.trust.number })
    deps.onChanged()
    return { number: ca.trust.number }
  }
  const others = (uri: string): readonly StandbyFields[] =>
    ca.trust.standbys.filter(({ principal }) => principal !== uri)
  const withMember = (
    member: PrincipalRecord,
    maxMs: number,
  ): readonly StandbyFields[] | Refusal => {
    const uri = parsePrincipal(member.uri)?.uri
    const unfit = refuseMember(member)
    if (!uri || unfit) return unfit ?? refused('member', 'Name a device or an agent.')
    const spki = offers.get(uri)
    if (!spki) {
      const remedy = 'Start it with "kosd node --standby", and wait until it is connected.'
      return refused('not-offered', remedy)
    }
    if (others(uri).length >= STANDBY_LIMITS.maxStandbys) {
      return refused('limit', 'Take one back with "kosctl standby remove NAME".')
    }
    const now = ca.trust.standbys.find(({ principal }) => principal === uri)
    // The same again changes nothing: a lost answer is repeated.
    if (now && now.maxMs === maxMs && equalBytes(now.spki, spki)) return ca.trust.standbys
    return [...others(uri), { principal: uri, spki, maxMs }]
  }
  const without = (uri: string): readonly StandbyFields[] | Refusal => {
    const rest = others(uri)
    return rest.length < ca.trust.standbys.length
      ? rest
      : refused('none', 'List them with "kosctl standby list".')
  }
  return {
    offered: ({ principal }, offer) => {
      const refusal = verifyStandbyProof(principal.uri, offer)
      if (refusal) return refusal
      // One that a member signs other things with must not vouch as well.
      const use = registry.atOnce((step) => step.keyUse(toHex(sha256(offer.spki))))
      if (use) return refused('key-in-use', 'It needs a key that it uses for nothing else.')
      offers.set(principal.uri, Uint8Array.from(offer.spki))
      return undefined
    },
    add: (member, maxMs) => {
      const all = withMember(member, maxMs)
      if (isRefusal(all)) return all
      return all === ca.trust.standbys ? { number: ca.trust.number } : replace(all)
    },
    remove: (uri) => {
      const rest = without(uri)
      return isRefusal(rest) ? rest : replace(rest)
    },
    with: withMember,
    without,
    forget: (uri) => {
      const principal = parsePrincipal(uri)
      if (principal) offers.delete(principal.uri)
      const rest = others(uri)
      if (rest.length < ca.trust.standbys.length && ca.hasRootKeys) replace(rest)
    },
    list: () => [
      ...ca.trust.standbys.map((standby) =>
        viewOf(deps, standby, offers.get(standby.principal) ?? standby.spki),
      ),
      ...[...offers]
        .filter(([uri]) => !ca.trust.standbys.some(({ principal }) => principal === uri))
        .map(([principal, spki]) => viewOf(deps, { principal, spki }, spki)),
    ],
  }
}

function refuseMember({ state, kind, profile }: PrincipalRecord): Refusal | undefined {
  if (state !== 'active') return refused(`member/${state}`, 'It is not welcome itself.')
  const isMember = kind === 'device' || kind === 'agent'
  if (isMember && profileOf(profile).authentication.factor !== 'psk') return undefined
  return refused('member', 'Name a device or an agent that has a certificate.')
}

function viewOf(
  deps: StandbysDeps,
  standby: Pick<StandbyFields, 'principal' | 'spki'> & { readonly maxMs?: number },
  offered: Uint8Array,
): StandbyView {
  const { principal, spki, maxMs } = standby
  const id = parsePrincipal(principal)?.id ?? ''
  const record = deps.registry.principal(id)
  return {
    name: record?.name ?? id,
    principal,
    state: stateOf(record?.state, { isPermitted: maxMs !== undefined, spki, offered }),
    keyId: toHex(sha256(spki)),
    connected: deps.isConnected(principal),
    ...(maxMs !== undefined && { maxMs }),
  }
}

function stateOf(
  state: PrincipalRecord['state'] | undefined,
  standby: {
    readonly isPermitted: boolean
    readonly spki: Uint8Array
    readonly offered: Uint8Array
  },
): StandbyView['state'] {
  if (state !== 'active') return state === 'removed' ? 'removed' : 'locked'
  if (!standby.isPermitted) return 'offered'
  // It lost its key: what the bundle names vouches for nothing any more.
  return equalBytes(standby.spki, standby.offered) ? 'permitted' : 'other-key'
}

function refused(rule: string, remedy: string): Refusal {
  return refuse('KOS_AUTHORITY_STANDBY', `standby/${rule}`, { remedy })
}
