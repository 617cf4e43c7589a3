import {
  type Log,
  type PrincipalUri,
  type Random,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { SystemStatus } from '../../commands/catalog/index.ts'
import type { AuditLog } from '../../trust/audit/index.ts'
import type { AuthorityLink } from './authority-link.ts'
import { nodeErrors } from './errors.ts'
import type { Member } from './member.ts'
import { recordSoon } from './recorders.ts'
import {
  createStandbySigner,
  type StandbySigner,
  type VouchQuestion,
  type Vouched,
} from './standby-signer.ts'

/**
 * The standby signer of a member.
 *
 * @throws {@link KosError} KOS_NODE_NO_CERTIFICATE for a device with a pre-shared key: it proves nothing to
 * a peer
 */
export function memberStandby(deps: { readonly random: Random }, member: Member): StandbySigner {
  const { membership, fabric, keys, clock } = member
  if (membership.psk) throw nodeErrors.error('KOS_NODE_NO_CERTIFICATE')
  return createStandbySigner({ ...deps, clock, fabric, keys }, membership.principal.uri)
}

/**
 * Answers a member; one that holds a newer list brings it along when it asks again.
 *
 * @param parts - link and signer of the standby
 */
export function vouchWith(
  parts: {
    readonly link: Pick<AuthorityLink, 'takeLocks'>
    readonly signer: StandbySigner | undefined
  },
  question: VouchQuestion,
  locks: Uint8Array | undefined,
): Vouched | Refusal {
  if (locks) parts.link.takeLocks(locks)
  return parts.signer?.vouch(question) ?? refuse('KOS_NODE_STANDBY', 'standby/none')
}

/** On whose word open sessions stand is worth a record whenever it changes. */
export function recordFreshBy(
  { log }: { readonly log: Log },
  { member, audit }: { readonly member: Member; readonly audit: AuditLog },
  by: 'authority' | PrincipalUri,
): void {
  const name = nameOf(member, by)
  log.event('locks.fresh-by', { name })
  recordSoon(audit, log, {
    type: 'lock',
    actor: by === 'authority' ? '-' : by,
    target: member.membership.principal.uri,
    action: 'locks.fresh-by',
    outcome: 'ok',
    detail: { name },
  })
}

/** What `system.status` says of the lock list. */
export function lockFreshness(
  member: Pick<Member, 'clock' | 'fabric'>,
): Pick<SystemStatus, 'locksFreshBy' | 'locksAgeMs'> {
  const { locks } = member.fabric
  const ageMs = locks.ageMs(member.clock.monotonicMs())
  return {
    locksFreshBy: nameOf(member, locks.freshBy),
    ...(Number.isFinite(ageMs) && { locksAgeMs: Math.round(ageMs) }),
  }
}

function nameOf(
  { fabric }: Pick<Member, 'fabric'>,
  by: 'authority' | PrincipalUri | undefined,
): string {
  if (by === undefined) return 'nobody'
  return by === 'authority' ? by : (fabric.directory.byUri(by)?.name ?? 'unlisted')
}
