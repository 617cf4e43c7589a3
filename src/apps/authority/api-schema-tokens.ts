import { z } from '../../foundation/base/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../foundation/profiles/index.ts'
import { MAX_BATCH_TOKENS } from '../../lifecycle/enrolment/index.ts'

const name: z.ZodType<string> = z.string().min(1).max(64)
const groups: z.ZodType<string[]> = z.array(name).max(32)
const labels: z.ZodType<Record<string, string>> = z
  .record(name, name)
  .refine((pairs) => Object.keys(pairs).length <= 32)

/** What `kosctl token create` sends. */
export interface TokenRequest {
  /** Of the device; with `uses` what the names of the devices begin with. */
  readonly name: string
  readonly kind: 'device' | 'agent'
  readonly profile: ProfileName
  readonly lifeMs: number
  /** `est`: a secret for a device without `kosd`, instead of a join line. */
  readonly origin?: 'est' | undefined
  readonly groups?: string[] | undefined
  readonly labels?: Record<string, string> | undefined
  /** For several devices: how many. */
  readonly uses?: number | undefined
}

/** {@link TokenRequest} as a schema. */
export const tokenRequest: z.ZodType<TokenRequest> = z.strictObject({
  name,
  kind: z.enum(['device', 'agent']),
  profile: z.enum(PROFILE_NAMES),
  lifeMs: z.int().min(1),
  origin: z.literal('est').optional(),
  groups: groups.optional(),
  labels: labels.optional(),
  uses: z.int().min(1).optional(),
})

/** One device of `kosctl token batch`. */
export interface BatchRow {
  readonly name: string
  readonly kind: 'device' | 'agent'
  readonly profile: ProfileName
  /** Name of the owning user; absent: who asks. */
  readonly owner?: string | undefined
  readonly groups?: string[] | undefined
  readonly labels?: Record<string, string> | undefined
}

/** What `kosctl token batch` sends. */
export interface BatchRequest {
  readonly lifeMs: number
  readonly tokens: BatchRow[]
}

/** {@link BatchRequest} as a schema: form only, so that the answer can name every row that is unfit. */
export const batchRequest: z.ZodType<BatchRequest> = z.strictObject({
  lifeMs: z.int().min(1),
  tokens: z
    .array(
      z.strictObject({
        name,
        kind: z.enum(['device', 'agent']),
        profile: z.enum(PROFILE_NAMES),
        owner: name.optional(),
        groups: groups.optional(),
        labels: labels.optional(),
      }),
    )
    .min(1)
    .max(MAX_BATCH_TOKENS),
})

/** A token as listed: never with its secret. */
export interface TokenView {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly profile: string
  readonly owner: string
  readonly state: string
  readonly expiresAt: number
  /** What it is good for; absent: an older authority. */
  readonly origin?: 'join' | 'est' | undefined
  readonly createdAt?: number | undefined
  /** What it was created with. */
  readonly batch?: string | undefined
  /** For several devices: how often it can be used, and was. */
  readonly uses?: { readonly max: number; readonly used: number } | undefined
}

/** {@link TokenView} as a schema. */
export const tokenView: z.ZodType<TokenView> = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  profile: z.string(),
  owner: z.string(),
  state: z.string(),
  expiresAt: z.number(),
  origin: z.enum(['join', 'est']).optional(),
  createdAt: z.number().optional(),
  batch: z.string().optional(),
  uses: z.object({ max: z.number(), used: z.number() }).optional(),
})

/** The answer to `GET /v1/tokens`. */
export const tokenList: z.ZodType<{ tokens: TokenView[] }> = z.object({
  tokens: z.array(tokenView),
})

/** A device and the token that it came in by. */
export interface TokenDevice {
  /** Id of the token. */
  readonly token: string
  readonly id: string
  /** Its name today. */
  readonly name: string
  readonly state: string
  readonly joinedAt: number
}

/** The answer to `GET /v1/tokens/ID`: a token, or those of a batch, and who came in by them. */
export interface TokenDetail {
  readonly tokens: TokenView[]
  readonly devices: TokenDevice[]
}

/** {@link TokenDetail} as a schema. */
export const tokenDetail: z.ZodType<TokenDetail> = z.object({
  tokens: z.array(tokenView),
  devices: z.array(
    z.object({
      token: z.string(),
      id: z.string(),
      name: z.string(),
      state: z.string(),
      joinedAt: z.number(),
    }),
  ),
})

/** The answer to a token request: the only time the secret is shown. */
export const tokenCreated: z.ZodType<{ joinLine: string; token: TokenView }> = z.object({
  joinLine: z.string(),
  token: tokenView,
})

/** The answer to a batch: the only time the secrets are shown, in the order that was asked for. */
export interface BatchCreated {
  readonly batch: string
  readonly expiresAt: number
  readonly tokens: { readonly name: string; readonly id: string; readonly joinLine: string }[]
}

/** {@link BatchCreated} as a schema; names become names of files. */
export const batchCreated: z.ZodType<BatchCreated> = z.object({
  batch: z.string(),
  expiresAt: z.number(),
  tokens: z.array(
    z.object({
      name: z.string().regex(/^[a-z0-9-]{1,63}$/),
      id: z.string(),
      joinLine: z.string().regex(/^kos:\/\/[A-Za-z0-9.:[\]-]+#[A-Za-z0-9_.-]+$/),
    }),
  ),
})

/** The answer to a batch that has rows which cannot be: 409, and nothing was created. */
export interface BatchRefused {
  readonly code: string
  readonly rule: string
  readonly rows: {
    readonly index: number
    readonly code: string
    readonly rule: string
    readonly remedy?: string | undefined
  }[]
}

/** {@link BatchRefused} as a schema. */
export const batchRefused: z.ZodType<BatchRefused> = z.object({
  code: z.string(),
  rule: z.string(),
  rows: z.array(
    z.object({
      index: z.int().min(0),
      code: z.string(),
      rule: z.string(),
      remedy: z.string().optional(),
    }),
  ),
})

/** What a device without `kosd` is given. */
export interface EstAccess {
  /** Of EST at this authority, without a slash at its end. */
  readonly url: string
  /** User and password of HTTP Basic. */
  readonly user: string
  readonly password: string
  /** What the device verifies the authority by. */
  readonly rootPem: string
}

/** The answer to a token request for EST: the only time the password is shown. */
export const estTokenCreated: z.ZodType<{ est: EstAccess; token: TokenView }> = z.object({
  // It is pasted into a shell: nothing but what stands in such texts.
  est: z.object({
    url: z.string().regex(/^https:\/\/[A-Za-z0-9.:[\]-]+[a-z0-9./-]*$/),
    user: z.string().regex(/^[A-Za-z0-9_-]+$/),
    password: z.string().regex(/^[A-Za-z0-9_-]+$/),
    rootPem: z
      .string()
      .regex(/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n$/),
  }),
  token: tokenView,
})
