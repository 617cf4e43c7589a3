import {
  type Clock,
  isRefusal,
  type Refusal,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  type AuditLog,
  type AuditSource,
  claimedSize,
  type ForwardBatch,
} from '../../trust/audit/index.ts'
import type { AuditMemberView } from './api-schema.ts'
import { auditOrigin, ingestForwarded } from './audit-service.ts'
import type { Registry } from './registry.ts'

/** A member states the size of its log every minute; after three it is silent. */
export const SILENT_AFTER_MS = 180_000

/** What the authority holds of its members' audit logs. */
export interface AuditMembers {
  /** Takes in what a member forwards, and notes that it was heard. */
  ingest(
    record: PrincipalRecord,
    batch: ForwardBatch,
  ): Promise<{ readonly nextIndex: number } | Refusal>
  /** Every member that keeps a log, and what stands against logs of members that are gone. */
  list(): Promise<readonly AuditMemberView[]>
}

interface AuditMembersDeps {
  readonly clock: Clock
  readonly audit: AuditLog
  readonly registry: Registry
  readonly trustDomain: TrustDomain
  readonly isConnected: (uri: string) => boolean
}

/** What a member said last. Lost with the process: members state it again within a minute. */
interface Heard {
  readonly atMs: number
  /** Entries that its newest signed checkpoint covers. */
  readonly stated: number
}

/** Makes the view of the members' logs. */
export function createAuditMembers(deps: AuditMembersDeps): AuditMembers {
  const heard = new Map<string, Heard>()
  return {
    ingest: async (record, batch) => {
      const { audit, trustDomain, clock } = deps
      const result = await ingestForwarded(audit, { record, trustDomain }, batch)
      const stated = claimedSize(batch.checkpoint)
      if (!isRefusal(result) && stated !== undefined) {
        heard.set(record.id, { atMs: clock.wallMs(), stated })
      }
      return result
    },
    list: async () => {
      const sources = new Map((await deps.audit.sources()).map((one) => [one.source, one]))
      // Users ask and are recorded by whom they ask; they keep no log, nor do devices without kosd.
      const members = deps.registry
        .principals()
        .filter(({ kind, origin }) => kind !== 'user' && origin === undefined)
      const views = members.map((record) => {
        const source = auditOrigin(deps.trustDomain, record.kind, record.id)
        const known = sources.get(source)
        sources.delete(source)
        return memberView(deps, record, { known, heard: heard.get(record.id) })
      })
      const gone = [...sources.values()].filter(({ alarms }) => alarms.length > 0)
      return [...views, ...gone.map(goneView)]
    },
  }
}

function memberView(
  { clock, isConnected }: AuditMembersDeps,
  { id, kind, name, uri }: PrincipalRecord,
  about: { readonly known: AuditSource | undefined; readonly heard: Heard | undefined },
): AuditMemberView {
  const { nextIndex: takenIn = 0, takenAtMs } = about.known ?? {}
  const stated = about.heard?.stated ?? takenIn
  const alarms: AuditMemberView['alarms'] = [...(about.known?.alarms ?? [])]
  // A checkpoint covers the entries that come with it: a smaller one means an older copy of the log.
  if (stated < takenIn) alarms.push({ kind: 'short', first: stated })
  const heardAt = Math.max(about.heard?.atMs ?? 0, takenAtMs ?? 0)
  const missing = Math.max(0, stated - takenIn)
  const isSilent = clock.wallMs() - heardAt > SILENT_AFTER_MS
  const state =
    alarms.length > 0
      ? 'alarm'
      : heardAt === 0
        ? 'never'
        : isSilent
          ? 'silent'
          : missing > 0
            ? 'behind'
            : 'current'
  return {
    id,
    kind,
    name,
    state,
    takenIn,
    missing,
    ...(heardAt > 0 && { heardAt }),
    connected: isConnected(uri),
    alarms,
  }
}

/** A removed member's log with something against it must not vanish with the member. */
function goneView({ source, nextIndex, takenAtMs, alarms }: AuditSource): AuditMemberView {
  const [kind = '-', id = source] = source.split('/').slice(-2)
  return {
    id,
    kind,
    name: id,
    state: 'alarm',
    takenIn: nextIndex,
    missing: 0,
    ...(takenAtMs !== undefined && { heardAt: takenAtMs }),
    connected: false,
    alarms: alarms.map((alarm) => ({ ...alarm })),
  }
}
