import { z } from '../../foundation/base/index.ts'

/** An intermediate of the trust bundle. */
export interface IntermediateView {
  /** Subject key identifier, hexadecimal. */
  readonly keyId: string
  readonly serial: string
  /** `permitted`: members accept it, and it does not issue; `tainted`: its leaves are renewed soon. */
  readonly state: 'issuing' | 'permitted' | 'tainted'
  readonly notBefore: number
  readonly notAfter: number
  /** How many principals have their newest certificate from it, still in time. */
  readonly holders: number
  /** The first of them by name. */
  readonly names: readonly string[]
}

/** A request that waits for root keys elsewhere. */
export interface PendingView {
  readonly era: number
  readonly number: number
  /** The operator who asked. */
  readonly by: string
  readonly issuedAt: number
  /** What it changes, a line each. */
  readonly changes: readonly string[]
}

/** The answer to `GET /v1/ca` and to every step of a rotation. */
export interface CaStatus {
  readonly bundle: { readonly era: number; readonly number: number }
  /** Whether both root keys are on the authority: most steps need them. */
  readonly rootKeys: boolean
  /** Whether the next intermediate is to be asked for: it does not come by itself. */
  readonly due: boolean
  /** What root keys elsewhere were asked for and have not answered. */
  readonly pending?: PendingView | undefined
  readonly intermediates: readonly IntermediateView[]
  /** What a company above has signed, for outsiders. */
  readonly chain?: ChainView | undefined
}

/** A chain to a company's root. */
export interface ChainView {
  /** Which CA the company signed. */
  readonly of: 'root' | 'intermediate'
  /** When the first certificate of it ends. */
  readonly notAfter: number
  /** `stale`: of an intermediate that does not issue any more. */
  readonly state: 'in-force' | 'ends-soon' | 'ended' | 'stale'
}

/** {@link CaStatus} as a schema. */
export const caStatus: z.ZodType<CaStatus> = z.object({
  bundle: z.object({ era: z.number(), number: z.number() }),
  rootKeys: z.boolean(),
  due: z.boolean(),
  pending: z
    .object({
      era: z.number(),
      number: z.number(),
      by: z.string(),
      issuedAt: z.number(),
      changes: z.array(z.string()),
    })
    .optional(),
  intermediates: z.array(
    z.object({
      keyId: z.string(),
      serial: z.string(),
      state: z.enum(['issuing', 'permitted', 'tainted']),
      notBefore: z.number(),
      notAfter: z.number(),
      holders: z.number(),
      names: z.array(z.string()),
    }),
  ),
  chain: z
    .object({
      of: z.enum(['root', 'intermediate']),
      notAfter: z.number(),
      state: z.enum(['in-force', 'ends-soon', 'ended', 'stale']),
    })
    .optional(),
})

/** What `kosctl ca revoke` sends. */
export interface CaRevokeRequest {
  readonly force: boolean
}

/** {@link CaRevokeRequest} as a schema. */
export const caRevokeRequest: z.ZodType<CaRevokeRequest> = z.strictObject({ force: z.boolean() })

/** What `kosctl ca request` sends. */
export type CaRequestRequest =
  | { readonly step: 'prepare' | 'taint' | 'clear-taint' | 'era' }
  | { readonly step: 'revoke'; readonly force: boolean }
  | { readonly step: 'standby-add'; readonly name: string; readonly maxMs: number }
  | { readonly step: 'standby-remove'; readonly name: string }

/** It stands in the audit log, whatever it is. */
const name = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => text.isWellFormed())

/** {@link CaRequestRequest} as a schema. */
export const caRequestRequest: z.ZodType<CaRequestRequest> = z.discriminatedUnion('step', [
  z.strictObject({ step: z.enum(['prepare', 'taint', 'clear-taint', 'era']) }),
  z.strictObject({ step: z.literal('revoke'), force: z.boolean() }),
  z.strictObject({ step: z.literal('standby-add'), name, maxMs: z.int().min(1) }),
  z.strictObject({ step: z.literal('standby-remove'), name }),
])

/** The answer to it. */
export interface RootRequestView {
  /** The request, base64. */
  readonly request: string
  /** Era and number of the bundle that it asks for. */
  readonly era: number
  readonly number: number
}

/** {@link RootRequestView} as a schema. */
export const rootRequestView: z.ZodType<RootRequestView> = z.object({
  request: z.string(),
  era: z.number(),
  number: z.number(),
})

/** The answer to `GET /v1/ca/csr`: PKCS#10 in PEM. */
export const caCsrView: z.ZodType<{ readonly csr: string }> = z.object({ csr: z.string() })

/** The answer to `GET /v1/ca/chain`: what outsiders lack between a leaf and the company's root, in PEM. */
export const caChainView: z.ZodType<{ readonly pem: string }> = z.object({ pem: z.string() })

/** What `kosctl ca chain import` sends. */
export interface ChainImportRequest {
  /** Certificates in PEM, in any order; text between them is skipped. */
  readonly pem: string
}

/** {@link ChainImportRequest} as a schema. */
export const chainImportRequest: z.ZodType<ChainImportRequest> = z.strictObject({
  pem: z.string().max(96 * 1024),
})
