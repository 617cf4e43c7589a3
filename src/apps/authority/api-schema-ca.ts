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

/** The answer to `GET /v1/ca` and to every step of a rotation. */
export interface CaStatus {
  readonly bundle: { readonly era: number; readonly number: number }
  /** Whether both root keys are on the authority: most steps need them. */
  readonly rootKeys: boolean
  readonly intermediates: readonly IntermediateView[]
}

/** {@link CaStatus} as a schema. */
export const caStatus: z.ZodType<CaStatus> = z.object({
  bundle: z.object({ era: z.number(), number: z.number() }),
  rootKeys: z.boolean(),
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
})

/** What `kosctl ca revoke` sends. */
export interface CaRevokeRequest {
  readonly force: boolean
}

/** {@link CaRevokeRequest} as a schema. */
export const caRevokeRequest: z.ZodType<CaRevokeRequest> = z.strictObject({ force: z.boolean() })
