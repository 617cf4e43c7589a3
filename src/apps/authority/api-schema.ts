import { z } from '../../foundation/base/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../foundation/profiles/index.ts'
import { STANDBY_LIMITS } from '../../trust/pki/index.ts'

/** A principal as the HTTP API shows it; MAC and UUID stay in the registry. */
export interface PrincipalView {
  readonly id: string
  readonly uri: string
  readonly kind: string
  readonly name: string
  readonly profile: ProfileName
  readonly state: 'active' | 'locked' | 'quarantined' | 'removed'
  readonly owner: string
  readonly roles: string[]
  readonly groups: string[]
  readonly labels: Record<string, string>
  readonly addresses: string[]
  readonly generation: number
  readonly identityKeyHash: string
  readonly certificateNotAfter: number
  readonly renewAfter: number
  readonly createdAt: number
  readonly lastSeenAt?: number | undefined
  readonly connected: boolean
  /** `est`: it runs no `kosd` and renews its certificate by EST. Absent: an older authority. */
  readonly origin?: 'join' | 'est' | undefined
}

const name: z.ZodType<string> = z.string().min(1).max(64)

/** {@link PrincipalView} as a schema. */
export const principalView: z.ZodType<PrincipalView> = z.object({
  id: z.string(),
  uri: z.string(),
  kind: z.string(),
  name: z.string(),
  profile: z.enum(PROFILE_NAMES),
  state: z.enum(['active', 'locked', 'quarantined', 'removed']),
  owner: z.string(),
  roles: z.array(z.string()),
  groups: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  addresses: z.array(z.string()),
  generation: z.number(),
  identityKeyHash: z.string(),
  certificateNotAfter: z.number(),
  renewAfter: z.number(),
  createdAt: z.number(),
  lastSeenAt: z.number().optional(),
  connected: z.boolean(),
  origin: z.enum(['join', 'est']).optional(),
})

/** The answer to `GET /v1/principals`. */
export const principalList: z.ZodType<{ principals: PrincipalView[] }> = z.object({
  principals: z.array(principalView),
})

/** Changes an operator may make to a principal. */
export interface PrincipalPatch {
  readonly name?: string | undefined
  /** Labels to set; `null` removes one. */
  readonly labels?: Record<string, string | null> | undefined
  readonly groups?: string[] | undefined
}

/** {@link PrincipalPatch} as a schema. */
export const principalPatch: z.ZodType<PrincipalPatch> = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
    .optional(),
  labels: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/),
      z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
        .nullable(),
    )
    .refine((labels) => Object.keys(labels).length <= 32)
    .optional(),
  groups: z.array(name).max(32).optional(),
})

/** What `kosctl lock` sends. */
export interface LockRequest {
  /** Why; for the audit log. */
  readonly reason: string
}

/** {@link LockRequest} as a schema. */
export const lockRequest: z.ZodType<LockRequest> = z.strictObject({
  reason: z
    .string()
    .min(1)
    .max(256)
    .refine((text) => text.isWellFormed()),
})

/** An entry of the audit log as it is shown. */
export interface AuditEntryView {
  readonly index: number
  readonly timeMs: number
  readonly type: string
  readonly actor: string
  readonly target: string
  readonly action: string
  readonly outcome: string
  readonly code?: string | undefined
  readonly rule?: string | undefined
  readonly callId?: string | undefined
  readonly durationMs?: number | undefined
  readonly detail?: Record<string, string | number | boolean> | undefined
  /** The node that forwarded the entry; absent for the authority's own. */
  readonly source?: string | undefined
}

