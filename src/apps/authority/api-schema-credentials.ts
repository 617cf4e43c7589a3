import { z } from '../../foundation/base/index.ts'

/** What the report tells apart, in the order in which it comes. */
export const CREDENTIAL_KINDS = [
  'root',
  'intermediate',
  'role-key',
  'standby-key',
  'join-token',
  'api-token',
  'psk',
  'certificate',
] as const
/** One of {@link CREDENTIAL_KINDS}. */
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number]

/** One credential that is in force, or was meant to be. */
export interface CredentialView {
  readonly kind: CredentialKind
  /** Serial number, handle, token id or SHA-256 of a key: never a secret. */
  readonly id: string
  /** Of the principal; of the role, where the fleet itself has it. */
  readonly name: string
  /** Of certificates and pre-shared keys. */
  readonly generation?: number | undefined
  /**
   * `superseded`: in its time, and a newer generation was issued; `waiting`: not used yet; `permitted`,
   * `issuing`, `tainted`: of intermediates; else the state of its principal.
   */
  readonly state: string
  /** Absent: nobody wrote it down. */
  readonly createdAt?: number | undefined
  /** Absent: never, or not known of this kind. */
  readonly lastUsedAt?: number | undefined
  /** Absent: it does not end by itself. */
  readonly endsAt?: number | undefined
}

/** A page of the report. */
export interface CredentialPage {
  readonly credentials: CredentialView[]
  /** Where the next page begins; absent: this was the last one. */
  readonly next?: string | undefined
}

/** {@link CredentialPage} as a schema. */
export const credentialPage: z.ZodType<CredentialPage> = z.object({
  credentials: z.array(
    z.object({
      kind: z.enum(CREDENTIAL_KINDS),
      id: z.string(),
      name: z.string(),
      generation: z.number().optional(),
      state: z.string(),
      createdAt: z.number().optional(),
      lastUsedAt: z.number().optional(),
      endsAt: z.number().optional(),
    }),
  ),
  next: z.string().optional(),
})

/** What `kosctl credentials revoke` sends. */
export interface RevokeRequest {
  /** Why; for the audit log. */
  readonly reason: string
}

/** {@link RevokeRequest} as a schema. */
export const revokeRequest: z.ZodType<RevokeRequest> = z.strictObject({
  reason: z
    .string()
    .max(256)
    .refine((text) => text.isWellFormed()),
})

/** The answer to a revocation: what it was, and whose. */
export const credentialRevoked: z.ZodType<{ kind: CredentialKind; name?: string | undefined }> =
  z.object({ kind: z.enum(CREDENTIAL_KINDS), name: z.string().optional() })

/** The answer to `POST /v1/principals/:name/rotate`. */
export const credentialRotated: z.ZodType<{ kind: 'certificate' | 'psk'; delivered: boolean }> =
  z.object({ kind: z.enum(['certificate', 'psk']), delivered: z.boolean() })
