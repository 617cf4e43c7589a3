import { z } from '../../foundation/base/index.ts'
import { ROLES, type Role } from './http-types.ts'
import { tokenView, type TokenView } from './api-schema-tokens.ts'

/** Roles of a user: at least one, each once. */
const roles: z.ZodType<Role[]> = z
  .array(z.enum(ROLES))
  .min(1)
  .max(ROLES.length)
  .refine((list) => new Set(list).size === list.length)

/** What `kosctl operator add` sends. */
export interface InviteRequest {
  readonly name: string
  readonly roles: Role[]
  readonly lifeMs: number
}

/** {@link InviteRequest} as a schema. */
export const inviteRequest: z.ZodType<InviteRequest> = z.strictObject({
  name: z.string().min(1).max(64),
  roles,
  lifeMs: z.int().min(1),
})

/** What `kosctl operator role` sends. */
export interface RolesRequest {
  readonly roles: Role[]
}

/** {@link RolesRequest} as a schema. */
export const rolesRequest: z.ZodType<RolesRequest> = z.strictObject({ roles })

/** A user, or a line that would make one. */
export interface UserView {
  readonly name: string
  readonly roles: string[]
  /** `invited`: nobody has used the line yet. */
  readonly state: 'active' | 'locked' | 'quarantined' | 'invited'
  /** End of the certificate, or of the line. */
  readonly endsAt: number
  readonly createdAt: number
  readonly lastSeenAt?: number | undefined
  /** Of the newest certificate; absent: invited. */
  readonly generation?: number | undefined
}

/** {@link UserView} as a schema. */
const userView: z.ZodType<UserView> = z.object({
  name: z.string(),
  roles: z.array(z.string()),
  state: z.enum(['active', 'locked', 'quarantined', 'invited']),
  endsAt: z.number(),
  createdAt: z.number(),
  lastSeenAt: z.number().optional(),
  generation: z.number().optional(),
})

/** The answer to `GET /v1/users`. */
export const userList: z.ZodType<{ users: UserView[] }> = z.object({ users: z.array(userView) })

/** The answer to `PATCH /v1/users/:name`. */
export const userChanged: z.ZodType<{ name: string; roles: string[] }> = z.object({
  name: z.string(),
  roles: z.array(z.string()),
})

/** The answer to an invitation: the only time the secret is shown. */
export const userInvited: z.ZodType<{ joinLine: string; token: TokenView }> = z.object({
  joinLine: z.string(),
  token: tokenView,
})