const auditEntryView: z.ZodType<AuditEntryView> = z.object({
  index: z.number(),
  timeMs: z.number(),
  type: z.string(),
  actor: z.string(),
  target: z.string(),
  action: z.string(),
  outcome: z.string(),
  code: z.string().optional(),
  rule: z.string().optional(),
  callId: z.string().optional(),
  durationMs: z.number().optional(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  source: z.string().optional(),
})

/** A page of the log. */
export interface AuditPage {
  readonly size: number
  readonly entries: AuditEntryView[]
}

/** {@link AuditPage} as a schema. */
export const auditPage: z.ZodType<AuditPage> = z.object({
  size: z.number(),
  entries: z.array(auditEntryView),
})

/** What a verification found, and the proof that lets the caller check it against what it kept. */
export interface AuditReport {
  readonly ok: boolean
  readonly entries: number
  readonly checkpoints: number
  readonly unsealed: number
  readonly firstBad?: { readonly index: number; readonly reason: string } | undefined
  /** The newest checkpoint as a signed note. */
  readonly checkpoint: string
  /** Consistency proof from the size asked for, base64 each. */
  readonly consistency: string[]
}

/** {@link AuditReport} as a schema. */
export const auditReport: z.ZodType<AuditReport> = z.object({
  ok: z.boolean(),
  entries: z.number(),
  checkpoints: z.number(),
  unsealed: z.number(),
  firstBad: z.object({ index: z.number(), reason: z.string() }).optional(),
  checkpoint: z.string(),
  consistency: z.array(z.string()),
})

/** How far the log of one member was taken in, and what stands against it. */
export interface AuditMemberView {
  readonly id: string
  readonly kind: string
  readonly name: string
  /**
   * `current`; `behind`: it stated entries that have not come; `silent`: nothing was heard of it for
   * three minutes; `never`: nothing ever; `alarm`: see `alarms`.
   */
  readonly state: 'current' | 'behind' | 'silent' | 'never' | 'alarm'
  /** Entries taken in. */
  readonly takenIn: number
  /** Entries that it stated, signed, and that have not come. */
  readonly missing: number
  /** When it last forwarded or stated the size of its log, by the authority's clock. */
  readonly heardAt?: number | undefined
  readonly connected: boolean
  readonly alarms: {
    /** As the audit log has them; `short`: its log ends before what it had forwarded. */
    readonly kind: 'gap' | 'fork' | 'unfit' | 'short'
    readonly first: number
    readonly last?: number | undefined
  }[]
}

/** The answer to `GET /v1/audit/members`. */
export const auditMemberList: z.ZodType<{ members: AuditMemberView[] }> = z.object({
  members: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      name: z.string(),
      state: z.enum(['current', 'behind', 'silent', 'never', 'alarm']),
      takenIn: z.number(),
      missing: z.number(),
      heardAt: z.number().optional(),
      connected: z.boolean(),
      alarms: z.array(
        z.object({
          kind: z.enum(['gap', 'fork', 'unfit', 'short']),
          first: z.number(),
          last: z.number().optional(),
        }),
      ),
    }),
  ),
})

/** What `kosctl standby add` sends. */
export interface StandbyRequest {
  /** How long after the authority's last signature it may vouch, in milliseconds. */
  readonly maxMs: number
}

/** {@link StandbyRequest} as a schema. */
export const standbyRequest: z.ZodType<StandbyRequest> = z.strictObject({
  maxMs: z.int().min(STANDBY_LIMITS.minMs).max(STANDBY_LIMITS.maxMs),
})

/** A standby signer, or a member that offers to be one. */
export interface StandbyView {
  readonly name: string
  /** Its URI. */
  readonly principal: string
  /**
   * `permitted` by the trust bundle; `offered`: not yet; `other-key`: it lost the key that is permitted;
   * `locked`, `removed`: nobody believes it, whatever the bundle says.
   */
  readonly state: 'permitted' | 'offered' | 'other-key' | 'locked' | 'removed'
  /** SHA-256 of its key, hexadecimal. */
  readonly keyId: string
  readonly connected: boolean
  /** Absent while it is only offered. */
  readonly maxMs?: number | undefined
}

/** The answer to `GET /v1/standbys`. */
export const standbyList: z.ZodType<{ standbys: StandbyView[] }> = z.object({
  standbys: z.array(
    z.object({
      name: z.string(),
      principal: z.string(),
      state: z.enum(['permitted', 'offered', 'other-key', 'locked', 'removed']),
      keyId: z.string(),
      connected: z.boolean(),
      maxMs: z.number().optional(),
    }),
  ),
})

/** One check of `kosctl doctor`. */
export interface CheckView {
  readonly name: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly detail: string
}

/** The answer to `GET /v1/checks`. */
export const checkList: z.ZodType<{ checks: CheckView[] }> = z.object({
  checks: z.array(
    z.object({
      name: z.string(),
      state: z.enum(['ok', 'warning', 'failed']),
      detail: z.string(),
    }),
  ),
})

/** The signed objects every member caches; base64, absent when the caller has them. */
export interface FabricObjects {
  readonly directory: string
  readonly locks: string
  readonly manifest: string
}

/** {@link FabricObjects} as a schema. */
export const fabricObjects: z.ZodType<FabricObjects> = z.object({
  directory: z.string(),
  locks: z.string(),
  manifest: z.string(),
})

/** The body of `PUT /v1/manifest`. */
export const manifestUpload: z.ZodType<{ manifest: string }> = z.strictObject({
  manifest: z.string().max(8 * 1024 * 1024),
})

/** A session with the authority, or a token of the HTTP API, in force. */
export interface SessionView {
  /** Names it for revocation; not secret. */
  readonly handle: string
  readonly kind: 'session' | 'api'
  /** URI of the principal. */
  readonly principal: string
  /** IP address. */
  readonly source: string
  readonly createdAt: number
  readonly expiresAt: number
  /** Of a token; a session is in use while it is open. */
  readonly lastUsedAt?: number | undefined
}

/** The answer to `GET /v1/sessions`. */
export const sessionList: z.ZodType<{ sessions: SessionView[] }> = z.object({
  sessions: z.array(
    z.object({
      handle: z.string(),
      kind: z.enum(['session', 'api']),
      principal: z.string(),
      source: z.string(),
      createdAt: z.number(),
      expiresAt: z.number(),
      lastUsedAt: z.number().optional(),
    }),
  ),
})
